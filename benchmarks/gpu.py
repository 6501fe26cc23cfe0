"""Checks and measures the kernels on the GPU that is here, in under ten minutes: `make gpu`.

    PYTHONPATH=. python benchmarks/gpu.py [--part NAME ...] [--output FILE]

Needs torch, triton, numpy, pyyaml, rich, safetensors, lark and pytest, and nothing else of what archdsl needs. Each part runs
in a process of its own, so that a kernel that fails takes no other part with it, and what it found is written as soon as it is
found: benchmarks/results/<gpu>-<date>-<commit>.json. Exit code 1 where a part does not hold.

Without a GPU nothing is measured, and no result is written: the tests of a GPU are collected, the kernels are compiled ahead of
time for the same shapes, and the code of the benchmark runs on the CPU.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
NEEDED = ("torch", "triton", "numpy", "yaml", "rich", "safetensors", "lark", "pytest")
# beyond the seconds of a part: what it takes to start, and to come to its next look at the clock
_GRACE = 30


def main() -> int:
    """Run what can be run here, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--part", action="append", metavar="NAME", help="only this part; several times")
    parser.add_argument("--output", type=Path, metavar="FILE", help="the result (benchmarks/results/...)")
    parser.add_argument("--alone", metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        print(f"{sys.executable} has no {', '.join(missing)}", file=sys.stderr)
        return 2
    sys.path.insert(0, str(ROOT))
    import torch

    from benchmarks.gpu_parts import PARTS

    if unknown := [name for name in args.part or () if name not in PARTS]:
        print(f"there is no part {', '.join(unknown)}: parts are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    if args.alone:
        return _alone(args.part[0], Path(args.alone), args.seconds)
    return _on_gpu(args.part or list(PARTS), args.output) if torch.cuda.is_available() else _without()


def _on_gpu(names: list[str], output: Path | None) -> int:
    import torch

    from archdsl.bench.machine import clocks, machine
    from benchmarks.gpu_parts import PARTS

    device = torch.device("cuda", torch.cuda.current_device())
    here = machine(device)
    path = output or ROOT / "benchmarks" / "results" / f"{_slug(here.device)}-{_today()}-{here.commit or 'no-commit'}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    document: dict[str, Any] = {"kind": "gpu", "version": 1, "machine": str(here), "date": _today(), "tf32": False}
    document |= {"clocks_before": clocks(device), "parts": {}}
    print(here)
    end = time.monotonic() + sum(PARTS[name][1] for name in names)
    for name in names:
        print(f"{name} ...", flush=True)
        # what the parts before it did not need is for the last, and what they took too much of it lacks
        seconds = end - time.monotonic() if name == names[-1] else PARTS[name][1]
        document["parts"][name] = found = _apart(name, path, seconds)
        _write(path, document)
        print(f"{name}: {'holds' if found['holds'] else 'does not hold'}{_told(found)}", flush=True)
    document["clocks_after"] = clocks(device)
    _write(path, document)
    print(path)
    return 0 if all(part["holds"] for part in document["parts"].values()) else 1


def _apart(name: str, path: Path, seconds: float) -> dict[str, Any]:
    """What a part found, in a process of its own."""
    draft = path.with_suffix(f".{name}.part")
    call = [sys.executable, str(Path(__file__)), "--part", name, "--alone", str(draft), "--seconds", str(seconds)]
    failed = None
    try:
        done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False, timeout=seconds + _GRACE)
        failed = None if done.returncode == 0 else done.stderr[-2000:] or f"exit code {done.returncode}"
    except subprocess.TimeoutExpired:
        failed = "it took more time than it had"
    found: dict[str, Any] = json.loads(draft.read_text(encoding="utf-8")) if draft.exists() else {}
    draft.unlink(missing_ok=True)
    if failed:
        found |= {"holds": False, "failed": failed}
    return found


def _alone(name: str, draft: Path, seconds: float) -> int:
    import torch

    from benchmarks.gpu_parts import PARTS, Run, plain_float32

    plain_float32()
    for found in PARTS[name][0](Run(torch.device("cuda", torch.cuda.current_device()), seconds)):
        _write(draft, found)
    return 0


def _without() -> int:
    """What can be done without a GPU."""
    from benchmarks.gpu_parts import rehearsal

    print("torch finds no GPU here", flush=True)
    tests = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    side_by_side = ["-n", str(min(8, os.cpu_count() or 1))] if find_spec("xdist") else []
    for told, call in (
        ("collecting the tests of a GPU", [*tests, "-qq", "--collect-only", "-m", "gpu", "tests/kernels/test_gpu.py"]),
        ("compiling ahead of time", [*tests, "-q", *side_by_side, "tests/kernels/ahead"]),
    ):
        print(f"{told} ...", flush=True)
        done = subprocess.run(call, cwd=ROOT, check=False)
        if done.returncode:
            print(f"{told} fails", file=sys.stderr)
            return 1
    print("running the code of the benchmark on the CPU ...", flush=True)
    ran = rehearsal()
    print(f"it runs: {', '.join(ran['operators'])}")
    print("nothing was measured on a GPU: no result is written")
    return 0


def _told(found: dict[str, Any]) -> str:
    """The facts of a part in a line."""
    facts = [f"{found['cases']} cases"] if "cases" in found else []
    facts += [f"{found['specialisations']} specialisations"] if "specialisations" in found else []
    for key in ("models", "specs", "shapes"):
        facts += [f"{len(found[key])} {key}"] if key in found else []
    for key in ("refused", "beyond", "differing", "left_out"):
        value = found.get(key)
        facts += [f"{key.replace('_', ' ')}: {value if isinstance(value, str) else '; '.join(value[:3])}"] if value else []
    facts += [found["failed"].strip().splitlines()[-1]] if "failed" in found else []
    return f" ({', '.join(facts)})" if facts else ""


def _write(path: Path, document: dict[str, Any]) -> None:
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    draft.replace(path)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


if __name__ == "__main__":
    sys.exit(main())
