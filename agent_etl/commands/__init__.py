"""What each command does, once the command line was understood."""
