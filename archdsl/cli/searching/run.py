"""`archdsl search run`: start a study, and go through its trials."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from archdsl.cli.console import Console
from archdsl.cli.searching.study import add_study

NAME = "search run"
HELP = "start a study: draw specs that fit the budgets, evaluate them, keep the best"
EXAMPLES = (
    "archdsl search run search/biformer_nas --trials 100 --dry-run",
    "archdsl search run @mixer_small -o studies/mixers --sampler tpe --workers 4",
)
SAMPLERS = ("auto", "random", "tpe", "nsga2", "gp")


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_study(parser)
    parser.add_argument("--trials", metavar="N", help="how many (300, or what study.yaml says; so for all that follow)")
    parser.add_argument("--sampler", choices=SAMPLERS, help="who proposes specs; auto goes by objectives and trials")
    parser.add_argument("--seed", metavar="N", help="of the sampler and of initial weights (0)")
    parser.add_argument("--workers", metavar="N", help="processes that evaluate (1)")
    parser.add_argument("--storage", metavar="URL", help="where trials are kept (SQLite in the folder of the study)")
    parser.add_argument("--device", metavar="D", help="where specs are evaluated: cpu, cuda, cuda:1, ... (cpu)")
    parser.add_argument("-o", "--output", metavar="DIR", help="the folder of the study, made anew for a file or @NAME")
    parser.add_argument("--dry-run", action="store_true", help="measure the base once, say what it would cost, write nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line for each finished trial")


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    raise NotImplementedError
