"""Mutated specs: a tree or diagnostics with a place, and nothing else."""

from __future__ import annotations

import random

import pytest

from archdsl.lang.fmt import format_file
from archdsl.lang.parse import parse_file
from archdsl.source.diagnostic import Report, Reported
from archdsl.source.files import source_from_text
from archdsl.source.render import render
from tests.lang.mutate import mutate
from tests.lang.samples import SAMPLES, file
from tests.lang.test_fmt import _comments, _items


def fuzz(runs: int, seed: int) -> None:
    rng = random.Random(seed)
    texts = [SAMPLES[name] for name in sorted(SAMPLES)]
    valid = 0
    for _ in range(runs):
        text = mutate(rng.choice(texts), rng)
        report = Report()
        try:
            tree = parse_file(source_from_text("mutant", text, report), report)
        except Reported:
            tree = None
        assert (tree is None) == bool(report.errors), text
        if tree is None:
            assert all(error.span is not None for error in report.errors), text
            assert render(report.diagnostics, format="short")
            continue
        valid += 1
        if valid % 5 == 0:
            formatted = format_file(tree)
            again = file(formatted)
            assert _items(again) == _items(tree)
            assert _comments(again) == _comments(tree)
            assert format_file(again) == formatted
    assert valid >= 0.15 * runs


def test_mutants() -> None:
    fuzz(600, 1)


@pytest.mark.slow
def test_many_mutants() -> None:
    fuzz(20_000, 2)
