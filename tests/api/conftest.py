"""The server that the protocol tests share."""

from collections.abc import Iterator

import pytest
from liveserver import LiveServer, serving


@pytest.fixture(scope="session")
def server() -> Iterator[LiveServer]:
    """One server with default settings for all tests that leave it as it is."""
    with serving() as live:
        yield live
