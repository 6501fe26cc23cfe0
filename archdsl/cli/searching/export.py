"""`archdsl search export`: the best specs of a study as files."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from archdsl.cli.console import Console
from archdsl.cli.searching.study import add_study

NAME = "search export"
HELP = "write the best specs of a study as files that extend its base"
EXAMPLES = (
    "archdsl search export search/biformer_nas",
    "archdsl search export studies/mixers --top 5 -o specs",
)


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_study(parser)
    parser.add_argument("-o", "--output", metavar="DIR", help="the folder to write to (winners, in that of the study)")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--top", metavar="N", help="the N best by the first objective (else those that none is better than)")
    which.add_argument("--all", action="store_true", help="every spec that was evaluated")
    parser.add_argument("--storage", metavar="URL", help="where the trials are, if not where the study says")


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    raise NotImplementedError
