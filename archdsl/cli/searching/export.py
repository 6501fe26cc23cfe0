"""`archdsl search export`: the best specs of a study as files."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from archdsl.cli.console import DONE, Console
from archdsl.cli.searching.study import (
    add_storage,
    add_study,
    number_of,
    output_of,
    refuse_packaged,
    study_of,
)

if TYPE_CHECKING:
    from archdsl.search.trials import History, Trial

NAME = "search export"
HELP = "write the best specs of a study as files that extend its base"
EXAMPLES = (
    "archdsl search export studies/mixers",
    "archdsl search export studies/mixers --top 5 -o specs",
)


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_study(parser)
    parser.add_argument("-o", "--output", metavar="DIR", help="the folder to write to (winners, in that of the study)")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--top", metavar="N", help="the N best by the first objective (else the front, or of one objective 3)")
    which.add_argument("--all", action="store_true", help="every spec that was evaluated")
    add_storage(parser)


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    target = output_of(args, "`winners` in the folder of the study is written")
    number_of(args, "top", 1)
    if target is None:
        refuse_packaged(args.study, "write `-o DIR`")
    study = study_of(args.study)
    with console.progress() as progress:
        progress.step("reading the trials")
        from archdsl.search.study import read_study
        from archdsl.search.winners import write_winners

        found = read_study(study, storage=args.storage)
        trials = _chosen(found, args)
        progress.step("writing specs")
        paths = write_winners(found, study, target=target, trials=trials)
    if not paths:
        console.say(f"`{found.space.name}` has no spec to write yet")
    console.out("\n".join(path.as_posix() for path in paths))
    return DONE


def _chosen(found: History, args: Namespace) -> Sequence[Trial] | None:
    """The trials that are asked for; None for the winners as they are."""
    from archdsl.search.pareto import comparable, ranked

    if args.all:
        return comparable(found)
    top = number_of(args, "top", 1)
    return None if top is None else ranked(found, found.objectives[0].name)[:top]
