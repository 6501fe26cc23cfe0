"""`archdsl search report`: a study as one page."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from archdsl.cli.console import DONE, Console
from archdsl.cli.searching.study import add_storage, add_study, output_of, refuse_packaged, study_of

NAME = "search report"
HELP = "write a study as one HTML page that works without a network"
EXAMPLES = (
    "archdsl search report studies/mixers",
    "archdsl search report studies/mixers -o mixers.html",
)


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_study(parser)
    parser.add_argument("-o", "--output", metavar="FILE", help="the page to write (report.html, in the folder of the study)")
    add_storage(parser)


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    target = output_of(args, "`report.html` in the folder of the study is written")
    if target is None:
        refuse_packaged(args.study, "write `-o FILE`")
    study = study_of(args.study)
    with console.progress() as progress:
        progress.step("reading the trials")
        from archdsl.search.study import read_study

        found = read_study(study, storage=args.storage)
        progress.step("drawing")
        from archdsl.search.report.page import write_report

        path = write_report(found, study, target)
    console.out(path.as_posix())
    return DONE
