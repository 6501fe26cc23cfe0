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


def test_markdown() -> None:
    assert TABLE.markdown() == (
        "|  | s1 | flops |\n| --- | --- | ---: |\n| token | routing<br>  topk = 1 | 12 |\n| 名 | a\\|b_c | 3_456 |"
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
