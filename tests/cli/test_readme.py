"""Every number in the README is printed by the command next to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.readme import README, commands, filled

VERBS = sorted({command.split()[1] for command in commands(README.read_text(encoding="utf-8"))})


@pytest.mark.parametrize("verb", VERBS)
def test_it_shows_what_is_printed_today(verb: str, tmp_path: Path) -> None:
    text = README.read_text(encoding="utf-8")
    assert filled(text, tmp_path, only=verb) == text, "run `python tests/cli/readme.py`, and read the difference"
