"""The grammar: without conflicts, and shipped as the tables that it gives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import lark
import pytest

from archdsl.lang import grammar, tables
from archdsl.lang.tokens import scan
from archdsl.resources import data_path
from archdsl.source.diagnostic import Report
from archdsl.source.text import Source
from tests.lang.samples import SAMPLES

GRAMMAR = (data_path("grammars") / "arch.lark").read_text(encoding="utf-8")


def test_strict() -> None:
    grammar.make(GRAMMAR, strict=True)


def test_every_terminal_is_named() -> None:
    names = {name for name, _ in grammar.tables().patterns} | set(grammar.tables().words.values())
    assert not [name for name in names if "ANON" in name]


def test_tables_are_not_stale() -> None:
    assert Path(tables.__file__).read_text(encoding="utf-8") == grammar.module_text()


@pytest.mark.parametrize("seed", ["1", "2"])
def test_tables_are_the_same_in_each_process(seed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "archdsl.lang.grammar", "--check"], env={**os.environ, "PYTHONHASHSEED": seed}, check=False
    )
    assert done.returncode == 0


def test_a_changed_grammar_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "GRAMMAR", 0)
    monkeypatch.setattr(tables, "TABLES", ())
    remade = grammar.tables.__wrapped__()
    assert remade == grammar.tables()


def test_reserved_words_are_those_of_the_name_pattern() -> None:
    pattern = dict(grammar.tables().patterns)["NAME"]
    assert sorted(pattern.split("(?:", 1)[1].split(")", 1)[0].split("|")) == sorted(grammar.tables().words)


@pytest.mark.parametrize("lexer", ["basic", "contextual"])
@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_lark_reads_the_same(name: str, lexer: str) -> None:
    text = SAMPLES[name]
    parser = lark.Lark(GRAMMAR, parser="lalr", lexer=lexer, keep_all_tokens=True, maybe_placeholders=False)
    theirs = [
        (token.type, token.start_pos, token.end_pos)
        for token in parser.parse(text).scan_values(lambda v: isinstance(v, lark.Token))
    ]
    ours = [tuple(token) for token in scan(Source(name, text), 0, len(text), Report()).tokens[:-1]]
    assert theirs == ours


def test_parsing_does_not_import_lark() -> None:
    code = (
        "import sys; from archdsl.lang.parse import parse_file; from archdsl.source.text import Source;"
        "from archdsl.source.diagnostic import Report; assert parse_file(Source('a', 'let a = 1'), Report());"
        "bad = {'lark', 'hashlib', 'yaml', 'rich', 'torch', 'numpy', 'archdsl.lang.recover'} & set(sys.modules);"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
