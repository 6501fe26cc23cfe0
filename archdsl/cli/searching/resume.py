"""`archdsl search resume`: go on with a study where it stopped."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from archdsl.cli.console import Console
from archdsl.cli.searching.study import add_study

NAME = "search resume"
HELP = "go on with a study where it stopped, by the same sequence of specs"
EXAMPLES = (
    "archdsl search resume search/biformer_nas",
    "archdsl search resume studies/mixers --trials 600 --workers 4",
)


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_study(parser)
    parser.add_argument("--trials", metavar="N", help="how many there shall be in all (as many as before)")
    parser.add_argument("--workers", metavar="N", help="processes that evaluate (as many as before)")
    parser.add_argument("--storage", metavar="URL", help="where the trials are, if not where the study says")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line for each finished trial")


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    raise NotImplementedError
