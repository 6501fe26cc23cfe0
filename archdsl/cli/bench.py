"""`archdsl bench`: what operators and backbones take, measured or computed."""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from archdsl.cli.arguments import add_json, add_overrides
from archdsl.cli.console import DONE, INPUT_AT_FAULT, CallError, Console
from archdsl.source.record import dataclass

if TYPE_CHECKING:
    from archdsl.api import Spec
    from archdsl.bench.result import Result
    from archdsl.bench.settings import Settings
    from archdsl.bench.traffic import Row, Traffic
    from archdsl.kernels.operator import Operator
    from archdsl.kernels.sample import Sample

NAME = "bench"
HELP = "measure an operator or a backbone beside its reference, or count the bytes it moves"
EXAMPLES = (
    "archdsl bench routing_attention --shape biformer_b",
    "archdsl bench --traffic @biformer_t",
)

_DTYPES = ("float32", "bfloat16", "float16")
_NAME = re.compile(r"[A-Za-z_]\w*")
# images of a batch: with a GPU, or where nothing is computed; and on a processor
_BATCH, _BATCH_ON_CPU = 128, 8
# options that say nothing beside others
_OF_TIMING = ("device", "rounds", "seconds")


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("target", metavar="TARGET", help="an operator such as `routing_attention`, or FILE, FILE:NAME, @NAME")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--traffic", action="store_true", help="bytes read and written, computed without a GPU; nothing is timed")
    what.add_argument("--tune", action="store_true", help="try launch numbers for the kernels of an operator, on a GPU")
    parser.add_argument("--training", action="store_true", help="with --traffic: a forward and a backward pass")
    parser.add_argument("-o", "--output", metavar="FILE", help="with --tune: the table to put the winners into")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="where to measure (cuda, where there is one)")
    parser.add_argument(
        "--dtype", choices=_DTYPES, metavar="FORMAT", help=f"{', '.join(_DTYPES)} (bfloat16; float32 on the CPU)"
    )
    parser.add_argument("--batch", metavar="N", help=f"images of a batch ({_BATCH}; {_BATCH_ON_CPU} on the CPU)")
    parser.add_argument("--shape", metavar="NAME", action="append", help="one published shape of an operator; several times")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--rounds", metavar="N", help="rounds in which each way is timed once")
    length.add_argument("--seconds", metavar="S", help="seconds of rounds for each pass of each shape (1)")
    add_json(parser)
    add_overrides(parser)


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    _check(args)
    with console.progress() as progress:
        progress.step("loading torch")
        target = _target(args)
        if args.tune:
            shown = _tune(args, target, progress.step)
        elif args.traffic:
            shown = _traffic(args, target, progress.step, unicode=console.unicode)
        else:
            shown = _bench(args, target, progress.step, unicode=console.unicode)
    if args.json:
        console.json(shown.document)
    else:
        console.out(shown.text)
        console.flush()
        for note in shown.notes:
            console.say(note)
    for fault in shown.faults:
        console.fail(fault, "please report this: no number is printed where a kernel computes something else")
    return INPUT_AT_FAULT if shown.faults else DONE


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a run tells: as text and as a document, with notes beside it, and what is wrong."""

    text: str
    document: dict[str, object]
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


def _check(args: Namespace) -> None:
    """Refuse options that say nothing beside others."""
    if args.training and not args.traffic:
        raise CallError("`--training` goes with `--traffic`", "without it forward and backward pass are measured both")
    if args.output is not None and not args.tune:
        raise CallError("`--output` goes with `--tune`", "`--json` prints a document that can be kept")
    if args.output is not None and not args.output.strip():
        raise CallError("`--output` is empty", "name a file, or leave it out: the winners are printed then")
    for option in _OF_TIMING if args.traffic else ():
        if getattr(args, option) is not None:
            raise CallError(f"`--{option}` says nothing with `--traffic`", "nothing is timed: leave it out")


def _target(args: Namespace) -> Operator | Spec:
    """The operator or the spec that is meant."""
    from archdsl import api
    from archdsl.cli.arguments import overrides, size
    from archdsl.components.operators import operators
    from archdsl.source.suggest import closest

    name = args.target
    if not _NAME.fullmatch(name) or Path(name).exists():
        spec = api.load(name, set=overrides(args), at=size(args))
        if spec.kind == "space":
            raise CallError(f"`{spec.name}` is a space, and one arch is measured", "`archdsl show` tells what it leaves open")
        if args.tune:
            raise CallError("`--tune` takes an operator", f"these are {', '.join(operators())}")
        if args.shape:
            raise CallError("`--shape` says nothing about a spec", "`--at` is for another size of image")
        return spec
    known = operators()
    if name in known:
        for option, value in (("--set", args.set), ("--at", args.at)):
            if value:
                raise CallError(f"`{option}` says nothing about an operator", "it is measured at its published shapes")
        return known[name]
    # a component's own name, too, leads to its operator
    near = closest(name, known) or next((operator for operator in known if operator.startswith(f"{name}_")), None)
    _unknown(name, f"did you mean `{near}`?" if near else _packaged(name) or f"operators are {', '.join(known)}")


def _shapes(args: Namespace, operator: Operator) -> tuple[Sample, ...] | None:
    """The published shapes that are meant, by their names or by that of the backbone before it; None for all."""
    if not args.shape:
        return None
    known = {sample.name: sample for sample in operator.samples().PUBLISHED}
    found: dict[str, Sample] = {}
    for name in args.shape:
        meant = [name] if name in known else [each for each in known if each.startswith(f"{name} ")]
        if not meant:
            raise CallError(f"`{operator.name}` has no published shape `{name}`", f"shapes are {', '.join(known)}")
        found |= {each: known[each] for each in meant}
    return tuple(found.values())


def _packaged(name: str) -> str:
    from archdsl.cli import catalog

    return f"write `@{name}` for the packaged spec" if f"@{name}" in catalog.specs() or name in catalog.specs() else ""


def _unknown(name: str, help: str) -> NoReturn:
    raise CallError(f"there is no operator `{name}`", help)


def _settings(args: Namespace, step: Callable[[str], None], *, seconds: float = 1.0) -> Settings:
    """How it is measured."""
    from archdsl.bench.machine import chosen_device
    from archdsl.bench.settings import Settings, number_format
    from archdsl.bench.timing import Duration
    from archdsl.cli.arguments import whole

    device = chosen_device(args.device)
    on_cpu = device.type == "cpu"
    return Settings(
        device,
        number_format(args.dtype or ("float32" if on_cpu else "bfloat16")),
        whole(args.batch, "--batch", 1) if args.batch is not None else _BATCH_ON_CPU if on_cpu else _BATCH,
        Duration(
            seconds if args.seconds is None else _seconds(args.seconds),
            None if args.rounds is None else whole(args.rounds, "--rounds", 1),
        ),
        step=step,
    )


def _seconds(value: str) -> float:
    if not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", value):
        raise CallError(f"`--seconds {value}` is no number of seconds", "write `--seconds 2.5`, for example")
    return float(value)


def _bench(args: Namespace, target: Operator | Spec, step: Callable[[str], None], *, unicode: bool) -> _Shown:
    from archdsl.api import Spec
    from archdsl.bench.tables import notes, result_table
    from archdsl.lowering.compile import require_compiler

    settings = _settings(args, step)
    require_compiler()
    result: Result
    if isinstance(target, Spec):
        from archdsl.bench.model_bench import bench_network

        result = bench_network(target.network, settings)
    else:
        from archdsl.bench.operator_bench import bench_operator

        result = bench_operator(target, settings, _shapes(args, target))
    table = result_table(result, images=isinstance(target, Spec))
    clocks = f"; clocks {result.clocks_before} before, {result.clocks_after} after" if result.clocks_before else ""
    head = f"{result.target}, batch {result.batch}, {result.dtype}\n{result.machine}{clocks}\nit {result.ceilings}"
    faults = tuple(
        f"{result.target} at {case.name}, {way}: too far from float64: {'; '.join(errors)}"
        for case in result.cases
        for way, errors in (case.refused or {}).items()
    )
    return _Shown(f"{head}\n\n{table.text(unicode=unicode)}", result.as_dict(), tuple(notes(result)), faults)


def _traffic(args: Namespace, target: Operator | Spec, step: Callable[[str], None], *, unicode: bool) -> _Shown:
    from archdsl.api import Spec
    from archdsl.bench.settings import number_format
    from archdsl.bench.tables import network_table, operator_table, traffic_document, traffic_notes
    from archdsl.bench.traffic import Counting, network_traffic, operator_traffic
    from archdsl.cli.arguments import whole

    batch = _BATCH if args.batch is None else whole(args.batch, "--batch", 1)
    dtype = args.dtype or "bfloat16"
    counting = Counting(batch, number_format(dtype), args.training, step)
    rows: list[Row]
    everything: Traffic | None = None
    if isinstance(target, Spec):
        rows, everything = network_traffic(target.network, counting)
        named = f"{target.name} at {target.network.image}"
    else:
        rows, named = operator_traffic(target, counting, _shapes(args, target)), target.name
    table = operator_table(rows) if everything is None else network_table(rows, everything)
    what = "forward and backward pass" if args.training else "forward pass"
    text = f"{named}, batch {batch}, {dtype}, {what}: bytes read and written, computed\n\n"
    document = {"target": target.name, "batch": batch, "dtype": dtype, "training": args.training}
    return _Shown(
        text + table.text(unicode=unicode),
        {"version": 1, "kind": "traffic", **document, **traffic_document(rows, everything)},
        tuple(traffic_notes(rows, everything)),
    )


def _tune(args: Namespace, target: Operator | Spec, step: Callable[[str], None]) -> _Shown:
    from dataclasses import asdict

    from archdsl.api import Spec
    from archdsl.bench.machine import missing_gpu
    from archdsl.bench.tune import table_text, tune, write_table

    settings = _settings(args, step, seconds=0.1)
    if settings.device.type != "cuda":
        raise missing_gpu("launch numbers are found by trying", "run it where there is a GPU; nothing was written")
    assert not isinstance(target, Spec)
    found = tune(target, settings, _shapes(args, target))
    count = f"{len(found.entries)} entries, {found.tries} launch numbers tried"
    document = {"version": 1, "kind": "tune", "target": target.name, "entries": [asdict(entry) for entry in found.entries]}
    if args.output is None:
        return _Shown(table_text(found.entries), document, (count,))
    try:
        write_table(Path(args.output), found.entries)
    except (OSError, ValueError, TypeError) as error:
        raise CallError(f"`{args.output}` cannot be written: {error}", "leave `--output` out to print the winners") from error
    return _Shown(args.output, document, (count,))
