"""`archdsl search show`: what a study has found so far."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from archdsl.cli.arguments import add_json
from archdsl.cli.console import Console
from archdsl.cli.searching.study import add_study

NAME = "search show"
HELP = "show what a study has found so far, beside its base and published models"
EXAMPLES = (
    "archdsl search show search/biformer_nas",
    "archdsl search show studies/mixers --json > mixers.json",
)


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_study(parser)
    parser.add_argument("--storage", metavar="URL", help="where the trials are, if not where the study says")
    add_json(parser)


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    raise NotImplementedError
