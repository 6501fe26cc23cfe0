"""`archdsl search worker`: one more process on a study, from another shell or another machine."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from archdsl.cli.console import Console
from archdsl.cli.searching.going import go
from archdsl.cli.searching.study import add_storage, add_study, refuse_packaged, study_of

if TYPE_CHECKING:
    from archdsl.cli.searching.watch import Watch
    from archdsl.search.trials import History

NAME = "search worker"
HELP = "evaluate trials of a running study, from another shell or machine"
EXAMPLES = (
    "archdsl search worker studies/mixers",
    "archdsl search worker studies/mixers --storage postgresql+psycopg://me@host/studies",
)


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_study(parser)
    parser.add_argument("--device", metavar="D", help="where specs are evaluated (cpu, or what study.yaml says)")
    add_storage(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object a line for each finished trial")


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    refuse_packaged(args.study, "name the folder that `archdsl search run` made with `-o DIR`")
    study = study_of(args.study)

    def work(watch: Watch) -> History:
        from archdsl.search.running import worker
        from archdsl.search.study import read_study

        watch.known(read_study(study, storage=args.storage).trials)
        return worker(study, storage=args.storage, device=args.device, on_event=watch)

    return go(study, args, console, work)
