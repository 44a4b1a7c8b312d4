"""Fixtures of the fault tests: one warm process, one maker of worlds."""

from collections.abc import Iterator

import pytest
from harness.kill import Nursery
from harness.postgres import PostgresServer
from harness.rounds import Rounds


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """The warm process from which pipelines are forked."""
    with Nursery() as nursery:
        yield nursery


@pytest.fixture(scope="session")
def rounds(nursery: Nursery, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Rounds:
    """Fresh worlds to break."""
    return Rounds(nursery, postgres, tmp_path_factory.mktemp("rounds"))
