"""`archdsl diff`: what two specs mean differently, and what that costs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from archdsl.cli.arguments import add_json, add_overrides
from archdsl.cli.console import DONE, Console

NAME = "diff"
HELP = "list what two specs mean differently, with the difference in parameters and FLOPs"
EXAMPLES = (
    "archdsl diff @biformer_t @biformer_s",
    "archdsl diff old.arch new.arch --json",
)


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("before", metavar="A", help="FILE, FILE:NAME, or @NAME of a packaged spec")
    parser.add_argument("after", metavar="B", help="the same, to compare with")
    add_json(parser)
    add_overrides(parser)


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    from archdsl import api
    from archdsl.cli.arguments import overrides, size
    from archdsl.report.diff import changes, decision_changes
    from archdsl.report.written import difference, exact

    changed = overrides(args)
    before = api.load(args.before, set=changed, at=size(args))
    after = api.load(args.after, set=changed, at=size(args))
    found = changes(before.network, after.network) + decision_changes(before.decisions, after.decisions)
    totals = {"params": (before.params, after.params), "flops": (before.flops, after.flops)}
    if args.json:
        listed = [{"path": change.path, "before": change.before, "after": change.after} for change in found]
        costs = {name: {"before": old, "after": new} for name, (old, new) in totals.items()}
        console.json({"version": 1, "changes": listed, **costs})
        return DONE
    if not found:
        console.say("no difference in meaning")
        return DONE
    lines = [str(change) for change in found]
    lines += [f"{name} {exact(old)} -> {exact(new)}: {difference(old, new)}" for name, (old, new) in totals.items()]
    console.out("\n".join(lines))
    return DONE
