"""What the tests stand on: a real PostgreSQL server, a TCP proxy that misbehaves, killed processes, one oracle."""
