"""`archdsl search`: better specs under a budget. Its verbs are the modules of `archdsl.cli.searching`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from archdsl.cli.console import CallError, Console

NAME = "search"
HELP = "find better specs under a budget: run, resume, worker, show, count, export, report"
EXAMPLES = (
    "archdsl search run @biformer_nas -o studies/biformer --trials 100",
    "archdsl search show studies/biformer",
)


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    from archdsl.cli.main import INNER, verb

    inner = INNER[NAME]
    rows = (f"  {name:<8}{verb(f'{NAME} {name}').HELP}" for name in inner)
    parser.description = "\n".join(("Find better specs of a space under its budgets.", "", *rows))
    parser.add_argument("verb", metavar="|".join(inner), choices=inner, help="`archdsl search VERB --help` tells more")


def run(args: Namespace, console: Console) -> int:
    """Refuse: what is to be done is said by a verb inside."""
    from archdsl.cli.main import INNER

    raise CallError("`archdsl search` needs a verb", f"verbs are {', '.join(INNER[NAME])}; `archdsl search --help` tells more")
