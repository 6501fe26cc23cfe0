"""Tables in their four forms."""

from __future__ import annotations

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
        r"\begin{tabular}{llr}",
        r"\toprule",
        r" & s1 & flops \\",
        r"\midrule",
        r"token & \begin{tabular}[t]{@{}l@{}}routing \\   topk = 1\end{tabular} & 12 \\",
        r"\midrule",
        r"名 & a|b\_c & 3\_456 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


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
