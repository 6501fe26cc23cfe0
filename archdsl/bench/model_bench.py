"""A whole backbone measured: with its references, compiled, and with its kernels."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from archdsl.bench.machine import clocks, machine
from archdsl.bench.measure import Bench, measured, warm
from archdsl.bench.result import Result
from archdsl.bench.roofline import ceilings
from archdsl.bench.settings import Settings
from archdsl.bench.timing import clock_of
from archdsl.bench.ways import COMPILED, KERNEL, REFERENCE, Absent, Way, compiled
from archdsl.ir.network import Network
from archdsl.kernels.choice import Kernelled, Use, why_reference
from archdsl.lowering.dispatch import choose
from archdsl.lowering.fault import blamed
from archdsl.lowering.module import Backbone, lower
from archdsl.testing.branches import open_branches
from archdsl.testing.parity import UNITS, Error

KERNELS_COMPILED = f"{KERNEL}, compiled"
# images whose logits are compared
_COMPARED = 4


def bench_network(network: Network, settings: Settings) -> Result:
    """Measure a forward pass and a step of training without its optimizer, in evaluation mode.

    The logits of the kernels are compared with float64 before: their error is at most twice that of the reference in the same
    number format plus a rounding, in float32 four.

    Raises
    ------
    SpecError: `out-of-memory`; `broken-plugin`, when a component fails.
    """
    device, clock = settings.device, clock_of(settings.device)
    before = clocks(device)
    settings.step("making the module")
    with blamed():
        # with weights that are drawn for it the logits are not all alike, and hang on every branch
        plain = lower(network, seed=settings.seed).eval()
        open_branches(plain, seed=settings.seed)
        choose(plain, Use.REFERENCE)
        own = copy.deepcopy(plain)
        choose(own, Use.BY_DEVICE)
        reasons = _reasons(own, settings)
        runs = any(reason is None for reason in reasons.values())
        parity, refused = _checked(plain, own, settings) if runs else ({}, {})
        settings.step("measuring what the machine does at most")
        found = ceilings(device, settings.dtype, clock)
        bench = _bench(network, plain, own, settings, parity, refused, runs=runs and not refused, reasons=reasons)
        torch.compiler.reset()
        case = measured(bench, warm(bench, settings), clock, settings)
        torch.compiler.reset()
    return Result(
        network.name,
        settings.batch,
        str(settings.dtype).removeprefix("torch."),
        settings.seed,
        machine(device),
        found,
        before,
        clocks(device),
        (case,),
    )


def _bench(
    network: Network,
    plain: Backbone,
    own: Backbone,
    settings: Settings,
    parity: dict[str, tuple[str, ...]],
    refused: dict[str, tuple[str, ...]],
    *,
    runs: bool,
    reasons: dict[str, str | None],
) -> Bench:
    for module in (plain, own):
        module.to(settings.device, settings.dtype)
    images = _images(plain, settings.batch, settings)
    grad = torch.randn(settings.batch, network.classes, generator=torch.Generator().manual_seed(settings.seed)).to(images)
    ways: list[Way] = []
    modules = [(REFERENCE, COMPILED, plain)]
    if runs:
        modules.insert(0, (KERNEL, KERNELS_COMPILED, own))
    if not refused:
        for name, name_compiled, module in modules:
            ways.append(Way(name, module))
            ways += [compiled(name_compiled, module, mode, backend=settings.backend) for mode in settings.modes]
    wanted = {name: list((own if name.startswith(KERNEL) else plain).parameters()) for name in {way.name for way in ways}}
    why = sorted({f"{component}: {reason}" for component, reason in reasons.items() if reason is not None})
    absent = () if runs else (Absent(KERNEL, "; ".join(why) or "no component has one"),)

    def backward(way: Way, logits: Tensor) -> Any:
        # weights of heads that evaluation does not read get none
        return torch.autograd.grad(logits, wanted[way.name], grad, allow_unused=True)

    return Bench(
        f"{network.name} at {network.image.size}",
        tuple(ways),
        lambda way: way.run(images),
        backward,
        absent,
        None,
        parity,
        refused,
    )


def _reasons(module: Backbone, settings: Settings) -> dict[str, str | None]:
    """Why the reference runs, by the class of the components that have a kernel; None where the kernel does."""
    found: dict[str, str | None] = {}
    for part in module.modules():
        if isinstance(part, Kernelled):
            found[type(part).__name__] = why_reference(part, settings.device, settings.dtype)
    return found


def _checked(
    plain: Backbone, own: Backbone, settings: Settings
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """How far the logits with kernels are from float64, where they may be measured, and where they may not."""
    settings.step("comparing the logits")
    count = min(settings.batch, _COMPARED)
    logits = []
    for module, dtype in ((own, settings.dtype), (plain, settings.dtype), (plain, torch.float64)):
        moved: nn.Module = copy.deepcopy(module).to(settings.device, dtype)
        with torch.no_grad():
            logits.append(moved(_images(plain, count, settings).to(dtype)).double())
    found, same, exact = logits
    largest, mean = exact.abs().max().item() or 1.0, exact.square().mean().sqrt().item() or 1.0
    error = Error(
        "logits",
        (found - exact).abs().max().item() / largest,
        (found - exact).square().mean().sqrt().item() / mean,
        (same - exact).abs().max().item() / largest,
        (same - exact).square().mean().sqrt().item() / mean,
        torch.finfo(settings.dtype).eps * UNITS.get(settings.dtype, 1),
    )
    told = {KERNEL: (str(error),)}
    return (told, {}) if error.holds else ({}, told)


def _images(module: Backbone, count: int, settings: Settings) -> Tensor:
    generator = torch.Generator().manual_seed(settings.seed)
    return torch.randn(count, *module.image.shape, generator=generator).to(settings.device, settings.dtype)
