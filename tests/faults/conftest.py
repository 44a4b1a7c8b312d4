"""The fault tests' fixture: one maker of worlds."""

import pytest
from harness.kill import Nursery
from harness.mariadb import MariadbServer
from harness.postgres import PostgresServer
from harness.rounds import Rounds


@pytest.fixture(scope="session")
def rounds(
    nursery: Nursery, postgres: PostgresServer, mariadb: MariadbServer, tmp_path_factory: pytest.TempPathFactory
) -> Rounds:
    """Fresh worlds to break."""
    return Rounds(nursery, postgres, mariadb, tmp_path_factory.mktemp("rounds"))
