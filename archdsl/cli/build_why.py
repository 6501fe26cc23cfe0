"""What `archdsl build --why` prints: which implementation runs at each site, and why."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from archdsl.cli.console import DONE, Console

if TYPE_CHECKING:
    from archdsl.api import Spec
    from archdsl.lowering.dispatch import Site

_KINDS = {"cpu": "CPU", "cuda": "CUDA"}


def tell(args: Namespace, console: Console, spec: Spec) -> int:
    """List the sites of a spec, on the CPU and on CUDA side by side."""
    with console.progress() as progress:
        progress.step("loading torch")
        from archdsl.kernels.choice import Use, gpu_here
        from archdsl.lowering.dispatch import sites_of

        use = Use.REFERENCE if args.kernels is False else Use.BY_DEVICE
        found = {kind: sites_of(spec.network, kind, use=use) for kind in _KINDS}
    gpu = gpu_here()
    if args.json:
        document: dict[str, Any] = {"arch": spec.name, "dtype": "float32", "gpu": gpu}
        console.json({**document, "sites": [_entry(*pair) for pair in zip(*found.values(), strict=True)]})
        return DONE
    if spec.diagnostics:
        console.diagnostics(spec.diagnostics)
    pairs = list(zip(*found.values(), strict=True))
    blocks = [_table([pair for pair in pairs if pair[0].kernelled], console), _others([cpu for cpu, _ in pairs])]
    console.out("\n\n".join(filter(None, blocks)))
    console.reason(f"CUDA is {gpu}" if gpu else "there is no GPU here: CUDA is one of compute capability 8.0 or more")
    return DONE


def _entry(cpu: Site, cuda: Site) -> dict[str, Any]:
    entry: dict[str, Any] = {"path": cpu.path, "component": cpu.component, "count": cpu.count}
    for kind, site in zip(_KINDS, (cpu, cuda), strict=True):
        entry[kind] = {"implementation": site.implementation, "reason": site.reason}
    return entry


def _table(pairs: list[tuple[Site, Site]], console: Console) -> str:
    """The sites of components that have a kernel."""
    from archdsl.report.table import Table

    rows = tuple((_place(cpu.path), cpu.component, _told(cpu), _told(cuda)) for cpu, cuda in pairs)
    table = Table(("site", "component", *_KINDS.values()), rows)
    return table.text(unicode=console.unicode, width=console.width) if rows else ""


def _others(sites: list[Site]) -> str:
    """The components without a kernel, a line each, in the order in which they come."""
    counts: dict[tuple[str, str], int] = {}
    for site in sites:
        if not site.kernelled:
            key = (site.component, f"{site.reason}: the {site.implementation}")
            counts[key] = counts.get(key, 0) + site.count
    wide = max((len(name) for name, _ in counts), default=0)
    digits = max((len(str(count)) for count in counts.values()), default=0)
    word = "sites" if any(count > 1 for count in counts.values()) else "site"
    return "\n".join(
        f"{name:<{wide}}  {count:>{digits}} {'site' if count == 1 else 'sites':<{len(word)}}  {told}"
        for (name, told), count in counts.items()
    )


def _place(path: str) -> str:
    """A path as a reader looks for it: `s3.0-7 token` for `stages.s3.0-7.token`."""
    top, _, rest = path.partition(".")
    if top != "stages":
        return path
    stage, _, rest = rest.partition(".")
    block, _, part = rest.partition(".")
    return f"{stage}.{block} {part}" if block[:1].isdecimal() else f"{stage}.{rest}"


def _told(site: Site) -> str:
    return site.implementation if site.reason is None else f"{site.implementation}: {site.reason}"
