"""`archdsl verify`, and the page of the packaged specs that it prints."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import archdsl
from archdsl.cli import catalog
from archdsl.cli.main import main
from archdsl.cli.verify_page import page
from archdsl.cli.verify_table import Rows
from archdsl.lowering.build import build_module
from archdsl.lowering.weights import official_state
from archdsl.testing import golden as goldens
from archdsl.testing.stored import Goldens
from archdsl.verifying import Verified, verify, verify_counts

ROOT = Path(__file__).resolve().parents[2]
REASON = "they left the head out"
SPEC = f"""\
# Tiny, Nobody et al., 2030
# Made small. Digits top-1: 97.5 %, as published.
arch tiny {{
  input   = 3x16x16
  classes = 4

  expect params = 392
  expect params = 0.5K because "{REASON}"
  expect flops  = 9_872 at 16x16
  expect flops  = 9.9K  at 16x16
  expect flops  = 33_712 at 24x24

  layout {{ residual layernorm -> token }}

  stem = conv(4x4, out = 4, stride = 4)
  stage s1 {{ dim = 4, depth = 2, token = attention(heads = 2) }}
  head = mean -> linear(classes)
}}
"""
KEYS = """\
keys:
  patch: stem.conv
  blocks.{i}.norm: stages.s1.{i}.layernorm
  blocks.{i}.attn: stages.s1.{i}.token
  head: head.linear
"""
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout like ours: `specs`, and beside it the goldens."""
    Path(tmp_path, "specs").mkdir()
    Path(tmp_path, "tests", "golden").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    Path("specs/tiny.arch").write_text(SPEC)
    Path("specs/tiny.keys.yaml").write_text(KEYS)


def store(name: str = "tiny", *, at: int = 16, change: Callable[[dict[str, Any]], None] = lambda golden: None) -> None:
    """Keep the logits of the module itself as a golden, under the names of the key map."""
    spec = archdsl.load("specs/tiny.arch", at=at)
    names = official_state(archdsl.build(spec).state_dict(), Path("specs/tiny.keys.yaml"))
    golden: dict[str, Any] = {
        "model": name,
        "spec": "tiny",
        "source": "nobody/tiny@0",
        "input_shape": [2, 3, at, at],
        "keys": [[key, list(tensor.shape), "float32"] for key, tensor in names.items()],
        "kept": [],
        "tolerance": 1e-4,
    }
    module = build_module(spec.network, weights=goldens.official_state(golden), keymap=Path("specs/tiny.keys.yaml"))
    with torch.no_grad():
        logits = module(goldens.golden_images(golden)).double().numpy()
    golden |= {"logits_head": logits[:, :3].tolist(), "logits_std": float(logits.std())}
    golden["logits_l2"] = float(np.linalg.norm(logits))
    change(golden)
    Path("tests/golden", f"{name}.json").write_text(json.dumps(golden))


def rewritten(before: str, after: str) -> None:
    path = Path("specs/tiny.arch")
    assert path.read_text().count(before) == 1
    path.write_text(path.read_text().replace(before, after))


def table(shown: str) -> list[list[str]]:
    """The cells of the rows, those that are empty left out."""
    lines = shown.partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines[2:]]


# --- what holds ---


def test_a_spec_that_holds(capsys: Captured) -> None:
    store()
    store("tiny@24x24", at=24)
    assert main(["verify", "specs/tiny.arch"]) == 0
    shown, said = capsys.readouterr()
    assert said == "1 spec verified\n"
    *rows, first, second = table(shown)
    assert rows == [
        ["tiny", "params", "0.5K [1]", *["392"] * 3, "exact"],
        ["flops 16x16", "9.9K", *["9_872"] * 3, "exact"],
        ["flops 24x24", *["33_712"] * 3, "exact"],
    ]
    assert first[0] == "logits 16x16"
    assert first[1].endswith(" of 1e-04 accepted: tiny")
    assert second[0] == "logits 24x24"
    assert shown.endswith(f"\n\n[1] {REASON}\n")


def test_no_golden_is_said_plainly(capsys: Captured) -> None:
    assert main(["verify", "specs"]) == 0
    shown, said = capsys.readouterr()
    assert table(shown)[-1] == ["logits", "no golden"]
    assert said == "no golden is stored for any of these; `--goldens DIR` names a folder that has some\n1 spec verified\n"


def test_the_closed_form_alone(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    store()
    monkeypatch.setattr("archdsl.verifying.measured", None)
    assert main(["verify", "--counts", "specs/tiny.arch"]) == 0
    shown, said = capsys.readouterr()
    assert shown.splitlines()[0].split() == ["spec", "count", "published", "closed", "form"]
    assert table(shown)[0] == ["tiny", "params", "0.5K [1]", "392", "exact"]
    assert "logits" not in shown
    assert said == "1 spec verified\n"


def test_goldens_from_elsewhere(capsys: Captured) -> None:
    store()
    Path("tests/golden").rename("kept")
    assert main(["verify", "specs/tiny.arch", "--goldens", "kept"]) == 0
    assert "accepted: tiny" in capsys.readouterr().out
    Path("link.arch").symlink_to("specs/tiny.arch")
    Path("kept").rename("tests/golden")
    assert len(verify_counts("link.arch").goldens) == 1


def test_nothing_expected(capsys: Captured) -> None:
    text = "".join(line for line in SPEC.splitlines(keepends=True) if not line.startswith("  expect"))
    Path("bare.arch").write_text(text)
    assert main(["verify", "--counts", "bare.arch"]) == 0
    assert [row[-1] for row in table(capsys.readouterr().out)] == ["nothing expected"] * 2


def test_another_rule_has_a_row_of_its_own(capsys: Captured) -> None:
    rewritten("  expect flops  = 33_712 at 24x24\n", "  expect flops = 5_136 at 16x16 by conv_linear\n")
    assert main(["verify", "specs/tiny.arch"]) in (0, 1)
    row = next(row for row in table(capsys.readouterr().out) if row[0] == "flops 16x16 by conv_linear")
    # of what is counted in a part, the operators are not told apart
    assert row[1] == row[2]


def test_the_fused_form(capsys: Captured) -> None:
    store()
    assert main(["verify", "specs/tiny.arch"]) == 0
    expected = capsys.readouterr().out
    assert main(["verify", "specs/tiny.arch", "--fuse"]) == 0
    shown, said = capsys.readouterr()
    # there is nothing to fuse in it
    assert shown == expected
    assert said.startswith("`tiny` has no branches to merge: `--fuse` leaves it as it is\n")
    assert main(["verify", "@overlock_xt", "specs/tiny.arch", "--fuse", "--counts"]) == 0
    shown, said = capsys.readouterr()
    rows = table(shown)
    assert rows[0][:2] == ["overlock_xt, fused", "params"]
    assert "params by fvcore" in [row[0] for row in rows]
    assert said.startswith("`tiny` has no branches to merge")


# --- what falls short ---


@pytest.mark.parametrize(
    ("before", "after", "cell", "said"),
    [
        ("= 392", "= 393", "NOT 393", "params is counted 392, the spec expects 393"),
        (f'0.5K because "{REASON}"', "0.5K", "NOT 0.5K, exact", "params is counted 392, the spec expects 0.5K and records no"),
        ("9.9K", "9.5K", "NOT 9.5K, exact", "flops at 16x16 is counted 9_872, the spec expects 9.5K and records no reason"),
        ("33_712", "33_713", "NOT 33_713", "flops at 24x24 is counted 33_712, the spec expects 33_713"),
    ],
)
def test_an_expectation_that_fails(before: str, after: str, cell: str, said: str, capsys: Captured) -> None:
    rewritten(before, after)
    for words in (["--counts"], []):
        assert main(["verify", "specs/tiny.arch", *words]) == 1
        shown, told = capsys.readouterr()
        assert cell in [row[-1] for row in table(shown)]
        assert "error[expectation-failed]" in told
        assert "error: 1 of 1 spec falls short\n  tiny: " + said in told


def test_an_exact_count_on_record(capsys: Captured) -> None:
    rewritten("= 392", '= 393 because "a bias more"')
    assert main(["verify", "--counts", "specs/tiny.arch"]) == 0
    assert table(capsys.readouterr().out)[0] == ["tiny", "params", "0.5K [1]", "392", "not 393 [2]"]


def test_a_size_that_does_not_fit(capsys: Captured) -> None:
    rewritten("24x24", "2x2")
    assert main(["verify", "specs/tiny.arch"]) == 1
    said = capsys.readouterr().err
    assert "error[expectation-failed]: the spec cannot be built at 2x2" in said
    assert said.endswith("error: 1 of 1 spec falls short\n  tiny: the spec cannot be built at 2x2\n")


def test_logits_that_differ(capsys: Captured) -> None:
    def change(golden: dict[str, Any]) -> None:
        golden["logits_head"][0][0] += golden["logits_std"]

    store(change=change)
    store("second")
    assert main(["verify", "specs/tiny.arch"]) == 1
    shown, said = capsys.readouterr()
    assert table(shown)[-1][-1] == "FAILS: 1.0e+00 of 1e-04 accepted: tiny"
    assert "accepted: second" in shown
    assert said.endswith("tiny: `tiny` is 1.0e+00 standard deviations from the published logits, not 1e-04\n")


def test_a_key_map_that_misfits(capsys: Captured) -> None:
    store()
    Path("specs/tiny.keys.yaml").write_text(KEYS.replace("  head: head.linear\n", ""))
    assert main(["verify", "specs/tiny.arch"]) == 1
    shown, said = capsys.readouterr()
    assert table(shown)[-1][-1] == "NOT COMPARED: tiny"
    assert "error[key-map-mismatch]: 2 names of the state_dict have no rule" in said
    assert "  tiny: `tiny` cannot be compared: 2 names of the state_dict have no rule" in said


def test_a_golden_at_a_size_that_does_not_fit(capsys: Captured) -> None:
    store(change=lambda golden: golden.update(input_shape=[2, 3, 3, 3]))
    assert main(["verify", "specs/tiny.arch"]) == 1
    shown, said = capsys.readouterr()
    assert table(shown)[-1][-1] == "NOT COMPARED: tiny"
    assert "nothing can be measured at 3x3" in said


def test_a_machine_that_is_too_small(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    store()
    for free, said in ((10, "nothing can be measured at 16x16"), (8_000, "`tiny` cannot be compared")):
        monkeypatch.setattr("archdsl.lowering.memory.available_bytes", lambda free=free: free)
        assert main(["verify", "specs/tiny.arch"]) == 1
        shown, told = capsys.readouterr()
        assert table(shown)[-1][-1] == "NOT COMPARED: tiny"
        assert f"tiny: {said}: `tiny` takes about" in told


def test_fvcore_counts_otherwise(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    from archdsl.budget import fvcore_count

    honest = fvcore_count.measure

    def measure(*given: Any) -> fvcore_count.Measured:
        found = honest(*given)
        return replace(found, flops=found.flops + 1, ops={**found.ops, "linear": found.ops["linear"] + 1})

    monkeypatch.setattr(fvcore_count, "measure", measure)
    assert main(["verify", "specs/tiny.arch"]) == 1
    shown, said = capsys.readouterr()
    assert ["flops 16x16", "9.9K", "9_872", "9_873", "9_872", "DIFFERENT, exact"] in table(shown)
    assert "  tiny: closed form and fvcore differ at 16x16: flops, linear\n" in said


def test_a_broken_spec_keeps_no_other_from_being_verified(capsys: Captured) -> None:
    Path("specs/broken.arch").write_text(SPEC.replace("heads", "haeds"))
    assert main(["verify", "specs"]) == 1
    shown, said = capsys.readouterr()
    assert table(shown)[0] == ["specs/broken.arch", "CANNOT BE READ"]
    assert table(shown)[1][:2] == ["tiny", "params"]
    assert "error[unknown-field]: `attention` has no field `haeds`" in said
    assert said.endswith("error: 1 of 2 specs falls short\n  specs/broken.arch: `attention` has no field `haeds`\n")
    assert main(["verify", "specs", "--markdown", "--counts"]) == 1
    assert "| specs/broken.arch |  |  |  |  |  |  | CANNOT BE READ |  |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.arch"], "`none.arch` cannot be read"),
        (["specs/tiny.arch", "--goldens", "nowhere"], "`nowhere` cannot be read: there is no such folder"),
        (["specs/tiny.arch", "--goldens", ""], "`--goldens` is empty"),
        (["specs/tiny.arch", "--json", "--markdown"], "`--markdown` and `--json` exclude each other"),
        ([str(ROOT / "search" / "biformer_nas" / "space.arch")], "`biformer_nas` is a space, and archs are verified"),
    ],
)
def test_the_call_is_at_fault(words: list[str], message: str, capsys: Captured) -> None:
    assert main(["verify", *words]) == 2
    shown, said = capsys.readouterr()
    assert shown == "" or "--json" in words
    assert message in shown + said


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "it is no JSON"),
        ('{"spec": "tiny", "model": 3}', "it has no `model`"),
        ('{"spec": "tiny", "model": "a", "input_shape": [3]}', "it has no `keys`"),
    ],
)
def test_a_golden_that_is_none(text: str, reason: str, capsys: Captured) -> None:
    Path("tests/golden/a.json").write_text(text)
    assert main(["verify", "specs/tiny.arch"]) == 2
    assert f"a.json` cannot be read: {reason}" in capsys.readouterr().err


def test_a_golden_of_a_part_is_left_aside() -> None:
    Path("tests/golden/part.json").write_text('{"module": "a part"}')
    assert verify_counts("specs/tiny.arch").goldens == ()


def test_a_golden_of_another_network(capsys: Captured) -> None:
    store(change=lambda golden: golden.update(logits_head=[[0.5] * 5] * 2))
    store("second", change=lambda golden: golden.update(input_shape=[2, 1, 16, 16]))
    assert main(["verify", "specs/tiny.arch"]) == 1
    shown, said = capsys.readouterr()
    assert [row[-1] for row in table(shown)[-2:]] == ["NOT COMPARED: second", "NOT COMPARED: tiny"]
    assert "`tiny` cannot be compared: it has 5 logits of each image, and the spec gives 4\n" in said
    assert "`second` cannot be compared: it is of images of 1 channels, and the spec takes 3\n" in said


def test_a_golden_of_no_packaged_spec(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    store()
    store("lost", change=lambda golden: golden.update(spec="tinny"))
    # of some specs, a golden may be of another
    assert main(["verify", "specs/tiny.arch"]) == 0
    capsys.readouterr()
    monkeypatch.setattr("archdsl.cli.catalog.specs", lambda: ["specs/tiny.arch"])
    assert main(["verify"]) == 1
    assert (
        capsys.readouterr().err
        == "error: 1 golden compared with nothing\n  lost: it is of `tinny`, and no spec has this name\n"
    )
    assert main(["verify", "--json", "--counts"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert [document["holds"], *(spec["holds"] for spec in document["specs"])] == [False, True, False]


def test_a_spec_without_anything_to_hold(capsys: Captured) -> None:
    bare = "".join(line for line in SPEC.splitlines(keepends=True) if "expect" not in line)
    Path("specs/tiny.arch").write_text(bare)
    assert main(["verify", "specs"]) == 0
    assert "`tiny` had nothing to be held against: no `expect` line and no golden\n1 spec verified\n" in capsys.readouterr().err
    store()
    assert main(["verify", "specs"]) == 0
    assert "nothing to be held" not in capsys.readouterr().err
    Path("specs/tony.arch").write_text(bare.replace("arch tiny", "arch tony"))
    assert main(["verify", "specs", "--counts"]) == 0
    assert capsys.readouterr().err == "2 of them had nothing to be held against: no `expect` line\n2 specs verified\n"


# --- other forms ---


def test_one_document(capsys: Captured) -> None:
    store()
    assert main(["verify", "specs/tiny.arch", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["version"], document["holds"]) == (1, True)
    (spec,) = document["specs"]
    assert (spec["name"], spec["input"], spec["measured"], spec["fuse"]) == ("tiny", [3, 16, 16], True, False)
    params, flops, other = spec["counts"]
    assert params["closed"] == params["fvcore"] == params["parts"] == 392
    assert (flops["at"], flops["by"], other["at"]) == ([16, 16], "fvcore", [24, 24])
    exact, published = params["expected"]
    assert (exact["exact"], exact["status"], exact["because"]) == (True, "holds", None)
    assert (published["written"], published["status"], published["because"]) == ("0.5K", "recorded", REASON)
    (golden,) = spec["goldens"]
    assert golden["error"] < golden["tolerance"] == 1e-4
    assert golden["holds"]
    assert spec["shortfalls"] == spec["diagnostics"] == []


def test_one_document_of_what_falls_short(capsys: Captured) -> None:
    rewritten("= 392", "= 393")
    Path("specs/broken.arch").write_text("arch broken {\n")
    store(change=lambda golden: golden.update(logits_std=float("nan")))
    assert main(["verify", "specs", "--json"]) == 1
    shown, said = capsys.readouterr()
    broken, tiny = json.loads(shown, parse_constant=pytest.fail)["specs"]
    assert (broken["name"], broken["counts"], broken["holds"]) == ("specs/broken.arch", [], False)
    assert [each["kind"] for each in broken["shortfalls"]] == ["spec"]
    assert broken["diagnostics"]
    assert [each["kind"] for each in tiny["shortfalls"]] == ["expect", "golden"]
    assert tiny["diagnostics"][0]["slug"] == "expectation-failed"
    assert said.startswith("error: 2 of 2 specs fall short\n")


def test_a_page(capsys: Captured) -> None:
    store()
    assert main(["verify", "specs/tiny.arch", "--markdown"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("# Specs\n\n")
    assert [line for line in shown.splitlines() if line.startswith("|")][2:] == [
        "| `tiny` | Tiny, Nobody et al., 2030 | 97.5 | 16x16 | 392 | 9,872 | 0.5K [1], 9.9K | holds | `tiny`: 1e-04 |",
        "|  |  |  | 24x24 |  | 33,712 |  | holds |  |",
    ]
    assert shown.endswith("\n## Reasons\n\n1. They left the head out.\n")
    assert main(["verify", "specs/tiny.arch", "--markdown", "--counts"]) == 0
    again, said = capsys.readouterr()
    # the page says what the whole command proves, and this one what it left out
    assert again == shown
    assert "fvcore was not run, and no golden was compared" in said


def test_a_page_of_what_falls_short(capsys: Captured) -> None:
    rewritten("33_712", "33_713")
    store(change=lambda golden: golden.update(logits_l2=9.0))
    assert main(["verify", "specs/tiny.arch", "--markdown"]) == 1
    first, second = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")][2:]
    assert first.endswith("| holds | `tiny` FALLS SHORT: 1e-04 |")
    assert second.endswith("| 33,712 |  | FALLS SHORT |  |")


# --- as it goes on ---


def test_an_interruption_keeps_what_was_printed(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    import archdsl.verifying

    honest = archdsl.verifying.measured

    def measured(found: Verified, **given: Any) -> Verified:
        if found.name == "tony":
            raise KeyboardInterrupt
        return honest(found, **given)

    Path("specs/tony.arch").write_text(SPEC.replace("arch tiny", "arch tony"))
    monkeypatch.setattr("archdsl.verifying.measured", measured)
    assert main(["verify", "specs"]) == 130
    shown, said = capsys.readouterr()
    assert [row[0] for row in table(shown)] == ["tiny", "flops 16x16", "flops 24x24", "logits"]
    assert shown.endswith(f"[1] {REASON}\n")
    assert said == "interrupted\n"


def test_steps_are_told(capsys: Captured) -> None:
    store()
    assert main(["verify", "-v", "specs/tiny.arch"]) == 0
    said = capsys.readouterr().err
    assert "tiny (1 of 1): counting with fvcore at 16x16\n" in said
    assert "tiny (1 of 1): comparing with the logits of tiny\n" in said


def test_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("shutil.get_terminal_size", lambda fallback: os.terminal_size((60, 24)))
    monkeypatch.setattr("sys.stdout", out := Terminal())
    assert main(["verify", "-q", "specs/tiny.arch"]) == 0
    assert table(out.getvalue())[0] == ["tiny", "params", "0.5K [1]", "392", "=", "=", "exact"]


def test_columns_are_as_wide_as_the_longest_count_from_the_start() -> None:
    planned = [verify_counts("@davit_tiny"), verify_counts("@davit_large_384")]
    rows = Rows(planned, measured=True)
    header = next(rows.lines(iter(planned)))
    assert len(header) >= len("davit_large_384  flops 384x384  196.8M     102_966_676_992  102_966_676_992  sum of parts")


# --- from Python ---


def test_from_python() -> None:
    store()
    found = archdsl.verify("specs/tiny.arch")
    assert found.holds
    assert (found.name, found.measured, len(found.compared)) == ("tiny", True, 1)
    assert all(row.equal and row.measured == row.closed for row in found.rows)
    assert not verify_counts(archdsl.load("specs/tiny.arch"), goldens="tests/golden").measured
    with pytest.raises(ValueError, match="is a space"):
        archdsl.verify(ROOT / "search" / "biformer_nas" / "space.arch")


# --- the packaged specs ---

PACKAGED = [name[1:] for name in catalog.specs()]


def test_the_page_of_the_packaged_specs_is_up_to_date(capsys: Captured) -> None:
    assert main(["verify", "--counts", "--markdown"]) == 0
    page = Path(ROOT, "specs", "README.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out == page, "run `archdsl verify --markdown > specs/README.md`, and read the difference"


@pytest.mark.slow
@pytest.mark.parametrize("name", PACKAGED)
def test_every_packaged_spec_is_verified(name: str) -> None:
    stored = Goldens()
    found = verify(f"@{name}", goldens=stored)
    assert found.holds, found.shortfalls
    # so that the page says the same of it as it says of the counts alone
    assert page([found]) == page([verify_counts(f"@{name}", goldens=stored)])


@pytest.mark.slow
def test_a_packaged_spec_is_verified_in_its_deploy_form() -> None:
    found = verify("@overlock_xt", fuse=True)
    assert found.holds, found.shortfalls
    assert {each.golden.fuse for each in found.compared} == {False, True}
