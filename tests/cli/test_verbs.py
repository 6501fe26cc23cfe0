"""What each verb prints and writes."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from archdsl.cli.main import INNER, VERBS, main
from archdsl.cli.topics import topic_about, topics
from archdsl.cli.words import word_about, words

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "specs" / "biformer_t.arch"
GOOD = """\
arch tiny {
  input   = 3x32x32
  classes = 10

  layout { residual layernorm -> token }  # one branch

  stem = conv(4x4, out = 16, stride = 4)
  stage s1 { dim = 16, depth = 2, token = attention(heads = 2) }
  head = mean -> linear(classes)
}
"""
UGLY = GOOD.replace("  input   = 3x32x32", "input=3x32x32").replace("depth = 2", "depth=2")
BAD = GOOD.replace("heads", "haeds")

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.arch").write_text(GOOD)
    Path("ugly.arch").write_text(UGLY)
    Path("bad.arch").write_text(BAD)


def stdin(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


# --- check ---


def test_check_a_clean_spec(capsys: Captured) -> None:
    assert main(["check", "good.arch"]) == 0
    assert capsys.readouterr() == ("", "1 spec checked, no errors\n")
    assert main(["check", "-q", "good.arch", "@biformer_t"]) == 0
    assert capsys.readouterr() == ("", "")


def test_check_reports_on_stderr(capsys: Captured) -> None:
    assert main(["check", "good.arch", "bad.arch"]) == 1
    shown, said = capsys.readouterr()
    assert shown == ""
    assert "error[unknown-field]: `attention` has no field `haeds`\n  --> bad.arch:8:" in said
    assert said.endswith("error: 1 error in 1 file\n")


def test_check_for_machines(capsys: Captured) -> None:
    schema = json.loads((ROOT / "grammars" / "diagnostics.schema.json").read_text())
    assert main(["check", "--json", "bad.arch"]) == 1
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema)
    assert document["diagnostics"][0]["slug"] == "unknown-field"
    assert main(["check", "--json", "good.arch"]) == 0
    assert json.loads(capsys.readouterr().out) == {"version": 1, "diagnostics": []}
    assert main(["check", "--format", "github", "bad.arch"]) == 1
    assert capsys.readouterr().out.startswith("::error file=bad.arch,line=8,col=")
    assert main(["check", "--format", "short", "bad.arch"]) == 1
    assert capsys.readouterr().err.startswith("bad.arch:8:")


def test_check_a_folder(capsys: Captured) -> None:
    Path("more/.hidden").mkdir(parents=True)
    shutil.copy("good.arch", "more/one.arch")
    shutil.copy("bad.arch", "more/.hidden/two.arch")
    assert main(["check", "more"]) == 0
    Path("none").mkdir()
    assert main(["check", "none"]) == 2
    assert "there is no spec in `none`" in capsys.readouterr().err


def test_a_file_that_is_not_there(capsys: Captured) -> None:
    assert main(["check", "specs/biformer_t.arch"]) == 2
    assert "`@biformer_t`" in capsys.readouterr().err


def test_check_tells_the_counts_of_each_spec(capsys: Captured) -> None:
    Path("two.arch").write_text(GOOD + GOOD.replace("arch tiny", "arch other"))
    Path("lets.arch").write_text("let a = 1\n")
    assert main(["check", "-v", "two.arch", "lets.arch", "@davit_tiny", "bad.arch"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == [f"two.arch:{name}: 3_194 params, 452_768 flops at 32x32" for name in ("tiny", "other")]
    assert lines[2].startswith("@davit_tiny: 28_360_168 params, ")
    assert "; flops = 4.5G at 224x224: holds; " in lines[2]
    assert lines[3] == "bad.arch: not counted, it has errors"


def test_an_expectation_is_told_with_its_rule(capsys: Captured) -> None:
    Path("rules.arch").write_text(GOOD.replace("  classes", "  expect params = 3_194 by deploy\n  classes"))
    assert main(["check", "-v", "rules.arch"]) == 0
    assert "; params = 3_194 by deploy: holds\n" in capsys.readouterr().err
    assert main(["show", "rules.arch"]) == 0
    assert "expect  params = 3_194 by deploy: holds\n" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "# nothing\n", "edition 1\n"])
def test_a_file_that_says_nothing(text: str, capsys: Captured) -> None:
    Path("empty.arch").write_text(text)
    assert main(["check", "empty.arch"]) == 1
    assert "error[no-model]: `empty.arch` says nothing" in capsys.readouterr().err
    Path("lets.arch").write_text("let a = 1\n")
    assert main(["check", "lets.arch"]) == 0


@pytest.mark.parametrize("words", [["check"], ["fmt"], ["show"], ["convert", "-"]])
def test_a_missing_file_is_told_in_one_way(words: list[str], capsys: Captured) -> None:
    verb, *rest = words
    assert main([verb, "none.arch", *rest]) == 2
    assert "error[unreadable-file]: `none.arch` cannot be read: no such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["check"], ["convert", "-"]])
def test_a_packaged_spec_is_suggested_as_it_is_called(words: list[str], capsys: Captured) -> None:
    verb, *rest = words
    assert main([verb, "@davit_tny", *rest]) == 2
    assert "did you mean `@davit_tiny`?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "help"),
    [
        ("@volo", "did you mean `@volo_d1` or `@volo_d2` or `@volo_d3`?"),
        ("volo", "did you mean `@volo_d1` or `@volo_d2` or `@volo_d3`?"),
        ("davit_tny", "did you mean `@davit_tiny`?"),
        ("old/davit_tiny.arch", "there is a packaged spec of that name: `@davit_tiny`"),
        ("goood.arch", "did you mean `good.arch`?"),
        ("nothing_of_the_kind", "check the path; `archdsl list specs` shows the packaged ones"),
    ],
)
def test_a_spec_that_is_not_there(path: str, help: str, capsys: Captured) -> None:
    assert main(["show", path]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error[unreadable-file]: ")
    assert f"help: {help}\n" in said


def test_check_under_overrides(capsys: Captured) -> None:
    assert main(["check", "good.arch", "--set", "s1.depth=3", "--at", "64x64"]) == 0
    assert main(["check", "good.arch", "--set", "s1.depth=0"]) == 1
    assert main(["check", "good.arch", "--at", "64"]) == 2
    assert "`--at 64` is no size" in capsys.readouterr().err


# --- fmt ---


def test_fmt_writes_in_place(capsys: Captured) -> None:
    Path("ugly.arch").chmod(0o640)
    assert main(["fmt", "good.arch", "ugly.arch"]) == 0
    assert capsys.readouterr() == ("ugly.arch\n", "")
    assert Path("ugly.arch").read_text() == GOOD
    assert Path("ugly.arch").stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in Path().iterdir()) == ["bad.arch", "good.arch", "ugly.arch"]
    assert main(["fmt", "good.arch", "ugly.arch"]) == 0
    assert capsys.readouterr() == ("", "")


def test_fmt_follows_links() -> None:
    Path("link.arch").symlink_to("ugly.arch")
    assert main(["fmt", "link.arch"]) == 0
    assert Path("link.arch").is_symlink()
    assert Path("ugly.arch").read_text() == GOOD


def test_fmt_check(capsys: Captured) -> None:
    assert main(["fmt", "--check", "."]) == 1
    assert capsys.readouterr().out == "ugly.arch\n"
    assert Path("ugly.arch").read_text() == UGLY
    assert main(["fmt", "--check", "good.arch"]) == 0


def test_fmt_diff(capsys: Captured) -> None:
    assert main(["fmt", "--diff", "ugly.arch"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("--- ugly.arch\n+++ ugly.arch (formatted)\n")
    assert "-input=3x32x32\n" in shown
    assert "+  input   = 3x32x32\n" in shown
    assert main(["fmt", "--check", "--diff", "ugly.arch"]) == 1
    assert Path("ugly.arch").read_text() == UGLY


def test_fmt_a_stream(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    stdin(monkeypatch, UGLY)
    assert main(["fmt", "-"]) == 0
    assert capsys.readouterr() == (GOOD, "")


def test_fmt_needs_no_resolution_and_goes_on_after_errors(capsys: Captured) -> None:
    Path("broken.arch").write_text("arch a {\n  input = \n}\n")
    assert main(["fmt", "broken.arch", "bad.arch", "ugly.arch"]) == 1
    shown, said = capsys.readouterr()
    assert shown == "ugly.arch\n"
    assert "broken.arch:" in said
    assert "bad.arch" not in said


def test_fmt_refuses_yaml(capsys: Captured) -> None:
    Path("a.yaml").write_text("arch: a\n")
    assert main(["fmt", "a.yaml"]) == 2
    assert "`a.yaml` is the YAML form" in capsys.readouterr().err
    assert Path("a.yaml").read_text() == "arch: a\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_fmt_where_nothing_can_be_written(capsys: Captured) -> None:
    Path().chmod(0o500)
    try:
        assert main(["fmt", "ugly.arch"]) == 2
    finally:
        Path().chmod(0o700)
    assert "cannot be written" in capsys.readouterr().err


# --- convert ---


def test_convert_there_and_back(capsys: Captured) -> None:
    assert main(["convert", "good.arch", "good.yaml"]) == 0
    assert main(["check", "good.yaml"]) == 0
    assert main(["convert", "good.yaml", "again.arch"]) == 0
    assert main(["diff", "good.arch", "again.arch"]) == 0
    assert capsys.readouterr().out == ""


def test_convert_streams(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    assert main(["convert", "good.arch", "-"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("arch: tiny\n")
    stdin(monkeypatch, text)
    assert main(["convert", "-", "again.arch"]) == 0
    assert "stage s1" in Path("again.arch").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["good.arch", "ugly.arch"], "both are of the same form"),
        (["good.arch", "good.txt"], "the form of `good.txt` is not known"),
        (["-", "-"], "between two streams the direction is not known"),
        (["good.arch", "there.yaml", "--to", "arch"], "`there.yaml` does not end as `--to arch` says"),
        (["good.arch", "-", "--to", "arch"], "both are of the same form"),
        (["good.arch:tiny", "-"], "files are converted as a whole"),
        (["good.arch", "there.yaml"], "`there.yaml` is there already"),
    ],
)
def test_convert_refuses(words: list[str], message: str, capsys: Captured) -> None:
    Path("there.yaml").write_text("mine")
    assert main(["convert", *words]) == 2
    assert message in capsys.readouterr().err
    assert Path("there.yaml").read_text() == "mine"


def test_convert_a_packaged_spec(capsys: Captured) -> None:
    assert main(["convert", "@davit_tiny", "-"]) == 0
    assert "\narch: davit_tiny\n" in capsys.readouterr().out


@pytest.mark.parametrize(("to", "begin"), [("yaml", "arch: tiny\n"), ("arch", "arch tiny {\n")])
def test_convert_between_streams(to: str, begin: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    text = GOOD
    if to == "arch":
        assert main(["convert", "good.arch", "-"]) == 0
        text = capsys.readouterr().out
    stdin(monkeypatch, text)
    assert main(["convert", "-", "-", "--to", to]) == 0
    assert capsys.readouterr().out.startswith(begin)


def test_convert_replaces_by_force() -> None:
    Path("there.yaml").write_text("mine")
    assert main(["convert", "good.arch", "there.yaml", "--force"]) == 0
    assert Path("there.yaml").read_text().startswith("arch: tiny\n")


def test_convert_a_broken_spec(capsys: Captured) -> None:
    Path("broken.arch").write_text("arch a {\n  input = \n}\n")
    assert main(["convert", "broken.arch", "broken.yaml"]) == 1
    assert not Path("broken.yaml").exists()


# --- show, diff, explain, list ---


def test_show(capsys: Captured) -> None:
    assert main(["show", "@biformer_t"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("biformer_t, 3x224x224 to 1000 classes\n")
    assert "params  13_142_760\n" in shown
    assert "expect  flops = 2.2G at 224x224: holds\n" in shown
    assert main(["show", "@biformer_t", "--markdown"]) == 0
    assert capsys.readouterr().out.startswith("|  | stem | s1 |")
    assert main(["show", "@biformer_t", "--latex"]) == 0
    assert capsys.readouterr().out.startswith(r"\begin{tabular}")
    assert main(["show", "@biformer_t", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["params"] == 13_142_760 == sum(row["params"] for row in document["rows"])
    assert document["flops"] == 2_228_044_160 == sum(row["flops"] for row in document["rows"])
    assert main(["show", "@biformer_t", "--json", "--latex"]) == 2


def test_show_without_unicode(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", out)
    assert main(["show", "good.arch"]) == 0
    out.seek(0)
    assert "-----" in out.read()


def test_show_a_space(capsys: Captured) -> None:
    assert main(["show", str(ROOT / "search" / "mixer_small" / "space.arch")]) == 0
    shown = capsys.readouterr().out
    assert "a space with 11 decisions" in shown
    assert ["s2.depth", "4", "1", "|", "2", "|", "3", "|", "4"] in [line.split() for line in shown.splitlines()]


def test_diff(capsys: Captured) -> None:
    assert main(["diff", "@biformer_t", "@biformer_s"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert "s3.depth 8 -> 18" in shown
    assert "params 13_142_760 -> 25_536_232: +12_393_472 (+94.3 %)" in shown
    assert main(["diff", "good.arch", "ugly.arch"]) == 0
    assert capsys.readouterr() == ("", "no difference in meaning\n")
    assert main(["diff", "@biformer_t", "@biformer_s", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"path": "s3.depth", "before": "8", "after": "18"} in document["changes"]
    assert document["params"] == {"before": 13_142_760, "after": 25_536_232}


def test_diff_says_which_paths_are_no_overrides(capsys: Captured) -> None:
    # a component alone is named as an override names it
    assert main(["diff", "good.arch", "--set", "stem.bias=false"]) == 0
    shown, said = capsys.readouterr()
    assert shown.startswith("stem.bias true -> false\n")
    assert said == ""
    assert main(["diff", "@moat_0", "--set", "stem_width=32"]) == 0
    shown, said = capsys.readouterr()
    assert shown.startswith("stem.conv.out 64 -> 32\n")
    assert said.startswith("`stem.conv.out` lies inside a part")


def test_diff_with_itself_under_overrides(capsys: Captured) -> None:
    assert main(["diff", "good.arch", "--set", "s1.depth=4"]) == 0
    assert "s1.depth 2 -> 4" in capsys.readouterr().out.splitlines()
    assert main(["diff", "good.arch", "good.arch", "--set", "s1.depth=4"]) == 0
    assert capsys.readouterr() == ("", "no difference in meaning\n")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("cycle", "`cycle(a, b)`: block 0 has a, block 1 has b"),
        ("residual", "`residual p`: x + drop_path(p(x))"),
        ("layout", "A layout is what a block does"),
        ("split", "the channels cut into equal groups"),
        ("fit", "in a `skip` only"),
        ("channel", "A stage may give"),
        ("token", "A stage may give"),
        ("then", "p(x), never dropped"),
        ("skip", "q(x) + drop_path(p(x))"),
        ("ramp", "drops its residual branches"),
        ("first", "hold values for that block alone"),
        ("space", "is an amendment in which alternatives"),
        ("head", "is the output"),
    ],
)
def test_explain_a_word(word: str, said: str, capsys: Captured) -> None:
    assert main(["explain", word]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"{word} (a word of the language)\n\nIn section ")
    assert said in " ".join(shown.split())


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("deploy", "as `fused`, and of the parameters those of what|`--fuse` takes it, `fuse=True` in Python"),
        ("fuse", "`--fuse` of `count`, `build` and `weights`: the deploy form|More in README.md"),
        ("fused", "in which a component with branches is one without|`archdsl.fuse(module)`"),
        ("features", 'archdsl.build(spec, features=["s2", "s3"])|docs/python.md'),
        ("heads", "One `head = ...` is the output"),
        ("flops", "a multiplication with its addition is one operation|docs/adr/0004-flop-convention.md"),
        ("params", "`params` counts all parameters of the training module"),
        ("checkpoint", "specs/KEYMAPS.md"),
        ("weights", "`archdsl weights`: write a checkpoint|`--weights` of `build`: a checkpoint"),
        ("latency", "name objectives"),
        ("build", "`archdsl build`: lower a spec"),
        ("resize", "`--resize`"),
        ("classes", "`--classes` of `build` and `weights`"),
    ],
)
def test_explain_what_goes_by_a_word(word: str, said: str, capsys: Captured) -> None:
    assert main(["explain", word]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for part in said.split("|"):
        assert part in shown


def test_every_word_around_the_language_is_told_of() -> None:
    for word in topics():
        text = topic_about(word, 100)
        assert text.startswith(f"{word} (a word around the language)\n\n  ")
        assert max(map(len, text.splitlines())) <= 100


def test_every_word_is_told_of() -> None:
    known = words()
    assert {"let", "node", "maximize", "drop_path", "identity", "none"} <= set(known)
    for word in known:
        assert len(word_about(word, 100).split("\n\n")) > 2, word
        assert max(map(len, word_about(word, 100).splitlines())) <= 100


def test_explain_a_value(capsys: Captured) -> None:
    assert main(["explain", "s3.dim", str(SPEC)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("note: s3.dim is 256")
    assert "let width  = 64" in shown


def test_explain_a_component(capsys: Captured) -> None:
    assert main(["explain", "routing"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("routing (token)\n  Bi-level routing attention")
    assert "  topk: whole number, >= 1, required\n      regions" in shown
    assert "  lepe: size or none" in shown
    assert main(["explain", "routing.topk"]) == 0
    assert "head_dim" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["shape-mismtach"], "did you mean `shape-mismatch`?"),
        (["rotuing"], "did you mean `routing`?"),
        (["conv.kernal"], "did you mean `kernel`?"),
        (["s1.dim"], "`archdsl explain s1.dim SPEC`"),
        (["xyzzy"], "`archdsl list errors`"),
    ],
)
def test_explain_what_is_not_there(words: list[str], message: str, capsys: Captured) -> None:
    assert main(["explain", *words]) == 2
    assert message in capsys.readouterr().err


def test_explain_an_error(capsys: Captured) -> None:
    assert main(["explain", "shape-mismatch"]) == 0
    assert capsys.readouterr().out.startswith("# shape-mismatch\n")


def test_list(capsys: Captured) -> None:
    assert main(["list", "specs", "--plain"]) == 0
    assert "@biformer_t\n" in capsys.readouterr().out
    assert main(["list", "specs"]) == 0
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert dict(lines)["@biformer_t"] == "BiFormer-T, Zhu et al., CVPR 2023 (arXiv:2303.08810)"
    assert main(["list", "components", "--slot", "channel", "--plain"]) == 0
    channel = capsys.readouterr().out.split()
    assert "mlp" in channel
    assert "attention" not in channel
    assert main(["list", "errors", "--json"]) == 0
    names = [entry["name"] for entry in json.loads(capsys.readouterr().out)["errors"]]
    assert main(["list", "studies"]) == 0
    assert "@mixer_small   Which token mixer at which resolution?" in capsys.readouterr().out
    assert "shape-mismatch" in names


# --- completion ---


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_verb_and_option(shell: str, capsys: Captured) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(name in script for name in VERBS)
    assert all(word in script for word in ("markdown", "latex", "archdsl list specs --plain", "github"))
    assert all(word in script for word in (*INNER["search"], "nsga2", "storage", "archdsl list studies --plain"))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("archdsl ch", ["check"]),
        ("archdsl --color never sh", ["show"]),
        ("archdsl check --fo", ["--format"]),
        ("archdsl check --format g", ["github"]),
        ("archdsl list sp", ["specs"]),
        ("archdsl show @davit_t", ["davit_tiny"]),
        ("archdsl explain rou", ["routing"]),
        ("archdsl sear", ["search"]),
        ("archdsl search re", ["resume", "report"]),
        ("archdsl search --color never exp", ["export"]),
        ("archdsl search run --sam", ["--sampler"]),
        ("archdsl search run --sampler ns", ["nsga2"]),
        ("archdsl search show --js", ["--json"]),
        ("archdsl search show --la", []),
        ("archdsl search count @biform", ["biformer_nas"]),
        ("archdsl search run --color always @mixer_sm", ["mixer_small"]),
    ],
)
def test_completion_in_bash(line: str, expected: list[str], capsys: Captured) -> None:
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    tool = Path("archdsl")
    tool.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m archdsl "$@"\n')
    tool.chmod(0o755)
    ask = f"{script}\nCOMP_LINE='{line}' COMP_POINT={len(line)}\n_archdsl\nprintf '%s\\n' \"${{COMPREPLY[@]}}\""
    run = subprocess.run(
        ["bash", "--norc", "-c", ask],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PATH": f"{Path().resolve()}:{os.environ['PATH']}"},
    )
    assert run.stdout.split() == expected
    assert run.stderr == ""


def test_fmt_sorts_imports(tmp_path: Path) -> None:
    path = tmp_path / "a.arch"
    path.write_text('import "@davit_tiny" (davit_tiny)\n# about T\nimport "@biformer_t" (biformer_t)\n')
    assert main(["fmt", str(path)]) == 0
    assert path.read_text() == '# about T\nimport "@biformer_t" (biformer_t)\nimport "@davit_tiny" (davit_tiny)\n'
