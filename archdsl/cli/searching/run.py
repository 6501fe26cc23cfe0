"""`archdsl search run`: start a study, and go through its trials."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archdsl.cli.console import DONE, INPUT_AT_FAULT, CallError, Console
from archdsl.cli.searching.going import go
from archdsl.cli.searching.study import add_study, add_time_limit, number_of, output_of, refuse_packaged, seconds_of, study_of
from archdsl.search.samplers import SAMPLERS

if TYPE_CHECKING:
    from archdsl.cli.searching.watch import Watch
    from archdsl.search.folder import StudyFolder
    from archdsl.search.trials import History

NAME = "search run"
HELP = "start a study: draw specs that fit the budgets, evaluate them, keep the best"
EXAMPLES = (
    "archdsl search run @biformer_nas --trials 100 --dry-run",
    "archdsl search run @mixer_small -o studies/mixers --sampler tpe --workers 4",
)


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_study(parser)
    parser.add_argument("--trials", metavar="N", help="how many (300; here and below study.yaml may say another)")
    parser.add_argument("--sampler", choices=SAMPLERS, help="who proposes specs; auto goes by objectives and trials")
    parser.add_argument("--seed", metavar="N", help="of the sampler and of initial weights (0)")
    parser.add_argument("--workers", metavar="N", help="processes that evaluate (1)")
    parser.add_argument("--storage", metavar="URL", help="where trials are kept (SQLite in the folder of the study)")
    parser.add_argument("--device", metavar="D", help="where specs are evaluated: cpu, cuda, cuda:1, ... (cpu)")
    add_time_limit(parser)
    parser.add_argument("-o", "--output", metavar="DIR", help="the folder of the study, made anew for a file or @NAME")
    parser.add_argument("--dry-run", action="store_true", help="measure the base once, say what it would cost, write nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line for each finished trial")


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    asked: dict[str, Any] = {
        "trials": number_of(args, "trials", 1),
        "workers": number_of(args, "workers", 1),
        "seed": number_of(args, "seed", 0),
        "sampler": args.sampler,
        "storage": args.storage,
        "device": args.device,
        "time_limit": seconds_of(args),
    }
    target = output_of(args, "the study is in the folder of its space, or for a file beside it")
    if target is None and not args.dry_run:
        refuse_packaged(args.study, "write `-o DIR`")
    from archdsl.search.settings import OutOfBounds

    source = study_of(args.study)
    try:
        if args.dry_run:
            return _dry(source, target, asked, args, console)
        study = source
        if target is not None:
            from archdsl.search.copying import copied
            from archdsl.search.study import load_space

            study = copied(source, load_space(source), target)
        return go(study, args, console, lambda watch: _begun(study, asked, watch))
    except OutOfBounds as error:
        # what is out of its bounds is told by whoever knows them
        raise CallError(str(error), "`archdsl search run --help` tells what the options take") from error


def _begun(study: StudyFolder, asked: dict[str, Any], watch: Watch) -> History:
    from archdsl.search.running import run as begin

    return begin(study, on_event=watch, **asked)


def _dry(source: StudyFolder, target: Path | None, asked: dict[str, Any], args: Namespace, console: Console) -> int:
    from archdsl.cli.searching.dry import document, told
    from archdsl.search.folder import StudyFolder
    from archdsl.search.measured import in_full
    from archdsl.search.settings import Settings
    from archdsl.search.study import load_space, plan

    spec = load_space(source)
    assert spec.space is not None
    if spec.diagnostics and not args.json:
        console.diagnostics(spec.diagnostics)
    names = tuple(objective.name for objective in spec.space.objectives)
    # its paths are seen from where it is written, not from where the study will be
    settings = in_full(Settings.read(source.settings, objectives=names), source.path).changed(**asked)
    planned = plan(source if target is None else StudyFolder(target, source.space), lambda _: settings, anew=True)
    with console.progress() as progress:
        progress.step("loading Optuna")
        from archdsl.search.estimate import estimate

        found = estimate(planned, tell=progress.step)
    if args.json:
        console.json(document(planned, found))
    else:
        console.out(told(planned, found))
    return DONE if found.error is None else INPUT_AT_FAULT
