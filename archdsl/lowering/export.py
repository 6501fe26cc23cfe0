"""The exported program: what a process with torch alone can load and run."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from archdsl import arguments
from archdsl.arguments import PathLike
from archdsl.components.operators import operators
from archdsl.kernels.choice import Use
from archdsl.lowering.dispatch import choose
from archdsl.lowering.module import Backbone, escape
from archdsl.schema.units import FeatureMap
from archdsl.source.diagnostic import Diagnostic, Note, SpecError


@dataclass(frozen=True, slots=True)
class Parity:
    """The largest difference between two ways to compute the logits, relative to the logits' standard deviation."""

    batches: tuple[int, ...]
    differences: tuple[float, ...]
    tolerance: float

    @property
    def worst(self) -> float:
        return max(self.differences)

    @property
    def holds(self) -> bool:
        # a NaN is no agreement
        return all(difference <= self.tolerance for difference in self.differences)


def export(module: Backbone, use: Use = Use.REFERENCE) -> ExportedProgram:
    """The program of a backbone in evaluation mode, for any batch of at least one image of the spec's size.

    The module itself is left as it is. The program holds the references of components, which torch alone can run; for
    `Use.OPERATOR` the operators of those that have a kernel.
    """
    plain = copy.deepcopy(module).eval()
    escape(plain)
    choose(plain, use)
    for weight in plain.parameters():
        weight.requires_grad_(False)
    example = images(module, 2)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.export.export(plain, (example,), dynamic_shapes={"images": {0: Dim("batch", min=1)}})
    _move_freely(program)
    return program


def _move_freely(program: ExportedProgram) -> None:
    """Take out what holds a program to the device that it was exported on: torch asserts that at each change of format."""
    for node in list(program.graph.nodes):
        if node.target is torch.ops.aten._assert_tensor_metadata.default:
            program.graph.erase_node(node)
    program.graph_module.recompile()


def operators_of(program: ExportedProgram) -> tuple[str, ...]:
    """The operators in a program that torch alone has not, such as `archdsl::routing_attention`."""
    targets = (node.target for node in program.graph.nodes if node.op == "call_function")
    names = {target.name().removesuffix(".default") for target in targets if isinstance(target, torch._ops.OpOverload)}
    return tuple(sorted(name for name in names if name.startswith("archdsl::")))


def save_program(program: ExportedProgram, path: Path) -> None:
    """Write a program as a `.pt2` file that `torch.export.load` reads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(program, path)


def load_program(program: PathLike) -> nn.Module:
    """The module of a program that `archdsl build` exported, `program.pt2`: images [B, C, H, W] to logits.

    For one with operators of archdsl in it, of `build --kernels`; any other `torch.export.load` reads as well.

    Raises
    ------
    SpecError: `not-a-build`, the file is no exported program.
    OSError: it cannot be read.
    """
    path = Path(arguments.path(program, "program"))
    # a program names its operators, and torch has to know them by then
    operators()
    with path.open("rb"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return torch.export.load(path).module()
        except Exception as error:
            message = f"`{path.as_posix()}` is no program that torch can load"
            raise SpecError([Diagnostic("not-a-build", message, help="give the `program.pt2` of a build")]) from error


def images(module: Backbone, batch: int, *, seed: int = 0) -> Tensor:
    """A batch of standard normal images of the module's size, a function of the seed, where the module is."""
    like = next(module.parameters(), torch.empty(0))
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((batch, *module.image.shape), generator=generator).to(device=like.device, dtype=like.dtype)


def parity(
    module: Backbone,
    other: Callable[[Tensor], Tensor],
    *,
    what: str,
    batches: Iterable[int] = (1, 3),
    tolerance: float = 1e-4,
) -> Parity:
    """Compare the logits of another form of a module with its own, on random images in evaluation mode.

    Raises
    ------
    SpecError: `parity-failed`, when they differ by more than `tolerance` times the logits' standard deviation.
    """
    training = module.training
    module.eval()
    found: dict[int, float] = {}
    try:
        with torch.no_grad():
            for batch in batches:
                x = images(module, batch, seed=batch)
                found[batch] = relative_difference(module(x), other(x))
    finally:
        module.train(training)
    result = Parity(tuple(found), tuple(found.values()), tolerance)
    if not result.holds:
        raise SpecError([_failed(module.image, what, result)])
    return result


def relative_difference(want: Tensor, got: Tensor) -> float:
    """The largest difference, in standard deviations of `want`."""
    spread = want.double().std().item() if want.numel() > 1 else 0.0
    return (got.double() - want.double()).abs().max().item() / (spread or 1.0)


def _failed(image: FeatureMap, what: str, result: Parity) -> Diagnostic:
    facts = ", ".join(f"{d:.1e} at batch {b}" for b, d in zip(result.batches, result.differences, strict=True))
    return Diagnostic(
        "parity-failed",
        f"the {what} module and the eager one give different logits",
        notes=(
            Note(f"largest difference on {image} images, in standard deviations of the logits: {facts}"),
            Note(f"at most {result.tolerance:.0e} is accepted"),
        ),
        help="please report this: both forms should compute the same numbers",
    )
