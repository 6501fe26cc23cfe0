"""What the documents say is so: their specs check, their programs run, their links and command lines lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from archdsl import api
from archdsl.cli.main import INNER, VERBS, parser_of, verb
from archdsl.ir.objectives import OBJECTIVES
from archdsl.source import limits
from archdsl.source.text import Source
from tests.docs.pages import ROOT, Block, blocks, commands, links, pages, paths, shown

PAGES = pages()
_READ = ("README.md", "CONTRIBUTING.md", "grammars/", "examples/", "search/", "specs/")
BLOCKS = [block for page in PAGES if shown(page).startswith(_READ) for block in blocks(page)]
SPECS = [
    block for block in BLOCKS if block.kind in ("", "arch", "yaml") and not block.mark and block.page != "specs/KEYMAPS.md"
]
PROGRAMS = [block for block in BLOCKS if block.kind == "python"]
COMMANDS = sorted({(shown(page), command) for page in PAGES for command in commands(page)})


@pytest.mark.parametrize("block", SPECS, ids=lambda block: block.name)
def test_specs_check_without_a_warning(block: Block) -> None:
    path = Path(f"{block.page}.yaml") if block.kind == "yaml" else None
    found = api.check_source(Source(block.name, block.text), path=path)
    assert not found, "\n".join(map(str, found)) + "\nmend it, or mark it: <!-- fragment -->"


def test_there_is_something_to_check() -> None:
    assert len(SPECS) >= 3
    assert len(PROGRAMS) >= 3
    assert len(COMMANDS) >= 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like that of a reader: with the specs, and a published checkpoint."""
    import torch

    import archdsl
    from archdsl.checkpoints import keymap_of
    from archdsl.lowering.weights import official_state

    made = tmp_path_factory.mktemp("reader")
    for name in ("specs", "search", "examples"):
        (made / name).symlink_to(ROOT / name)
    spec = archdsl.load("@biformer_t")
    keymap = keymap_of(spec)
    assert keymap
    torch.save({"model": official_state(archdsl.build(spec).state_dict(), keymap)}, made / "biformer_tiny.pth")
    return made


def _run(program: list[str], folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", *program], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", PROGRAMS, ids=lambda block: block.name)
def test_programs_run(block: Block, folder: Path) -> None:
    # a comment behind a value says what it is
    shapes = re.findall(r"^(\w+) = [^#\n]*# (\[[\d, ]+\])$", block.text, re.MULTILINE)
    checks = "".join(f"\nassert list({name}.shape) == {shape}, {name}.shape" for name, shape in shapes)
    _run(["-c", block.text + checks], folder)


@pytest.mark.parametrize("example", sorted(path.name for path in (ROOT / "examples").glob("*.py")))
def test_examples_run(example: str, folder: Path) -> None:
    _run([f"examples/{example}"], folder)


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_links_lead_somewhere(page: Path) -> None:
    assert [target for target in links(page) if not target.exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_paths_are_there(page: Path) -> None:
    assert [path for path in paths(page) if not ((ROOT / path).exists() or (page.parent / path).exists())] == []


def test_every_page_is_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        for target in links(page):
            # a link to a folder shows what is in it
            waiting += target.rglob("*.md") if target.is_dir() else [target] * (target.suffix == ".md")
    assert [shown(page) for page in PAGES if page not in reached] == []


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_command_lines_parse(page: str, command: str) -> None:
    words = command.split()[1:]
    if words[0].isupper() or words[0].startswith("--"):
        # of any verb, or of none
        assert words[0] in ("VERB", "--help", "--version")
        return
    assert words[0] in VERBS, f"{page}: there is no verb `{words[0]}`"
    if words[0] in INNER and len(words) > 1 and not words[1].startswith("-"):
        # a verb inside, or what stands for one
        assert words[1] in (*INNER[words[0]], "VERB"), f"{page}: there is no verb `{words[0]} {words[1]}`"
        words = [" ".join(words[:2]), *words[2:]] if words[1] != "VERB" else words[:1]
    parser = parser_of(verb(words[0]))
    known = set(parser._option_string_actions)
    assert {word.partition("=")[0] for word in words if word.startswith("-") and word != "-"} <= known
    # where the text speaks of an option alone, what the verb works on is left out
    if len(words) > 1 and not words[1].startswith("-"):
        parser.parse(words[1:])


def test_every_limit_is_told() -> None:
    text = (ROOT / "grammars" / "README.md").read_text(encoding="utf-8")
    told = {}
    for name, number in re.findall(r"^\| `([A-Z_]+)` \| ([\d,^]+) \|", text, re.MULTILINE):
        base, _, power = number.replace(",", "").partition("^")
        told[name] = int(base) ** int(power or 1)
    assert told == {name: value for name, value in vars(limits).items() if name.isupper()}


@pytest.mark.parametrize("page", ["grammars/README.md", "docs/errors/unknown-objective.md"])
def test_every_objective_is_told(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert [name for name in OBJECTIVES if f"`{name}`" not in text] == []


@pytest.mark.parametrize("page", [*(ROOT / "docs" / "adr").glob("0*.md")], ids=shown)
def test_every_decision_is_in_the_list(page: Path) -> None:
    assert f"({page.name})" in (page.parent / "README.md").read_text(encoding="utf-8")
