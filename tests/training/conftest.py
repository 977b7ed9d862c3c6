"""The drawings that the demo is taught, for every test of training."""

import shutil

import pytest

from alpenglow.training.drawings import fetch_packages, load_drawings


@pytest.fixture(scope="session")
def packages(pytestconfig):
    """The icon sets, fetched once and kept between runs."""
    if shutil.which("npm") is None:
        pytest.skip("npm, which brings the drawings, is not installed")
    return fetch_packages(pytestconfig.cache.mkdir("icon-sets"))


@pytest.fixture(scope="session")
def library(packages):
    return load_drawings(packages)
