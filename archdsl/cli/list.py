"""`archdsl list`: what exists."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from archdsl.cli.arguments import add_json
from archdsl.cli.console import DONE, CallError, Console

if TYPE_CHECKING:
    from archdsl.schema.component import Slot

NAME = "list"
HELP = "name the components, objectives, packaged specs, packaged studies or errors there are"
EXAMPLES = (
    "archdsl list components --slot token",
    "archdsl list specs",
)


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    kinds = ("components", "objectives", "specs", "studies", "errors")
    parser.add_argument("what", metavar="|".join(kinds), choices=kinds, help="what to list")
    parser.add_argument("--slot", choices=("token", "channel", "map"), help="only components of this slot")
    parser.add_argument("--plain", action="store_true", help="names only, one a line")
    add_json(parser)


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    if args.slot and args.what != "components":
        raise CallError(f"`--slot` says nothing about {args.what}", f"`archdsl list components --slot {args.slot}`")
    broken = _broken(args, console)
    if args.plain:
        console.out("\n".join(name for name in _names(args.what, args.slot) if name not in broken))
        return DONE
    rows = _described(args.what, args.slot)
    if args.json:
        console.json({"version": 1, args.what: [dict(zip(("name", "about"), row, strict=True)) for row in rows]})
        return DONE
    from archdsl.source.cells import safe

    wide = max((len(name) for name, _ in rows), default=0)
    console.out("\n".join(f"{safe(name):<{wide}}  {safe(about)}".rstrip() for name, about in rows))
    return DONE


def _broken(args: Namespace, console: Console) -> dict[str, str]:
    """What cannot be used of what packages bring; why is told on the way, in full under `-v`."""
    if args.what not in ("components", "objectives"):
        return {}
    from archdsl.cli import catalog
    from archdsl.source.cells import safe

    broken = catalog.broken(args.what)
    if console.verbose:
        for reason in broken.values():
            console.reason(safe(reason))
    elif broken:
        count = len(broken)
        console.say(f"{count} {args.what.removesuffix('s')}{'s' * (count != 1)} cannot be used; `-v` tells why")
    for ignored in catalog.ignored(args.what):
        console.say(safe(ignored))
    return broken


def _names(what: str, slot: Slot | None) -> list[str]:
    from archdsl.cli import catalog

    if what == "components":
        return catalog.components(slot)
    named = {"objectives": catalog.objectives, "specs": catalog.specs, "studies": catalog.studies, "errors": catalog.errors}
    return named[what]()


def _described(what: str, slot: Slot | None) -> list[tuple[str, str]]:
    from archdsl.cli import catalog

    about = {
        "components": catalog.component_about,
        "objectives": catalog.objective_about,
        "specs": catalog.spec_about,
        "studies": catalog.study_about,
        "errors": catalog.error_about,
    }
    return [(name, about[what](name)) for name in _names(what, slot)]
