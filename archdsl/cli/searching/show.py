"""`archdsl search show`: what a study has found so far."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from archdsl.cli.arguments import add_json
from archdsl.cli.console import DONE, Console
from archdsl.cli.searching.study import add_storage, add_study, study_of
from archdsl.cli.searching.watch import document, finite

if TYPE_CHECKING:
    from archdsl.search.trials import History

NAME = "search show"
HELP = "show what a study has found so far, beside its base and published models"
EXAMPLES = (
    "archdsl search show @biformer_nas",
    "archdsl search show studies/mixers --json > mixers.json",
)


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_study(parser)
    add_storage(parser)
    add_json(parser)


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    study = study_of(args.study)
    with console.progress() as progress:
        progress.step("reading the trials")
        from archdsl.search.study import read_study

        found = read_study(study, storage=args.storage)
        told = None if args.json else text(found, console)
    if args.json:
        console.json(everything(found))
        return DONE
    console.out(told or "")
    if not found.trials and study.results.is_file():
        console.say(f"its trials are not here; what they found is told in {study.results.as_posix()}")
    return DONE


def text(found: History, console: Console) -> str:
    """The table of a study, with a sentence above it, what came out and what has to be known below, and why trials failed."""
    from archdsl.search.results import failures, notes, progress
    from archdsl.search.standing import standing, table, verdict

    rows = standing(found)
    shown = table(found, rows).text(unicode=console.unicode, width=console.width)
    said = [f"{found.space.name}: {progress(found)}", shown, verdict(found)]
    if found.trials:
        said.append("\n".join(notes(found, rows)))
    if any(trial.state == "failed" for trial in found.trials):
        said.append(failures(found).text(unicode=console.unicode, width=console.width))
    return "\n\n".join(said)


def everything(found: History) -> dict[str, Any]:
    """A study, for programs."""
    from archdsl.search.pareto import front
    from archdsl.search.standing import standing, verdict

    return {
        "version": 1,
        "name": found.space.name,
        "study": found.study,
        "objectives": [{"name": objective.name, "direction": objective.direction} for objective in found.objectives],
        "total": found.total,
        "base": None if found.base is None else found.base.index,
        "front": [trial.index for trial in front(found)],
        "verdict": verdict(found),
        "beside": [
            {
                "name": row.name,
                "kind": row.kind,
                "values": {name: finite(value) for name, value in row.values.items()},
                "params": row.params,
                "flops": row.flops,
            }
            for row in standing(found)
            if row.kind != "front"
        ],
        "trials": [document(trial) for trial in found.trials],
    }
