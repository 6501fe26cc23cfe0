"""`archdsl build`: from a spec to a folder with the exported program, the weights, and a report that proves them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archdsl.cli.arguments import Switch, add_classes, add_fuse, add_json, add_overrides, add_spec
from archdsl.cli.console import DONE, INPUT_AT_FAULT, CallError, Console

if TYPE_CHECKING:
    from archdsl.api import Spec
    from archdsl.budget.compare import Comparison
    from archdsl.lowering.checkpoint import Weights
    from archdsl.lowering.keymap import KeyMap
    from archdsl.lowering.reading import Wanted
    from archdsl.lowering.weights import Recognised

NAME = "build"
HELP = "lower a spec to PyTorch, export it, check it against the spec, and print the folder"
EXAMPLES = (
    "archdsl build specs/biformer_t.arch",
    "archdsl build @biformer_t --set s3.depth=9 --classes 100 -o build/deeper",
)


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_spec(parser)
    parser.add_argument("-o", "--output", metavar="DIR", help="the folder to write (build/NAME)")
    parser.add_argument("--weights", metavar="FILE", help="a checkpoint, in the published layout or archdsl's own")
    parser.add_argument("--resize", action="store_true", help="resize position tables of weights for another size")
    add_classes(parser)
    add_fuse(parser)
    parser.add_argument("--seed", metavar="N", default="0", help="of the initial weights (0)")
    parser.add_argument("--compile", action="store_true", help="also compile with inductor, and compare")
    parser.add_argument(
        "--kernels", action=Switch, help="operators in the program, which then needs archdsl; or no kernels at all"
    )
    parser.add_argument("--why", action="store_true", help="list what runs where, kernel or reference, and why; write nothing")
    parser.add_argument("--force", action="store_true", help="replace DIR whatever it holds: no build, another arch, weights")
    add_json(parser)
    add_overrides(parser)


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    from archdsl import api
    from archdsl.cli.arguments import all_overrides, is_fused, size, whole
    from archdsl.lowering.folder import check_folder
    from archdsl.source.diagnostic import SpecError

    changed = all_overrides(args)
    if args.why:
        _refuse_beside_why(args)
    args.seed = whole(args.seed, "--seed")
    spec = api.load(args.spec, set=changed, at=size(args), fuse=args.fuse)
    if spec.kind == "space":
        raise CallError(
            f"`{spec.name}` is a space, and a build is made of one arch", "`archdsl show` tells what it leaves open"
        )
    if spec.missed:
        raise SpecError(spec.diagnostics)
    deployed = is_fused(spec, console)
    if args.why:
        from archdsl.cli.build_why import tell

        return tell(args, console, spec)
    folder = _folder(args, spec)
    specs = [loaded.path for loaded in spec.model.files.values() if loaded.path]
    try:
        check_folder(folder, spec.name, weights=args.weights is not None, force=args.force, specs=specs)
        return _build(args, console, spec, _text(spec), folder, specs, deployed=deployed)
    except OSError as error:
        raise CallError(f"`{folder.as_posix()}` cannot be written: {(error.strerror or str(error)).lower()}") from error


def _refuse_beside_why(args: Namespace) -> None:
    given = {
        "--output": args.output is not None,
        "--weights": args.weights is not None,
        "--resize": args.resize,
        "--compile": args.compile,
        "--kernels": args.kernels is True,
        "--force": args.force,
    }
    for name, is_given in given.items():
        if is_given:
            raise CallError(
                f"`--why` and `{name}` exclude each other", "`--why` builds nothing, it tells what a build would run"
            )


def _folder(args: Namespace, spec: Spec) -> Path:
    if args.output is None:
        return Path("build") / spec.name
    if not args.output.strip():
        raise CallError("`--output` is empty", f"name a folder, or leave it out: `build/{spec.name}` is written then")
    return Path(args.output)


def _text(spec: Spec) -> str:
    """The spec written out in full, which must mean the network that is built."""
    from archdsl.api import loads
    from archdsl.source.diagnostic import SpecError

    text = spec.canonical
    try:
        found = loads(text, fuse=spec.fuse).hash
    except SpecError as error:
        raise RuntimeError("the spec, written out in full, is refused") from error
    if found != spec.hash:
        raise RuntimeError("the spec, written out in full, means another network")
    return text


def _build(args: Namespace, console: Console, spec: Spec, text: str, folder: Path, specs: list[Path], *, deployed: bool) -> int:
    from archdsl import __version__
    from archdsl.source.cells import safe

    warnings: list[str] = []
    with console.progress() as progress:
        progress.step("loading torch")
        from archdsl.budget.compare import compare
        from archdsl.budget.fvcore_count import measure
        from archdsl.checkpoints import wanted_of
        from archdsl.ir.counts import closed_form
        from archdsl.kernels.choice import Use
        from archdsl.lowering.artifact import LoadedFrom, Provenance, write_build
        from archdsl.lowering.build import build_module
        from archdsl.lowering.fault import blamed
        from archdsl.lowering.memory import refuse_build

        if args.kernels:
            _check_kernels(spec, console)
        refuse_build(spec.network)
        wanted = wanted_of(spec, resize=args.resize, warn=warnings.append)
        weights, keymap, found = _weights(args.weights, spec, wanted) if args.weights else (None, None, None)
        progress.step("making the module")
        kernels = args.kernels is not False
        module = build_module(spec.network, weights=weights, seed=args.seed, keymap=keymap, wanted=wanted, kernels=kernels)
        loaded = LoadedFrom.of(args.weights, found.layout) if found else None
        progress.step("counting with fvcore")
        with blamed():
            compared = compare(closed_form(spec.network), measure(module, spec.network))
        if not compared.equal:
            differing = ", ".join(row.name for row in compared.differing)
            console.fail(f"closed form and measured count differ: {differing}", "`archdsl count` shows both")
            return INPUT_AT_FAULT
        with blamed():
            report = write_build(
                folder,
                module,
                text,
                Provenance(spec.hash, args.seed, console.command, __version__, loaded, deployed, kernels),
                counts=_counts(compared),
                expectations=_expectations(spec),
                use=Use.OPERATOR if args.kernels else Use.REFERENCE,
                compiled=args.compile,
                force=args.force,
                specs=specs,
                progress=progress.step,
            )
    for text in warnings:
        console.say(f"warning: {text}")
    if spec.diagnostics and not args.json:
        console.diagnostics(spec.diagnostics)
    if args.json:
        console.json({"folder": folder.as_posix(), "report": report})
        return DONE
    if found:
        console.say(f"weights {safe(args.weights)}, {found.layout} layout, {found.tensors} tensors")
    for line in _story(spec, compared, report):
        console.say(line)
    console.out(folder.as_posix())
    return DONE


def _check_kernels(spec: Spec, console: Console) -> None:
    """Refuse operators where they are turned off, and tell where there are none."""
    from archdsl.kernels.choice import OFF, VARIABLE
    from archdsl.lowering.dispatch import takes_kernel

    if OFF:
        raise CallError(
            f"`--kernels` and `{VARIABLE}={OFF}` exclude each other", f"unset `{VARIABLE}`, or leave `--kernels` out"
        )
    if not takes_kernel(spec.network):
        console.say(f"`{spec.name}` has no component that a kernel takes: `--kernels` leaves it as it is")


def _weights(file: str, spec: Spec, wanted: Wanted) -> tuple[Weights, KeyMap | None, Recognised]:
    """The tensors of a checkpoint, the key map that they are read with, and what they are."""
    from archdsl.checkpoints import keymap_of
    from archdsl.lowering.checkpoint import read_weights
    from archdsl.lowering.keymap_reading import read_keymap
    from archdsl.lowering.weights import recognised

    path = keymap_of(spec)
    keymap = read_keymap(path) if path else None
    given = read_weights(file, warn=wanted.warn)
    return given, keymap, recognised(given, spec.network, keymap)


def _counts(compared: Comparison) -> dict[str, int]:
    return {
        "params": compared.params.closed,
        "flops": compared.flops.closed,
        "flops_fvcore": compared.flops.measured,
        "flops_unseen": sum(compared.unseen.values()),
    }


def _expectations(spec: Spec) -> list[dict[str, Any]]:
    return [
        {
            "quantity": entry.quantity,
            "written": entry.written,
            "at": list(entry.at) if entry.at else None,
            "by": entry.rule,
            "because": entry.because,
            "counted": entry.counted,
            "status": entry.status,
        }
        for entry in spec.expectations
    ]


def _story(spec: Spec, compared: Comparison, report: dict[str, Any]) -> list[str]:
    """What was proved, a line each."""
    from archdsl.report.written import exact

    image = spec.network.image
    lines = [
        f"params  {exact(compared.params.closed)}, the module has as many",
        f"flops   {exact(compared.flops.closed)} at {image.size}, fvcore measures the same",
    ]
    for entry in spec.expectations:
        counted = f", counted {exact(entry.counted)}" if entry.counted is not None else ""
        lines.append(f"expect  {entry}: {entry.status}{counted}")
    for what, found in report["parity"].items():
        worst, batches = max(found["differences"]), ", ".join(map(str, found["batches"]))
        accepted = f"{worst:.1e} of {found['tolerance']:.0e} accepted"
        lines.append(f"parity  {what} against eager logits: {accepted}, at batch {batches}")
    if report["operators"]:
        names = ", ".join(report["operators"])
        lines.append(f"needs   archdsl, to load the program: `archdsl.load_program`; it holds {names}")
    return lines
