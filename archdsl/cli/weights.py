"""`archdsl weights`: a checkpoint from the published layout into archdsl's own, and back."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from archdsl.cli.arguments import add_classes, add_fuse, add_json, add_overrides, add_spec
from archdsl.cli.console import DONE, CallError, Console

if TYPE_CHECKING:
    from archdsl.api import Spec
    from archdsl.lowering.weights import Recognised

NAME = "weights"
HELP = "write a checkpoint in the other layout: the published one, or archdsl's own"
EXAMPLES = (
    "archdsl weights @biformer_t -i biformer_tiny.pth -o biformer_t.safetensors --layout own",
    "archdsl weights my.arch --classes 10 -i tuned.safetensors -o tuned.pth --layout official",
)

_SUFFIXES = (".safetensors", ".pth", ".pt", ".pth.tar")


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    add_spec(parser)
    parser.add_argument("-i", "--input", metavar="FILE", required=True, help="the checkpoint, in either layout")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="ends in .safetensors, .pth or .pt")
    parser.add_argument("--layout", choices=("official", "own"), required=True, help="the layout to write")
    add_classes(parser)
    add_fuse(parser)
    parser.add_argument("--resize", action="store_true", help="resize position tables of weights for another size")
    parser.add_argument("--force", action="store_true", help="replace the output if it is there")
    add_json(parser)
    add_overrides(parser)


def run(args: Namespace, console: Console) -> int:
    """Do it, and return the exit code."""
    from archdsl import api
    from archdsl.cli.arguments import all_overrides, is_fused, size

    output = Path(args.output)
    _check_output(output, force=args.force)
    spec = api.load(args.spec, set=all_overrides(args), at=size(args), fuse=args.fuse)
    if spec.kind == "space":
        raise CallError(f"`{spec.name}` is a space, and weights are those of one arch", "give an arch")
    is_fused(spec, console)
    warnings: list[str] = []
    try:
        found, written = _convert(args, console, spec, output, warnings)
    except OSError as error:
        raise CallError(f"`{output.as_posix()}` cannot be written: {(error.strerror or str(error)).lower()}") from error
    if args.json:
        console.json(
            {
                "version": 1,
                "output": output.as_posix(),
                "read": found.layout,
                "written": args.layout,
                "tensors_read": found.tensors,
                "tensors_written": written,
                "warnings": warnings,
            }
        )
        return DONE
    for text in warnings:
        console.say(f"warning: {text}")
    named = {"official": "the official layout", "own": "archdsl's own layout"}
    console.say(f"{found.tensors} tensors read in {named[found.layout]}, {written} written in {named[args.layout]}")
    console.out(output.as_posix())
    return DONE


def _convert(args: Namespace, console: Console, spec: Spec, output: Path, warnings: list[str]) -> tuple[Recognised, int]:
    with console.progress() as progress:
        progress.step("loading torch")
        from archdsl.checkpoints import keymap_of, wanted_of
        from archdsl.lowering.weights import convert_weights

        keymap = keymap_of(spec)
        if keymap is None and args.layout == "official":
            raise CallError(
                f"the official layout of `{spec.name}` is not known",
                f"a key map tells it: write `{spec.name}.keys.yaml` beside the spec",
            )
        progress.step("converting the weights")
        wanted = wanted_of(spec, resize=args.resize, warn=warnings.append)
        return convert_weights(spec.network, args.input, output, layout=args.layout, keymap=keymap, wanted=wanted)


def _check_output(output: Path, *, force: bool) -> None:
    """Refuse what is not to be written, before anything is read."""
    shown = output.as_posix()
    if not output.name.endswith(_SUFFIXES):
        raise CallError(f"`{shown}` does not say how to write weights", f"let it end in {', '.join(_SUFFIXES)}")
    if output.is_dir():
        raise CallError(f"`{shown}` is a folder, and weights are a file", "name a file in it")
    if output.exists() and not force:
        raise CallError(f"`{shown}` is there already", "`--force` replaces it")
