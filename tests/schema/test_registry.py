"""The registry: built-in components without imports, and those of installed packages, whatever these do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from archdsl.components.manifest import MANIFEST
from archdsl.schema import manifest, registry
from archdsl.schema.component import Component
from archdsl.schema.registry import BrokenPlugin, Clash

GOOD = """\
from __future__ import annotations
from dataclasses import dataclass
from archdsl.schema.component import Component, component

@component("{name}", slot="{slot}", module="{package}.module:Gate")
@dataclass(frozen=True, slots=True)
class Gate(Component):
    \"\"\"A gate
    of another package. It says more.\"\"\"
"""


class Packages:
    """Packages that look installed, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, package: str, text: str, *names: str) -> None:
        (self.folder / f"{package}.py").write_text(text, encoding="utf-8")
        info = self.folder / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
        entries = "".join(f"{name} = {package}:Gate\n" for name in names)
        (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\n{entries}", encoding="utf-8")

    def add_good(self, package: str, name: str, slot: str = "token") -> None:
        self.add(package, GOOD.format(name=name, slot=slot, package=package), name)


def _forget() -> None:
    registry._plugins.cache_clear()
    registry._load.cache_clear()


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Packages]:
    monkeypatch.syspath_prepend(str(tmp_path))
    _forget()
    yield Packages(tmp_path)
    _forget()
    for name in [name for name in sys.modules if name.startswith("plugged_")]:
        del sys.modules[name]


def test_the_manifest_is_up_to_date() -> None:
    assert manifest.main(["--check"]) == 0


def test_every_entry_leads_to_its_component() -> None:
    for name, (slot, _, doc) in MANIFEST.items():
        found = registry.lookup(name)
        assert isinstance(found, type)
        assert issubclass(found, Component)
        assert (found.schema.name, found.schema.slot) == (name, slot)
        assert registry.summary(name) == (slot, doc)
        assert doc.endswith(".")
        assert registry.distribution(name) == "archdsl"


def test_names_are_sorted_and_by_slot() -> None:
    assert list(registry.built_in()) == sorted(MANIFEST)
    assert set(registry.names("token")) >= {"attention", "channel_attention", "routing", "window_attention"}
    assert "mlp" in registry.names("channel")
    assert "mlp" not in registry.names("map")
    assert set(registry.names()) >= set(MANIFEST)


def test_a_lookup_imports_one_component_and_asks_no_package() -> None:
    code = (
        "import sys; from archdsl.schema.registry import lookup, summary; summary('mlp'); lookup('conv'); "
        "print(*(m for m in sys.modules if m.startswith('archdsl.components.') and m.endswith('.spec')), "
        "'importlib.metadata' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["archdsl.components.map.conv.spec", "False"]


def test_a_plugin_is_found(packages: Packages) -> None:
    packages.add_good("plugged_gate", "gate")
    found = registry.lookup("gate")
    assert isinstance(found, type)
    assert found.schema.name == "gate"
    assert "gate" in registry.names()
    assert "gate" in registry.names("token")
    assert "gate" not in registry.names("channel")
    assert registry.summary("gate") == ("token", "A gate of another package.")
    assert registry.distribution("gate") == "plugged_gate"
    assert registry.clashes() == ()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("import a_device_that_is_not_here", "ModuleNotFoundError: No module named 'a_device_that_is_not_here'"),
        ("def (", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise RuntimeError", "RuntimeError"),
        ("x = 1", "AttributeError"),
        ("Gate = 7", "plugged_gate:Gate is not a declared component"),
        ("class Gate: schema = 1", "plugged_gate:Gate is not a declared component"),
        ("from archdsl.schema.component import Component as Gate", "plugged_gate:Gate is not a declared component"),
        (GOOD.format(name="gait", slot="token", package="plugged_gate"), "plugged_gate:Gate declares the component gait"),
    ],
)
def test_a_broken_plugin_breaks_nothing(packages: Packages, text: str, error: str) -> None:
    packages.add("plugged_gate", text, "gate")
    found = registry.lookup("gate")
    assert isinstance(found, BrokenPlugin)
    assert (found.name, found.distribution) == ("gate", "plugged_gate")
    assert found.error.startswith(error)
    assert "gate" in registry.names()
    assert "gate" not in registry.names("token")
    assert registry.summary("gate") == (None, found.error)
    assert isinstance(registry.lookup("conv"), type)


def test_a_name_that_is_built_in_stays_so(packages: Packages) -> None:
    packages.add("plugged_conv", "raise RuntimeError('imported')", "conv")
    found = registry.lookup("conv")
    assert isinstance(found, type)
    assert found.__module__ == "archdsl.components.map.conv.spec"
    assert registry.clashes() == (Clash("conv", "plugged_conv", "archdsl"),)


def test_of_two_packages_with_one_name_the_first_by_name_is_kept(packages: Packages) -> None:
    packages.add_good("plugged_b", "gate")
    packages.add_good("plugged_a", "gate")
    assert registry.distribution("gate") == "plugged_a"
    assert registry.clashes() == (Clash("gate", "plugged_b", "plugged_a"),)


def test_an_unknown_name_is_none() -> None:
    assert registry.lookup("no_such_component") is None
    with pytest.raises(KeyError):
        registry.summary("no_such_component")


@pytest.mark.parametrize(
    ("doc", "sentence"),
    [
        ("One.", "One."),
        ("One two\n    three. Four.", "One two three."),
        ("One\n\nTwo.", "One."),
        ("eps is 1.5 here. B", "eps is 1.5 here."),
    ],
)
def test_first_sentence(doc: str, sentence: str) -> None:
    assert registry.first_sentence(doc) == sentence
