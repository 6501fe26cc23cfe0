"""`archdsl search resume`: go on with a study where it stopped."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from archdsl.cli.console import CallError, Console
from archdsl.cli.searching.going import go
from archdsl.cli.searching.study import add_storage, add_study, add_time_limit, number_of, refuse_packaged, seconds_of, study_of

if TYPE_CHECKING:
    from archdsl.cli.searching.watch import Watch
    from archdsl.search.trials import History

NAME = "search resume"
HELP = "go on with a study where it stopped, by the same sequence of specs"
EXAMPLES = (
    "archdsl search resume studies/mixers --trials 600 --workers 4",
    "archdsl search resume studies/mixers --time-limit 600 --retry-failed",
)


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_study(parser)
    parser.add_argument("--trials", metavar="N", help="how many there shall be in all (as many as before)")
    parser.add_argument("--workers", metavar="N", help="processes that evaluate (1, or what study.yaml says)")
    parser.add_argument("--device", metavar="D", help="where specs are evaluated (cpu, or what study.yaml says)")
    add_time_limit(parser)
    parser.add_argument("--retry-failed", action="store_true", help="evaluate the specs of failed trials again")
    add_storage(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object a line for each finished trial")


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    asked: dict[str, Any] = {
        "trials": number_of(args, "trials", 1),
        "workers": number_of(args, "workers", 1),
        "storage": args.storage,
        "device": args.device,
        "time_limit": seconds_of(args),
        "retry_failed": args.retry_failed,
    }
    refuse_packaged(args.study, "name the folder that `archdsl search run` made with `-o DIR`")
    study = study_of(args.study)

    def work(watch: Watch) -> History:
        from archdsl.search.running import resume
        from archdsl.search.study import read_study

        watch.known(read_study(study, storage=args.storage).trials)
        return resume(study, on_event=watch, **asked)

    from archdsl.search.settings import OutOfBounds

    try:
        return go(study, args, console, work)
    except OutOfBounds as error:
        raise CallError(str(error), "`archdsl search resume --help` tells what the options take") from error
