"""A family is short: some sixty lines, and eight more for each of its sizes."""

from __future__ import annotations

from pathlib import Path

import pytest

SPECS = Path(__file__).resolve().parents[2] / "specs"
# what the names of a family's specs begin with
FAMILIES = {
    "BiFormer": ("biformer",),
    "CARE": ("care",),
    "ConViT": ("convit",),
    "DaViT": ("davit",),
    "HaloNet": ("halo",),
    "MOAT": ("moat", "tiny_moat"),
    "OverLoCK": ("overlock",),
    "S2AFormer": ("s2aformer",),
    "SpaRTAN": ("spartan",),
    "TransNeXt": ("transnext",),
    "VOLO": ("volo",),
}
# counts and their reasons are measured, comments and imports describe: none of them says how the network is made
_SAYS_NOTHING = ("#", "expect ", "because ", "import ")


def _family(*prefixes: str) -> list[Path]:
    return [path for path in sorted(SPECS.glob("*.arch")) if path.stem.startswith(prefixes)]


def _said(path: Path) -> int:
    """The lines of a spec that say something of the network."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return sum(bool(line) and not line.startswith(_SAYS_NOTHING) for line in lines)


def test_every_spec_is_of_one_family() -> None:
    found = [path for prefixes in FAMILIES.values() for path in _family(*prefixes)]
    assert sorted(found) == sorted(SPECS.glob("*.arch"))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_short(family: str) -> None:
    said = {path.stem: _said(path) for path in _family(*FAMILIES[family])}
    assert sum(said.values()) <= 60 + 8 * len(said), said
