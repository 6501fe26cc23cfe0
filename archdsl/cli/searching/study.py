"""Which study a call means: a folder, the file of a space, or a packaged study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from archdsl.cli.console import CallError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from archdsl.search.folder import StudyFolder


def add_study(parser: ArgumentParser) -> None:
    """The study."""
    parser.add_argument("study", metavar="STUDY", help="a folder with space.arch, the file of a space, or @NAME as packaged")


def add_storage(parser: ArgumentParser) -> None:
    """The storage of a study that is there."""
    parser.add_argument("--storage", metavar="URL", help="where the trials are, if not where the study says")


def add_time_limit(parser: ArgumentParser) -> None:
    """How long a trial may take."""
    parser.add_argument("--time-limit", metavar="S", help="seconds after which a trial is stopped, and has failed (none)")


def place_of(given: str) -> Path:
    """Where the study lies that a call names: a folder, or the file of a space.

    Raises
    ------
    CallError: nothing is named, or no packaged study has the name.
    """
    from archdsl.cli import catalog
    from archdsl.source.suggest import did_you_mean

    if not given.strip():
        raise CallError("STUDY is empty", "name a folder that holds `space.arch`; `.` is the current one")
    known = catalog.studies()
    if given.startswith("@"):
        if given not in known:
            help = did_you_mean(given, known) or "`archdsl list studies` shows them"
            raise CallError(f"there is no packaged study `{given}`", help)
        return catalog.study_folder(given)
    if not Path(given).exists() and f"@{Path(given).name}" in known:
        raise CallError(f"there is no `{given}`", f"there is a packaged study of that name: `@{Path(given).name}`")
    return Path(given)


def study_of(given: str) -> StudyFolder:
    """The study that a call names, in its folder. Raises as `place_of`, and `SpecError` `not-a-study`."""
    from archdsl.search.folder import StudyFolder

    return StudyFolder.of(place_of(given))


def refuse_packaged(given: str, help: str) -> None:
    """Raise `CallError` where a packaged study would be written to."""
    if given.startswith("@"):
        raise CallError(f"`{given}` is packaged, and a study is written to", help)


def output_of(args: Namespace, otherwise: str) -> Path | None:
    """What `--output` names, if anything. `otherwise` is what is written where it is left out."""
    if args.output is None:
        return None
    if not args.output.strip():
        raise CallError("`--output` is empty", f"leave it out, and {otherwise}")
    return Path(args.output)


def seconds_of(args: Namespace) -> float | None:
    """What `--time-limit` says, if it is given."""
    given = args.time_limit
    if given is None:
        return None
    try:
        return float(given)
    except ValueError:
        raise CallError(f"`--time-limit {given}` is no number of seconds", "write `--time-limit 600`, for example") from None


def number_of(args: Namespace, option: str, least: int) -> int | None:
    """The whole number that an option says, if it is given."""
    from archdsl.cli.arguments import whole

    value = getattr(args, option)
    return None if value is None else whole(value, f"--{option}", least)
