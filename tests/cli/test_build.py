"""`archdsl build` from end to end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import archdsl
from archdsl.api import Spec
from archdsl.cli.main import main
from archdsl.lowering.export import images, relative_difference

SPEC = """\
arch tiny {
  input   = 3x8x8
  classes = 2
  layout { residual layernorm -> token }
  stem = conv(4x4, out = 4, stride = 4)
  stage s1 { dim = 4, depth = 1, token = attention(heads = 2) }
  head = mean -> linear(classes)
}
"""
# the package cannot be imported, wherever it is
ALONE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        assert name.partition(".")[0] != "archdsl", name

sys.meta_path.insert(0, Refuse())
import torch
program = torch.export.load(sys.argv[1]).module()
for batch in (1, 3):
    torch.save(program(torch.load(f"x{batch}.pt")), f"y{batch}.pt")
"""
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.arch").write_text(SPEC)


@pytest.mark.slow
def test_the_program_of_biformer_t_runs_where_there_is_torch_alone() -> None:
    assert main(["build", "@biformer_t", "-o", "out", "--seed", "3"]) == 0
    module = archdsl.load_build("out")
    for batch in (1, 3):
        torch.save(images(module, batch, seed=batch), f"x{batch}.pt")
    subprocess.run([sys.executable, "-I", "-c", ALONE, "out/program.pt2"], check=True)
    with torch.no_grad():
        for batch in (1, 3):
            want = module(images(module, batch, seed=batch))
            assert want.shape == (batch, 1000)
            assert relative_difference(want, torch.load(f"y{batch}.pt")) < 1e-4


def test_compiling_without_a_compiler_is_refused(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path("nothing")))
    monkeypatch.delenv("CXX", raising=False)
    assert main(["build", "tiny.arch", "--compile"]) == 2
    said = capsys.readouterr().err
    assert "error[compiler-missing]" in said
    assert "install g++ or clang++" in said
    assert sorted(path.name for path in Path().iterdir()) == ["tiny.arch"]


@pytest.mark.parametrize("text", [SPEC.replace("heads = 2", "heads = 1"), "arch tiny {"])
def test_a_written_spec_that_means_another_network_is_a_bug(
    text: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(Spec, "canonical", text)
    assert main(["build", "tiny.arch"]) == 3
    assert "your spec is not to blame" in capsys.readouterr().err
    (report,) = Path().glob("archdsl-report-*.txt")
    assert "the spec, written out in full, " in report.read_text()
    assert not Path("build").exists()
