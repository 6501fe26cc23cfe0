"""Specs changed at random: a valid spec or diagnostics with a place, and no other outcome.

What stays valid must come back from `fmt` and from YAML as the same syntax.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from archdsl.api import check_source
from archdsl.lang.fmt import format_file
from archdsl.lang.parse import parse_file
from archdsl.lang.text_write import write_text
from archdsl.lang.yaml_twin import parse_yaml
from archdsl.lang.yaml_write import write_yaml
from archdsl.source.diagnostic import Diagnostic, Report, Reported
from archdsl.source.files import source_from_text
from archdsl.source.render import render
from archdsl.testing import txtar
from archdsl.testing.slugs import slugs
from tests.cli.test_errors import ELSEWHERE, NO_SPEC
from tests.lang.mutate import mutate

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SPECS = [
    *sorted((HERE / "corpus").iterdir()),
    *(ROOT / "specs" / f"{name}.arch" for name in ("biformer_t", "biformer_stl", "davit_tiny")),
    *sorted((ROOT / "search").glob("*/*.arch")),
]
CHUNKS = 8
MUTANTS = 20_000
# what a text alone cannot raise: it takes other files, overrides, a device, or the name of one of several archs
OUTSIDE = {"ambiguous-model", "import-cycle", "missing-device", "no-model", "unknown-override", "unreadable-file"}


@dataclass(frozen=True, slots=True)
class Seed:
    """A text to start from, and its form: `.arch` or `.yaml`."""

    text: str
    form: str


def _wrong() -> Iterator[Seed]:
    """What raises each slug: mutants of these reach the corners."""
    for path in sorted((ROOT / "tests" / "golden" / "errors").glob("*.txtar")):
        for name, text in txtar.parse(path.read_text(encoding="utf-8")).files.items():
            if name.endswith((".arch", ".yaml")) and not name.endswith(".keys.yaml"):
                yield Seed(text, Path(name).suffix)


RIGHT = [Seed(path.read_text(encoding="utf-8"), path.suffix) for path in SPECS]
WRONG = [*_wrong(), Seed("arch \x00", ".arch")]


def outcome(seed: Seed) -> tuple[Diagnostic, ...]:
    """What is said of a text; nothing but `Reported` may come out of reading it."""
    report = Report()
    try:
        source = source_from_text(f"mutant{seed.form}", seed.text, report)
    except Reported:
        return report.diagnostics
    return check_source(source, path=ROOT / "specs" / f"mutant{seed.form}")


def survives(seed: Seed) -> None:
    """A valid text is kept by `fmt` and by the YAML twin."""
    report = Report()
    parse = parse_yaml if seed.form == ".yaml" else parse_file
    tree = parse(source_from_text("mutant", seed.text, report), report)
    assert tree is not None
    formatted = write_text(tree) if seed.form == ".yaml" else format_file(tree)
    again = parse_file(source_from_text("formatted", formatted, report), report)
    assert again is not None
    assert format_file(again) == formatted, seed
    twin = write_yaml(tree)
    assert parse_yaml(source_from_text("twin", twin, report), report) == tree, seed


def fuzz(runs: int, start: int) -> float:
    """Try some mutants; the share of those that are still valid."""
    rng = random.Random(start)
    valid = 0
    for _ in range(runs):
        # the wrong ones are there for the corners they reach, not for the valid mutants they leave
        seed = rng.choice(RIGHT if rng.random() < 0.8 else WRONG)
        mutant = Seed(mutate(seed.text, rng), seed.form)
        found = outcome(mutant)
        errors = [diagnostic for diagnostic in found if diagnostic.severity == "error"]
        assert all(error.span is not None for error in errors), (errors, mutant)
        render(found, format="json")
        if not errors:
            valid += 1
            survives(mutant)
    return valid / runs


def test_mutants() -> None:
    assert fuzz(150, start=0) >= 0.15


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_many_mutants(chunk: int) -> None:
    assert fuzz(MUTANTS // CHUNKS, start=1 + chunk) >= 0.15


def test_every_slug_of_a_text_is_reached() -> None:
    reached = {diagnostic.slug for seed in (*RIGHT, *WRONG) for diagnostic in outcome(seed)}
    wanted = {use.slug for use in slugs(ROOT / "archdsl") if use.slug} - {*ELSEWHERE, *NO_SPEC, *OUTSIDE}
    assert sorted(wanted - reached) == []
