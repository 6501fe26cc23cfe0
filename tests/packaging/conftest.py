"""Wheels that are built and installed for the tests here."""

from __future__ import annotations

import pytest

from tests.packaging.support import CHECKOUT, ROOT, Installed, install


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """archdsl from its wheel, beside the dependencies of this environment."""
    folder = tmp_path_factory.mktemp("installed")
    install(ROOT, folder / "site", CHECKOUT)
    (folder / "elsewhere").mkdir()
    return Installed(folder / "site", folder / "elsewhere")


@pytest.fixture(scope="module")
def with_plugin(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The example package from its wheel, beside archdsl as it is here."""
    folder = tmp_path_factory.mktemp("plugin")
    install(ROOT / "examples" / "02_own_mixer", folder / "site")
    (folder / "elsewhere").mkdir()
    return Installed(folder / "site", folder / "elsewhere", (ROOT,))
