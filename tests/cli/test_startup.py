"""Verbs that need no torch never import it, nor anything else that takes long."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from archdsl.cli.main import INNER

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "triton", "optuna", "fvcore", "numpy", "safetensors", "rich", "lark")
PROBE = """
import sys
from archdsl.cli.main import main

main(sys.argv[1:])
loaded = {name.partition(".")[0] for name in sys.modules}
print("loaded", *sorted(loaded), file=sys.stderr)
"""


def loaded(*words: str) -> set[str]:
    """The top-level modules after a call."""
    run = subprocess.run(
        [sys.executable, "-c", PROBE, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    return set(run.stderr.splitlines()[-1].split()[1:])


@pytest.mark.parametrize(
    "words",
    [
        ("check", "specs/biformer_t.arch"),
        ("check", "specs/biformer_t.arch", "--json"),
        ("fmt", "--check", "specs/biformer_t.arch"),
        ("show", "@davit_tiny"),
        ("diff", "@biformer_t", "@biformer_s"),
        ("explain", "shape-mismatch"),
        ("explain", "routing"),
        ("explain", "s3.dim", "@biformer_t"),
        ("explain", "params"),
        ("list", "components", "--plain"),
        ("list", "objectives"),
        ("list", "specs", "--plain"),
        ("completion", "bash"),
        ("verify", "--counts", "specs/biformer_t.arch", "--markdown"),
        ("verify", "--counts", "@davit_tiny", "--json"),
        ("verify", "--help"),
        ("build", "--help"),
        ("bench", "--help"),
        ("count", "--help"),
        *(("search", name, "--help") for name in INNER["search"]),
        ("search", "--help"),
        ("list", "studies", "--plain"),
        ("--help",),
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_imported(words: tuple[str, ...]) -> None:
    assert loaded(*words).isdisjoint(HEAVY)


def test_a_text_spec_needs_no_yaml() -> None:
    assert "yaml" not in loaded("check", "specs/biformer_t.arch")


def test_yaml_needs_nothing_heavier() -> None:
    found = loaded("convert", "specs/biformer_t.arch", "-")
    assert "yaml" in found
    assert found.isdisjoint(HEAVY)
