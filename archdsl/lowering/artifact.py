"""The folder that a build leaves: the program, the weights, the spec, and a report on them."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch

from archdsl.ir.digest import digest
from archdsl.ir.fuse import fused
from archdsl.ir.network import Network
from archdsl.kernels.choice import Use
from archdsl.lowering.atomic import folder_at_once
from archdsl.lowering.build import build_module
from archdsl.lowering.compile import compile_module
from archdsl.lowering.export import export, load_program, operators_of, parity, save_program
from archdsl.lowering.folder import KIND, REPORT, SPEC, build_report, check_folder
from archdsl.lowering.module import Backbone
from archdsl.lowering.reading import Layout
from archdsl.lowering.weights import save_weights
from archdsl.source.diagnostic import Diagnostic, Note, Report, Reported, SpecError
from archdsl.source.files import read_source

VERSION = 1
PROGRAM, WEIGHTS, README = "program.pt2", "weights.safetensors", "README.md"


@dataclass(frozen=True, slots=True)
class LoadedFrom:
    """The file that weights come from, and the layout they were in."""

    file: str
    layout: Layout
    sha256: str

    @classmethod
    def of(cls, file: str, layout: Layout) -> LoadedFrom:
        """With the digest of the file."""
        return cls(file, layout, _sha256(Path(file)))


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a build comes from, as its report tells it. `kernels`: whether the module that is loaded again may take them."""

    spec_hash: str
    seed: int
    command: Sequence[str]
    version: str
    weights: LoadedFrom | None = None
    fuse: bool = False
    kernels: bool = True


def write_build(
    folder: Path,
    module: Backbone,
    spec_text: str,
    provenance: Provenance,
    *,
    counts: Mapping[str, Any],
    expectations: Sequence[Mapping[str, Any]] = (),
    use: Use = Use.REFERENCE,
    compiled: bool = False,
    force: bool = False,
    specs: Sequence[Path] = (),
    progress: Callable[[str], None] = lambda step: None,
) -> dict[str, Any]:
    """Write the folder of a build, at once or not at all, and return its report.

    Parameters
    ----------
    folder: an empty folder, or one that holds a build of this arch, is replaced; another, and weights by none, only with
        `force`; a file, the current folder, home, a repository, and what holds one of `specs`, the files that the build is
        made from, never.
    spec_text: the spec in full, without imports; `load_build` makes the module of it.
    counts, expectations: for the report; values that JSON has.
    use: what the program holds: the references of components, or the operators of those with a kernel.
    compiled: also compile with inductor, and compare.
    progress: told of each step before it begins.

    Raises
    ------
    SpecError: `folder-taken`, `compiler-missing`, `parity-failed`.
    OSError: where the folder cannot be written.
    """

    loaded = provenance.weights

    def check(_: Path) -> None:
        check_folder(folder, module.name, weights=loaded is not None, force=force, specs=specs)

    with folder_at_once(folder, check=check) as draft:
        progress("exporting the program")
        program = export(module, use)
        operators = operators_of(program)
        save_program(program, draft / PROGRAM)
        progress("comparing it with the eager module")
        found = {"exported": asdict(parity(module, load_program(draft / PROGRAM), what="exported"))}
        if compiled:
            progress("compiling with inductor")
            result = compile_module(module)
            found["compiled"] = {**asdict(result.parity), "seconds": round(result.seconds, 1)}
        progress("saving the weights")
        save_weights(module, draft / WEIGHTS)
        (draft / SPEC).write_text(spec_text, encoding="utf-8", newline="\n")
        (draft / README).write_text(_readme(module, operators), encoding="utf-8", newline="\n")
        report = {
            "kind": KIND,
            "version": VERSION,
            "arch": module.name,
            "input": list(module.image.shape),
            "classes": module.num_classes,
            "preprocess": module.preprocess.as_json() if module.preprocess else None,
            "spec_hash": provenance.spec_hash,
            "fuse": provenance.fuse,
            "kernels": provenance.kernels,
            "operators": list(operators),
            "seed": provenance.seed,
            "weights": loaded.file if loaded else None,
            "weights_layout": loaded.layout if loaded else None,
            "weights_sha256": loaded.sha256 if loaded else None,
            "command": list(provenance.command),
            "counts": dict(counts),
            "expectations": [dict(expectation) for expectation in expectations],
            "parity": found,
            "versions": {"archdsl": provenance.version, "torch": torch.__version__, "python": platform.python_version()},
            "files": {name: _sha256(draft / name) for name in (PROGRAM, WEIGHTS, SPEC)},
        }
        (draft / REPORT).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8", newline="\n")
    return report


def load_build(folder: Path, resolve: Callable[[str], Network]) -> Backbone:
    """The module of a build, made anew from its spec, with its weights, in evaluation mode.

    `resolve` makes the network of a spec's text.

    Raises
    ------
    SpecError: `not-a-build`; `build-changed`, where spec or weights are not those that were written, or the spec means another
        network by now; what `resolve` finds.
    """
    report = read_report(folder)
    for name in (SPEC, WEIGHTS):
        if not _is_as_written(folder / name, report["files"][name]):
            _changed(folder, name)
    reading = Report()
    try:
        text = read_source(str(folder / SPEC), reading).text
    except Reported:
        _changed(folder, SPEC)
    network = resolve(text)
    if report.get("fuse", False):
        network = fused(network)
    if digest(network) != report["spec_hash"]:
        _changed(folder, SPEC, "the network that it means is not the one that was built")
    return build_module(network, weights=folder / WEIGHTS, seed=report["seed"], kernels=report.get("kernels", True))


def read_report(folder: Path) -> dict[str, Any]:
    """The report of a build; what `load_build` reads in it has the type it should have. Raises `SpecError` `not-a-build`."""
    report = build_report(folder)
    if report is None:
        message = f"`{folder.as_posix()}` holds no build: it has no `{REPORT}` of one"
        raise SpecError([Diagnostic("not-a-build", message, help="give the folder that `archdsl build` wrote")])
    if report["version"] != VERSION or type(report["version"]) is not int:
        message = f"`{folder.as_posix()}` was written by another archdsl"
        note = Note(f"its report has version {report['version']!r:.20}, this archdsl reads {VERSION}")
        raise SpecError([Diagnostic("not-a-build", message, notes=(note,), help="build it again")])
    if wrong := _wrong_entry(report):
        message = f"`{folder.as_posix()}` holds no build: its `{REPORT}` has no `{wrong}` that a build writes"
        raise SpecError([Diagnostic("not-a-build", message, help="build it again")])
    return report


def _wrong_entry(report: Mapping[str, Any]) -> str | None:
    """The first entry of a report that is missing or of another type than a build writes."""
    if type(report.get("seed")) is not int:
        return "seed"
    if not isinstance(report.get("spec_hash"), str):
        return "spec_hash"
    for name, default in (("fuse", False), ("kernels", True)):
        if not isinstance(report.get(name, default), bool):
            return name
    files = report.get("files")
    return None if isinstance(files, dict) and all(isinstance(files.get(name), str) for name in (SPEC, WEIGHTS)) else "files"


def _readme(module: Backbone, operators: Sequence[str]) -> str:
    shape = ", ".join(map(str, module.image.shape))
    told, lines = "Loaded by torch alone", ["import torch", f'program = torch.export.load("{PROGRAM}").module()']
    if operators:
        told = f"Loaded by archdsl, whose operators it holds ({', '.join(operators)})"
        lines = ["import torch", "", "import archdsl", "", f'program = archdsl.load_program("{PROGRAM}")']
    code = "\n".join([*lines, f"logits = program(torch.zeros(1, {shape}))"])
    return f"# {module.name}\n\n{told}; the first axis is the batch, of any size.\n\n```python\n{code}\n```\n"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_as_written(path: Path, sha256: str) -> bool:
    try:
        return path.is_file() and _sha256(path) == sha256
    except OSError:
        return False


def _changed(folder: Path, name: str, why: str = "") -> NoReturn:
    message = f"`{name}` in `{folder.as_posix()}` is not the one that was written by the build"
    raise SpecError([Diagnostic("build-changed", message, notes=(Note(why),) if why else (), help="build it again")])
