"""`archdsl check`: everything that can be said about specs without torch."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from archdsl.cli import texts
from archdsl.cli.arguments import add_json, add_overrides
from archdsl.cli.console import Console
from archdsl.cli.files import spec_files
from archdsl.cli.main import exit_code
from archdsl.source.diagnostic import SpecError

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
        for name in (each for path in specs for each in texts.models(path)):
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


def _counted(name: str, spec: Spec) -> str:
    """One line: the counts, and what is expected of them."""
    from archdsl.report.written import exact

    counts = f"{exact(spec.params)} params, {exact(spec.flops)} flops at {spec.network.image.size}"
    expected = [f"{entry}: {entry.status}" for entry in spec.expectations]
    return f"{name}: {'; '.join([counts, *expected])}"
