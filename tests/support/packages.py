"""Packages that not every installation has."""

from importlib.util import find_spec

import pytest


def needed(*packages: str, reason: str = "") -> None:
    """Skip a test module that needs packages which are not installed; without importing them, as
    `pytest.importorskip` does while tests are collected."""
    for package in packages:
        if find_spec(package) is None:
            pytest.skip(reason or f"needs {package}, which is not installed", allow_module_level=True)
