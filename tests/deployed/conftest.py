"""One server, worker and browser for all tests of this folder that want them."""

from collections.abc import Iterator
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

import pytest

from tests.deployed.service import Service, service

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="session")
def deployed(catalog_index: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("service")
    (home / "assay").mkdir()
    (home / "assay" / "catalog").symlink_to(catalog_index)
    with service(home) as running:
        yield running


@pytest.fixture(scope="module")
def page() -> "Iterator[Page]":
    """A page of headless Chromium. It ends with the module: while there is one, its event loop counts as
    running in this thread, and no flow can be called."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="looks at the UI with playwright")
    if not (chromium := which("chromium")):
        pytest.skip("looks at the UI with chromium, which is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
        browser.close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go."""
    return tmp_path_factory.mktemp("pictures")
