"""`archdsl search worker`: one more process on a study, from another shell or another machine."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from archdsl.cli.console import Console
from archdsl.cli.searching.study import add_study

NAME = "search worker"
HELP = "evaluate trials of a running study, from another shell or machine"
EXAMPLES = (
    "archdsl search worker search/biformer_nas",
    "archdsl search worker studies/mixers --storage postgresql+psycopg://me@host/studies",
)


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_study(parser)
    parser.add_argument("--storage", metavar="URL", help="where the trials are, if not where the study says")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line for each finished trial")


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    raise NotImplementedError
