"""What a user has who installed the wheel and never saw the checkout."""

from __future__ import annotations

import json

import pytest

from tests.packaging.support import ROOT, Installed


def test_the_wheel_is_what_runs(installed: Installed) -> None:
    found = installed.run("-c", "import archdsl; print(archdsl.__file__)").stdout.strip()
    assert found == str(installed.target / "archdsl" / "__init__.py")


@pytest.mark.parametrize(
    ("kind", "folder", "patterns"),
    [
        ("grammars", "grammars", ("*.lark", "*.json", "*.md")),
        ("specs", "specs", ("*.arch", "*.yaml", "*.md")),
        ("search", "search", ("*/*.arch",)),
        ("errors", "docs/errors", ("*.md",)),
    ],
)
def test_data_is_inside(installed: Installed, kind: str, folder: str, patterns: tuple[str, ...]) -> None:
    inside = installed.target / "archdsl" / "_data" / kind
    for pattern in patterns:
        expected = {path.relative_to(ROOT / folder).as_posix() for path in (ROOT / folder).glob(pattern)}
        assert {path.relative_to(inside).as_posix() for path in inside.glob(pattern)} == expected
    code = f"from archdsl.resources import data_path; print(data_path({kind!r}))"
    assert installed.run("-c", code).stdout.strip() == str(inside)


def test_nothing_else_is_inside(installed: Installed) -> None:
    folders = {path.name for path in installed.target.iterdir() if not path.name.endswith(".dist-info")}
    assert folders == {"archdsl", "bin"}
    data = installed.target / "archdsl" / "_data"
    assert not [path for path in data.rglob("*") if path.suffix == ".py"]


def test_types_and_pages_of_components_are_inside(installed: Installed) -> None:
    package = installed.target / "archdsl"
    assert (package / "py.typed").is_file()
    expected = {path.relative_to(ROOT / "archdsl").as_posix() for path in (ROOT / "archdsl" / "components").rglob("README.md")}
    assert expected
    assert {path.relative_to(package).as_posix() for path in (package / "components").rglob("README.md")} == expected


def test_the_command_is_installed(installed: Installed) -> None:
    assert "archdsl" in installed.run(str(installed.target / "bin" / "archdsl"), "--version").stdout


def test_checks_a_packaged_spec(installed: Installed) -> None:
    installed.archdsl("check", "@biformer_t", "@davit_large_384")


def test_names_the_packaged_spec_where_a_path_is_missing(installed: Installed) -> None:
    assert "@biformer_t" in installed.archdsl("check", "specs/biformer_t.arch", code=2).stderr


def test_explains(installed: Installed) -> None:
    assert "unknown-field" in installed.archdsl("explain", "unknown-field").stdout
    assert "topk" in installed.archdsl("explain", "routing").stdout


def test_lists(installed: Installed) -> None:
    assert "@biformer_t" in installed.archdsl("list", "specs").stdout.split()
    assert "unknown-field" in installed.archdsl("list", "errors").stdout.split()


@pytest.mark.slow
def test_builds_a_packaged_spec(installed: Installed) -> None:
    counted = json.loads(installed.archdsl("count", "@biformer_t", "--json").stdout)
    assert counted["params"] == 13_142_760
    assert counted["flops"] == counted["flops_fvcore"] == 2_228_044_160
    installed.archdsl("build", "@biformer_t", "-o", "made")
    made = installed.cwd / "made"
    assert any(made.glob("*.safetensors"))
    assert any(made.glob("*.arch"))
