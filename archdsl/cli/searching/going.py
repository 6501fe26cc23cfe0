"""A study while it runs: what is told on the way, at the end, and when it is interrupted."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING

from archdsl.cli.console import DONE, INPUT_AT_FAULT, INTERRUPTED, Console
from archdsl.cli.searching.watch import Watch
from archdsl.search.figures import duration

if TYPE_CHECKING:
    from argparse import Namespace

    from archdsl.search.folder import StudyFolder
    from archdsl.search.trials import History


def go(study: StudyFolder, args: Namespace, console: Console, work: Callable[[Watch], History]) -> int:
    """Do the work of a study with somebody who watches, and return the exit code."""
    from archdsl.search.study import load_space

    # a program that reads trials line by line gets an error as a line, too
    console.lines = args.json
    spec = load_space(study)
    if spec.diagnostics and not args.json:
        console.diagnostics(spec.diagnostics)
    watch = Watch(console, spec, objects=args.json)
    try:
        with watch:
            found = work(watch)
    except KeyboardInterrupt:
        if not args.json:
            console.say(f"interrupted; what was finished is saved. Go on with:\n  {resuming(study, args)}")
        return INTERRUPTED
    if not args.json:
        from archdsl.cli.searching.show import text

        console.out(text(found, console))
        _said(study, watch, console)
    return INPUT_AT_FAULT if found.trials and not found.done else DONE


def _said(study: StudyFolder, watch: Watch, console: Console) -> None:
    """How it ended, and where everything is."""
    if watch.exhausted:
        console.say(f"the study ends early: {watch.ending}")
    spent = f" in {duration(watch.spent)}" if watch.seen else ""
    failed = f", {watch.failed} failed" if watch.failed else ""
    console.say(f"{watch.seen:_} trial{'s' * (watch.seen != 1)} done now{spent}{failed}; {study.name}")


def resuming(study: StudyFolder, args: Namespace) -> str:
    """The call that goes on with a study. A storage may have a password in it, which is not told."""
    storage = " --storage URL" if args.storage else ""
    return f"archdsl search resume {shlex.quote(study.name)}{storage}"
