"""`archdsl show`: the table that a paper has of a backbone."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from archdsl.cli.arguments import add_json, add_overrides, add_spec
from archdsl.cli.console import DONE, Console

if TYPE_CHECKING:
    from archdsl.api import Spec

NAME = "show"
HELP = "draw the stage table of a spec: output, dim, depth, mixers, parameters and FLOPs"
EXAMPLES = (
    "archdsl show specs/biformer_t.arch",
    "archdsl show @davit_tiny --at 250x250 --latex",
)


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_spec(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="print a Markdown table")
    form.add_argument("--latex", action="store_true", help="print a LaTeX tabular, for booktabs")
    add_json(form)
    add_overrides(parser)


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    from archdsl import api
    from archdsl.cli.arguments import overrides, size
    from archdsl.report.stage_table import decision_table, stage_rows, stage_table

    spec = api.load(args.spec, set=overrides(args), at=size(args))
    if args.json:
        network = spec.network
        document: dict[str, object] = {"version": 1, "name": spec.name, "kind": spec.kind, "hash": spec.hash}
        document |= {"input": list(network.image.shape), "classes": network.classes}
        document["preprocess"] = network.preprocess.as_json() if network.preprocess else None
        document |= {"params": spec.params, "flops": spec.flops, "rows": stage_rows(network)}
        document["decisions"] = [{"path": found.path, "values": list(found.labels)} for found in spec.decisions]
        console.json(document)
        return DONE
    if spec.diagnostics:
        console.diagnostics(spec.diagnostics)
    table = stage_table(spec.network)
    if args.markdown or args.latex:
        console.out(table.markdown() if args.markdown else table.latex())
    else:
        blocks = [_title(spec), table.text(unicode=console.unicode, width=console.width), _totals(spec)]
        if spec.decisions:
            blocks.append(decision_table(spec.decisions).text(unicode=console.unicode))
        console.out("\n\n".join(blocks))
    return DONE


def _title(spec: Spec) -> str:
    network = spec.network
    if spec.kind == "space":
        count = len(spec.decisions)
        return f"{spec.name}, a space with {count} decision{'s' * (count != 1)}; its base reads {network.image}"
    return f"{spec.name}, {network.image} to {network.classes} classes"


def _totals(spec: Spec) -> str:
    from archdsl.report.written import exact

    lines = [f"params  {exact(spec.params)}", f"flops   {exact(spec.flops)} at {spec.network.image.size}"]
    if spec.network.preprocess is not None:
        lines.append(f"images  {spec.network.preprocess}")
    for entry in spec.expectations:
        why = f", because {entry.because}" if entry.because else ""
        lines.append(f"expect  {entry}: {entry.status}{why}")
    return "\n".join(lines)
