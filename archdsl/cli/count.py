"""`archdsl count`: parameters and operations, in closed form and as fvcore measures them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from archdsl.cli.arguments import add_fuse, add_json, add_overrides, add_spec, is_fused
from archdsl.cli.console import DONE, INPUT_AT_FAULT, Console

if TYPE_CHECKING:
    from archdsl.api import Spec
    from archdsl.budget.compare import Comparison, Row

NAME = "count"
HELP = "count parameters and FLOPs, in closed form and as fvcore measures them"
EXAMPLES = (
    "archdsl count specs/biformer_t.arch --by stage",
    "archdsl count @davit_tiny --at 250x250 --json",
)


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_spec(parser)
    parser.add_argument("--by", choices=("stage", "op", "component"), help="also the shares of stages, operators or components")
    add_fuse(parser)
    add_json(parser)
    add_overrides(parser)


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    from archdsl import api
    from archdsl.cli.arguments import overrides, size

    spec = api.load(args.spec, set=overrides(args), at=size(args), fuse=args.fuse)
    deployed = is_fused(spec, console)
    with console.progress() as progress:
        progress.step("loading torch")
        from archdsl.building import count
        from archdsl.lowering.fault import blamed

        progress.step("measuring")
        with blamed():
            compared = count(spec).comparison
    if args.json:
        console.json(_document(spec, compared, deployed=deployed))
    else:
        if spec.diagnostics:
            console.diagnostics(spec.diagnostics)
        console.out(_tables(spec, compared, args.by, console.unicode, form=", fused" * deployed))
    if compared.equal:
        return DONE
    differing = ", ".join(row.name for row in compared.differing)
    console.fail(f"closed form and measured count differ: {differing}", "the cost of a component is not that of its reference")
    return INPUT_AT_FAULT


def _document(spec: Spec, compared: Comparison, *, deployed: bool) -> dict[str, object]:
    from archdsl.report.shares import by_component

    return {
        "version": 1,
        "name": spec.name,
        "hash": spec.hash,
        "input": list(spec.network.image.shape),
        "fuse": deployed,
        "params": compared.params.closed,
        "params_module": compared.params.measured,
        "flops": compared.flops.closed,
        "flops_fvcore": compared.flops.measured,
        "flops_unseen": sum(compared.unseen.values()),
        "unseen": dict(compared.unseen),
        "equal": compared.equal,
        "by_stage": [
            {"name": part.name, "params": params.closed, "flops": part.closed, "flops_fvcore": part.measured}
            for part, params in zip(compared.parts, compared.params_by_part, strict=True)
        ],
        "by_op": [{"name": row.name, "flops": row.closed, "flops_fvcore": row.measured} for row in compared.ops],
        "by_component": [share.as_dict() for share in by_component(spec.network)],
    }


def _tables(spec: Spec, compared: Comparison, by: str | None, unicode: bool, *, form: str) -> str:
    from archdsl.report.table import Table
    from archdsl.report.written import exact

    rows = [_row("params", compared.params), _row("flops", compared.flops)]
    rows.append(("not in fvcore's rules", exact(sum(compared.unseen.values())), "", ""))
    header = (f"{spec.name} at {spec.network.image}{form}", "closed form", "measured", "")
    tables = [Table(header, tuple(rows), frozenset({1, 2}))]
    if by == "stage":
        params = {row.name: row for row in compared.params_by_part}
        shares = [(row.name, exact(params[row.name].closed), *_row("", row)[1:]) for row in compared.parts]
        tables.append(Table(("stage", "params", "flops", "measured", ""), tuple(shares), frozenset({1, 2, 3})))
    elif by == "op":
        ops = [_row(row.name, row) for row in compared.ops]
        ops += [(f"{name} (no rule)", exact(count), "", "") for name, count in compared.unseen.items()]
        tables.append(Table(("operator", "flops", "measured", ""), tuple(ops), frozenset({1, 2})))
    elif by == "component":
        from archdsl.report.shares import by_component, share_table

        tables.append(share_table(by_component(spec.network)))
    return "\n\n".join(table.text(unicode=unicode) for table in tables)


def _row(name: str, row: Row) -> tuple[str, str, str, str]:
    from archdsl.report.written import exact

    return name, exact(row.closed), exact(row.measured), "equal" if row.equal else "DIFFERENT"
