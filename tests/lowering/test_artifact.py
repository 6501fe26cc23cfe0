from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from archdsl.ir.digest import digest
from archdsl.lowering import artifact, compile
from archdsl.lowering.artifact import Provenance, load_build, write_build
from archdsl.lowering.build import build_module
from archdsl.lowering.export import images, relative_difference
from archdsl.lowering.folder import check_folder
from archdsl.source.diagnostic import Diagnostic, SpecError
from tests.lowering import networks

NETWORK = networks.branching()
PROVENANCE = Provenance(spec_hash=digest(NETWORK), seed=5, command=("archdsl", "build", "x.arch"), version="0")


def write(folder: Path, seed: int = 5, **options: object) -> dict:
    module = build_module(NETWORK, seed=seed)
    return write_build(folder, module, "the text of a spec\n", PROVENANCE, counts={"params": 1}, **options)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work") / "build" / "branching"
    write(folder)
    return folder


def slug(work) -> str:
    with pytest.raises(SpecError) as caught:
        work()
    return caught.value.diagnostics[0].slug


def test_a_build_holds_what_it_says(built: Path) -> None:
    assert sorted(file.name for file in built.iterdir()) == [
        "README.md",
        "program.pt2",
        "report.json",
        "spec.arch",
        "weights.safetensors",
    ]
    report = json.loads((built / "report.json").read_text())
    assert report["seed"] == 5
    assert report["command"] == ["archdsl", "build", "x.arch"]
    assert report["counts"] == {"params": 1}
    assert max(report["parity"]["exported"]["differences"]) < 1e-5
    assert report["versions"]["torch"] == torch.__version__
    assert set(report["files"]) == {"program.pt2", "spec.arch", "weights.safetensors"}
    assert [folder.name for folder in built.parent.iterdir()] == ["branching"]


def test_its_readme_loads_it_with_torch_alone(built: Path) -> None:
    lines = (built / "README.md").read_text().split("```")[1].splitlines()[1:]
    assert len(lines) == 3
    code = "\n".join([*lines, "assert logits.shape == (1, 6)"])
    subprocess.run([sys.executable, "-I", "-c", code], check=True, cwd=built)


def test_it_loads_as_it_was(built: Path) -> None:
    texts: list[str] = []
    module = load_build(built, lambda text: texts.append(text) or NETWORK)
    assert texts == ["the text of a spec\n"]
    assert not module.training
    x = images(module, 2)
    assert torch.equal(module(x), build_module(NETWORK, seed=5)(x))


def test_a_build_that_was_changed_is_refused(built: Path, tmp_path: Path) -> None:
    folder = tmp_path / "b"
    write(folder)
    (folder / "spec.arch").write_text("another text\n")
    assert slug(lambda: load_build(folder, lambda _: NETWORK)) == "build-changed"
    report = json.loads((folder / "report.json").read_text())
    (folder / "report.json").write_text(json.dumps({**report, "version": 99}))
    assert slug(lambda: load_build(folder, lambda _: NETWORK)) == "not-a-build"
    (folder / "report.json").write_text("[" * 100_000)
    assert slug(lambda: load_build(folder, lambda _: NETWORK)) == "not-a-build"
    assert slug(lambda: load_build(tmp_path / "none", lambda _: NETWORK)) == "not-a-build"


def changed(folder: Path, **entries: object) -> Path:
    """A folder like a build, whose report has some other entries; `...` takes one out, and bytes are the spec."""
    report = json.loads((folder / "report.json").read_text())
    for name, entry in entries.items():
        if isinstance(entry, bytes):
            (folder / "spec.arch").write_bytes(entry)
            report["files"] |= {"spec.arch": hashlib.sha256(entry).hexdigest()}
        elif entry is ...:
            del report[name]
        else:
            report[name] = entry
    (folder / "report.json").write_text(json.dumps(report))
    return folder


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        ({"version": True}, "not-a-build"),
        ({"version": 1.0}, "not-a-build"),
        ({"version": "1"}, "not-a-build"),
        ({"version": ...}, "not-a-build"),
        ({"kind": ["archdsl build"]}, "not-a-build"),
        ({"files": []}, "not-a-build"),
        ({"files": {}}, "not-a-build"),
        ({"files": {"spec.arch": 1, "weights.safetensors": 2}}, "not-a-build"),
        ({"files": ...}, "not-a-build"),
        ({"seed": ...}, "not-a-build"),
        ({"seed": "5"}, "not-a-build"),
        ({"seed": 5.5}, "not-a-build"),
        ({"seed": None}, "not-a-build"),
        ({"seed": True}, "not-a-build"),
        ({"spec_hash": ...}, "not-a-build"),
        ({"spec_hash": 0}, "not-a-build"),
        ({"spec_hash": "0" * 64}, "build-changed"),
        ({"fuse": 1}, "not-a-build"),
        ({"text": b"\xff\xfe"}, "build-changed"),
        ({"text": b"a\0b"}, "build-changed"),
        ({"text": b" " * 2**21}, "build-changed"),
    ],
)
def test_a_stranger_s_folder_is_refused(entries: dict, found: str, built: Path, tmp_path: Path) -> None:
    folder = tmp_path / "b"
    shutil.copytree(built, folder)
    assert slug(lambda: load_build(changed(folder, **entries), lambda _: NETWORK)) == found


@pytest.mark.parametrize("text", ['{"kind": "archdsl build", "version": 1}', "[]", "\xff", "", '{"seed": 1' + "0" * 5000 + "}"])
def test_a_report_of_anything_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(text, encoding="latin-1")
    assert slug(lambda: load_build(tmp_path, lambda _: NETWORK)) == "not-a-build"


def test_files_that_are_no_files_are_refused(built: Path, tmp_path: Path) -> None:
    for name in ("spec.arch", "weights.safetensors"):
        folder = tmp_path / name
        shutil.copytree(built, folder)
        (folder / name).unlink()
        assert slug(lambda folder=folder: load_build(folder, lambda _: NETWORK)) == "build-changed"
        os.mkfifo(folder / name)
        assert slug(lambda folder=folder: load_build(folder, lambda _: NETWORK)) == "build-changed"


def test_a_build_is_replaced_and_anything_else_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    write(folder)
    (folder / "stray").touch()
    write(folder, seed=6)
    assert not (folder / "stray").exists()

    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").touch()
    (mine / "report.json").write_text("{}")
    steps: list[str] = []
    assert slug(lambda: write(mine, progress=steps.append)) == "folder-taken"
    assert not steps, "it must be refused before the work"
    assert (mine / "thesis.tex").exists()
    monkeypatch.chdir(mine)
    assert slug(lambda: write(Path(), force=True)) == "folder-taken"
    monkeypatch.chdir(tmp_path)
    write(mine, force=True)
    assert not (mine / "thesis.tex").exists()
    (tmp_path / "file").touch()
    assert slug(lambda: write(tmp_path / "file")) == "folder-taken"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "mine", "out"]


def test_the_build_of_another_arch_and_loaded_weights_are_kept(tmp_path: Path) -> None:
    def refused(report: dict[str, object], **options: bool) -> Diagnostic | None:
        (tmp_path / "report.json").write_text(json.dumps({"kind": "archdsl build", "version": 1, **report}))
        try:
            check_folder(tmp_path, "tiny", **options)
        except SpecError as error:
            return error.diagnostics[0]
        return None

    found = refused({"arch": "other"})
    assert found
    assert found.slug == "folder-taken"
    assert found.message.endswith("holds the build of another arch, `other`")
    assert "`--force`" in found.help
    assert refused({"arch": "other"}, weights=True)
    assert refused({"arch": "other"}, force=True) is None
    found = refused({"arch": "tiny", "weights": "f.pth"})
    assert found
    assert found.message.endswith("holds a build with the weights `f.pth`, and this one would have none")
    assert refused({"arch": "tiny", "weights": "f.pth"}, force=True) is None
    assert refused({"arch": "tiny", "weights": "f.pth"}, weights=True) is None
    assert refused({"arch": "tiny", "weights": None}) is None


def test_what_is_dear_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def message(folder: Path, *specs: Path) -> str:
        with pytest.raises(SpecError) as caught:
            check_folder(folder, NETWORK.name, force=True, specs=specs)
        assert caught.value.diagnostics[0].slug == "folder-taken"
        return caught.value.diagnostics[0].message

    spec = tmp_path / "mine" / "a.arch"
    spec.parent.mkdir()
    spec.touch()
    assert "is a file" in message(spec)
    assert "holds `a.arch`" in message(spec.parent, spec)
    check_folder(spec.parent, NETWORK.name, force=True)
    (tmp_path / "project" / ".git").mkdir(parents=True)
    assert "is a repository" in message(tmp_path / "project")
    monkeypatch.setenv("HOME", str(tmp_path / "mine"))
    assert "is your home" in message(tmp_path / "mine")
    assert "is your home, or above it" in message(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "project"]


def test_a_build_is_written_again_from_its_own_spec(built: Path, tmp_path: Path) -> None:
    folder = tmp_path / "b"
    write(folder)
    check_folder(folder, NETWORK.name, specs=[folder / "spec.arch"])
    (folder / "mine.arch").touch()
    with pytest.raises(SpecError):
        check_folder(folder, NETWORK.name, specs=[folder / "mine.arch"])


def test_a_folder_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        check_folder(tmp_path / "file" / "out", NETWORK.name)
    with pytest.raises(OSError, match="too long"):
        check_folder(tmp_path / "a" / ("b" * 300) / "out", NETWORK.name)
    check_folder(tmp_path / "c" / "d" / "out", NETWORK.name)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_every_file_has_the_permissions_of_a_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "out")
    finally:
        os.umask(before)
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "out").iterdir()} == {0o640}


def test_a_link_to_a_build_stays_a_link(tmp_path: Path, built: Path) -> None:
    write(tmp_path / "real")
    (tmp_path / "link").symlink_to("real")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "report.json").exists()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_work_that_fails_leaves_nothing(error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(step: str) -> None:
        if step.startswith("saving"):
            raise error

    with pytest.raises(error):
        write(tmp_path / "new" / "out", progress=fail)
    assert not list(tmp_path.iterdir())

    write(tmp_path / "out")
    before = (tmp_path / "out" / "report.json").read_bytes()
    monkeypatch.setattr(artifact, "_readme", lambda *_: fail("saving"))
    with pytest.raises(error):
        write(tmp_path / "out", seed=6)
    assert (tmp_path / "out" / "report.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


INTERRUPTED = """
import sys, time
from pathlib import Path
from archdsl.lowering.atomic import folder_at_once
with folder_at_once(Path(sys.argv[1]), check=lambda target: None) as draft:
    (draft / "half").touch()
    print("begun", flush=True)
    time.sleep(60)
"""


def test_a_request_to_terminate_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", INTERRUPTED, str(tmp_path / "a" / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(Path.cwd())}) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        start = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143
        assert time.monotonic() - start < 30
    assert not list(tmp_path.iterdir())


def test_progress_is_told(tmp_path: Path) -> None:
    steps: list[str] = []
    write(tmp_path / "out", progress=steps.append)
    assert steps == ["exporting the program", "comparing it with the eager module", "saving the weights"]


def test_a_missing_compiler_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert compile.compiler() is None
    assert slug(lambda: write(tmp_path / "out", compiled=True)) == "compiler-missing"
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.skipif(compile.compiler() is None, reason="inductor needs a C++ compiler")
# inductor and its dependencies warn of their own deprecations
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_module_gives_the_same_logits() -> None:
    module = build_module(NETWORK, seed=5)
    compiled = compile.compile_module(module)
    assert compiled.parity.holds
    x = images(module, 2, seed=9)
    with torch.no_grad():
        assert relative_difference(module(x), compiled.run(x)) < 1e-3
    torch.compiler.reset()
