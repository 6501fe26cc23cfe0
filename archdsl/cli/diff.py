"""`archdsl diff`: what two specs mean differently, and what that costs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from archdsl.cli.arguments import add_json, add_overrides
from archdsl.cli.console import DONE, CallError, Console

NAME = "diff"
HELP = "list what two specs mean differently, with the difference in parameters and FLOPs"
EXAMPLES = (
    "archdsl diff @biformer_t @biformer_s",
    "archdsl diff @biformer_t --set width=96",
)


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("before", metavar="A", help="FILE, FILE:NAME, or @NAME of a packaged spec")
    parser.add_argument("after", metavar="B", nargs="?", help="the same, to compare with; without it, A with --set or --at")
    parser.description = "List what two specs mean differently, with the difference in parameters and FLOPs. With two specs,\n"
    parser.description += "--set and --at change both; with one, it is compared with itself under --set and --at."
    add_json(parser)
    add_overrides(parser)


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    from archdsl import api
    from archdsl.cli.arguments import overrides, size
    from archdsl.report.diff import changes, decision_changes
    from archdsl.report.written import difference, exact

    changed, at = overrides(args), size(args)
    if args.after is None and changed is None and at is None:
        raise CallError("there is nothing to compare with", "name a second spec, or change this one with `--set` or `--at`")
    before = api.load(args.before) if args.after is None else api.load(args.before, set=changed, at=at)
    after = api.load(args.after or args.before, set=changed, at=at)
    found = changes(before.network, after.network)
    if before.kind == after.kind:
        found += decision_changes(before.decisions, after.decisions)
    else:
        space = before if before.kind == "space" else after
        console.say(f"`{space.name}` is a space: its base is compared")
    totals = {"params": (before.params, after.params), "flops": (before.flops, after.flops)}
    if args.json:
        listed = [{"path": change.path, "before": change.before, "after": change.after} for change in found]
        costs = {name: {"before": old, "after": new} for name, (old, new) in totals.items()}
        console.json({"version": 1, "changes": listed, **costs})
        return DONE
    if not found:
        console.say("no difference in meaning")
        return DONE
    if inside := next((change for change in found if change.inside), None):
        console.say(f"`{inside.path}` lies inside a part, by its name in the network; `--set` replaces the part as a whole")
    lines = [str(change) for change in found]
    lines += [f"{name} {exact(old)} -> {exact(new)}: {difference(old, new)}" for name, (old, new) in totals.items()]
    console.out("\n".join(lines))
    return DONE
