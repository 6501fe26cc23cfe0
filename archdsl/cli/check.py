"""`archdsl check`: everything that can be said about specs without torch."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from archdsl.cli import texts
from archdsl.cli.arguments import add_json, add_overrides
from archdsl.cli.console import Console
from archdsl.cli.files import spec_files
from archdsl.cli.main import exit_code
from archdsl.source.diagnostic import Report, SpecError

if TYPE_CHECKING:
    from archdsl.api import Spec

NAME = "check"
HELP = "parse and resolve specs, infer shapes, count, and compare with what they expect"
EXAMPLES = (
    "archdsl check specs/biformer_t.arch",
    "archdsl check --format github specs",
)


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("specs", metavar="SPEC", nargs="+", help="FILE, FILE:NAME, @NAME of a packaged spec, or a folder")
    parser.add_argument(
        "--format",
        choices=("full", "short", "json", "github"),
        default="full",
        help="how to show what was found; json and github go to stdout",
    )
    add_json(parser)
    add_overrides(parser)


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    from archdsl import api
    from archdsl.cli.arguments import overrides, size

    specs = spec_files(args.specs, (".arch", ".yaml", ".yml"))
    changed, at = overrides(args), size(args)
    found = api.check(specs, set=changed, at=at)
    if console.verbose:
        for name in (each for path in specs for each in _models(path)):
            try:
                console.reason(_counted(name, api.load(name, set=changed, at=at)))
            except SpecError:
                # what is wrong with it is among what was found
                console.reason(f"{name}: not counted, it has errors")
    if found or console.form == "json":
        console.diagnostics(found)
    if not any(diagnostic.severity == "error" for diagnostic in found):
        console.say(f"{len(specs)} spec{'s' * (len(specs) != 1)} checked, no errors{console.elapsed()}")
    return exit_code(found)


def _models(path: str) -> list[str]:
    """Each arch and space that a path stands for, as it is named in a call."""
    form = texts.form_of(path)
    if path.startswith("@") or form is None or not Path(path).is_file():
        return [path]
    from archdsl.lang.ast import Arch, Space

    report = Report()
    source = texts.read(path, report)
    file = texts.parse(source, form, report) if source else None
    names = [item.name.id for item in file.items if isinstance(item, Arch | Space)] if file else []
    return [f"{path}:{name}" for name in names] if len(names) > 1 else [path] * len(names)


def _counted(name: str, spec: Spec) -> str:
    """One line: the counts, and what is expected of them."""
    from archdsl.report.written import exact

    counts = f"{exact(spec.params)} params, {exact(spec.flops)} flops at {spec.network.image.size}"
    expected = [
        f"{entry.quantity} = {entry.written}{f' at {entry.at}' if entry.at else ''}: {entry.status}"
        for entry in spec.expectations
    ]
    return f"{name}: {'; '.join([counts, *expected])}"
