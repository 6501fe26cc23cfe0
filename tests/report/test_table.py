"""Tables in their four forms."""

from __future__ import annotations

import re

from archdsl import api
from archdsl.report.stage_table import stage_table
from archdsl.report.table import Table

TABLE = Table(
    ("", "s1", "flops"), (("token", "routing\n  topk = 1", "12"), ("名", "a|b_c", "3_456")), frozenset({2}), total=True
)


def test_text() -> None:
    assert TABLE.text(unicode=False) == (
        "       s1          flops\n"
        "-----  ----------  -----\n"
        "token  routing        12\n"
        "         topk = 1\n"
        "-----  ----------  -----\n"
        "名     a|b_c       3_456"
    )
    assert str(TABLE).splitlines()[1] == "─────  ──────────  ─────"


def test_no_wider_than_asked_for() -> None:
    table = Table(
        ("", *(f"s{at}" for at in range(5)), "total"), (("dim", *["x" * 20] * 5, ""), ("params", *["1"] * 6)), total=False
    )
    assert max(map(len, table.text().splitlines())) == 6 + 5 * 22 + 7 == 123
    assert table.text(width=123) == table.text()
    # a little too wide: closer
    assert table.text(width=118, unicode=False).splitlines()[1] == " ".join(["-" * 6, *["-" * 20] * 5, "-" * 5])
    blocks = table.text(width=100).split("\n\n")
    assert [block.splitlines()[0].split() for block in blocks] == [["s0", "s1", "s2"], ["s3", "s4", "total"]]
    assert all(len(line) <= 100 for block in blocks for line in block.splitlines())
    # what is empty in a block is left out there
    last = table.text(width=30).split("\n\n")[-1]
    assert [line.split()[0] for line in last.splitlines()[2:]] == ["params"]
    assert len(table.text(width=1).split("\n\n")) == 6


def test_a_star_is_no_emphasis() -> None:
    assert Table(("a",), (("0.5 * x",),)).markdown().endswith("| 0.5 \\* x |")


def test_markdown() -> None:
    assert TABLE.markdown() == (
        "|  | s1 | flops |\n| --- | --- | ---: |\n| token | routing<br>&nbsp;&nbsp;topk = 1 | 12 |\n| 名 | a\\|b_c | 3_456 |"
    )


def test_latex() -> None:
    assert TABLE.latex().splitlines() == [
        r"\begin{tabular}{@{}llr@{}}",
        r"\toprule",
        r" & s1 & flops \\",
        r"\midrule",
        r"token & \begin{tabular}[t]{@{}l@{}}routing \\ \quad topk = 1\end{tabular} & 12 \\",
        r"\midrule",
        r"名 & a\textbar{}b\_c & 3\_456 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_latex_of_single_cells() -> None:
    told = {
        "7x7": r"$7 \times 7$",
        "3x224x224": r"$3 \times 224 \times 224$",
        "regions = 7x7": r"regions = $7 \times 7$",
        "s7x7": "s7x7",
        "50 % & #1 ~^$": r"50 \% \& \#1 \textasciitilde{}\textasciicircum{}\$",
        "a\\{b}": r"a\textbackslash{}\{b\}",
        "[a]\n*": r"\begin{tabular}[t]{@{}l@{}}{}[a] \\ {}*\end{tabular}",
        "a\n    b": r"\begin{tabular}[t]{@{}l@{}}a \\ \quad \quad b\end{tabular}",
    }
    assert {cell: Table((cell,), ()).latex().splitlines()[2].removesuffix(r" \\") for cell in told} == told


def test_latex_balances() -> None:
    shown = stage_table(api.load("@davit_tiny").network).latex()
    plain = shown.replace(r"\{", "").replace(r"\}", "").replace(r"\$", "")
    assert plain.count("{") == plain.count("}")
    assert plain.count("$") % 2 == 0
    assert shown.count(r"\begin{tabular}") == shown.count(r"\end{tabular}")
    # every row has as many cells
    outer = re.sub(r"(?<!^)\\begin\{tabular\}\[t\].*?\\end\{tabular\}", "", shown)
    assert {row.count(" & ") for row in outer.splitlines() if row.endswith(r"\\")} == {7}


def test_html() -> None:
    shown = Table(("a<b",), (("1\n2",),), frozenset({0})).html()
    assert shown.startswith("<table><thead><tr><th>a&lt;b</th></tr></thead><tbody>")
    assert shown.endswith('<tr><td style="text-align: right">1<br>2</td></tr></tbody></table>')


def test_controls_are_spelled_out() -> None:
    table = Table(("\x1b",), (("\x07",),))
    for shown in (table.text(), table.markdown(), table.latex(), table.html()):
        assert "\x1b" not in shown
        assert "\x07" not in shown
        assert "U+001B" in shown


def test_no_rows() -> None:
    assert Table(("a",), ()).text(unicode=False) == "a"
