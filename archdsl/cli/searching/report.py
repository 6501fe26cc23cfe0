"""`archdsl search report`: a study as one page."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from archdsl.cli.console import Console
from archdsl.cli.searching.study import add_study

NAME = "search report"
HELP = "write a study as one HTML page that works without a network"
EXAMPLES = (
    "archdsl search report search/biformer_nas",
    "archdsl search report studies/mixers -o mixers.html",
)


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_study(parser)
    parser.add_argument("-o", "--output", metavar="FILE", help="the page to write (report.html, in the folder of the study)")
    parser.add_argument("--storage", metavar="URL", help="where the trials are, if not where the study says")


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    raise NotImplementedError
