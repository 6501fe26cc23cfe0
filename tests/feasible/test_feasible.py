"""Counting and drawing, held against all points of small spaces looked at one by one."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import archdsl
from archdsl.feasible import Feasible
from archdsl.feasible.enumeration import counted
from archdsl.feasible.sums import Sums
from archdsl.feasible.window import Window
from archdsl.ir.rules import counted as by_rules
from archdsl.schema.units import Size
from tests.feasible.support import Reading, every_point, space_of

# each opens one thing; together they read each other in most of the ways there are
LINES = (
    "let width = 8..16 step 4",
    "drop_path = ramp(0.1 | 0.2)",
    "stage s1 { depth = 1..3 }",
    "stage s2 { depth = 1..2 }",
    "stage s1 { token = attention(head_dim = 4 | 8) | dwconv(3x3 | 5x5) }",
    "stage s1 { channel = mlp(ratio = 1 | 2) | gate }",
    "stage s2 { channel = mlp(ratio = 2 | 3) | gate }",
    "stage s2 { dim = width * 2 | width * 3 }",
    "stage s2 { token = attention(head_dim = 4) | cycle(dwconv(3x3), attention(head_dim = 4 | 8)) }",
    "stage s2 { first { token = attention(head_dim = 4) | dwconv(5x5) } }",
    "stage s2 { layout = plain | short }",
    "stage s2 { down = conv(3x3, stride = 2) | conv(1x1) }",
    "stage s1 { tail = none | layernorm }",
    "default { channel = mlp(ratio = 2 | 4) }",
)
RULES = ("require s1.depth <= s2.depth", "require s1.depth + s2.depth <= 4", "require s2.dim <= 24", "require width != 12")


def held_against_all(lines: str, gate: str, *, tries: int = 30) -> None:
    """Counts, extremes, draws and near points of a space, against all of its points."""
    space = space_of(lines, gate)
    truth = every_point(space)
    try:
        feasible = Feasible(space)
        count = feasible.count()
    except archdsl.SpecError as error:
        assert [d.slug for d in error.diagnostics] == ["budget-unreachable"] * len(error.diagnostics)
        assert not truth
        return
    assert (count.lower, count.upper) == (len(truth), len(truth))
    assert count.built == len(every_point(space, budgets=False))
    for point in list(truth.values())[:20]:
        assert feasible.keeps(point)
        for bound, number in feasible.counts(point).items():
            wanted = bound.quantity, bound.rule
            assert number == by_rules(space.network(point, at=bound.at), [wanted])[wanted]
    random = Random(0)
    for _ in range(tries):
        anywhere = {d.path: random.choice(d.labels) for d in space.decisions}
        for point in (feasible.draw(random), feasible.near(anywhere, random)):
            reading = Reading(point)
            assert space.keeps_budgets(reading)
            assert frozenset(reading.read.items()) in truth


@given(
    opened=st.lists(st.sampled_from(LINES), min_size=1, max_size=5, unique=True),
    rules=st.lists(st.sampled_from(RULES), max_size=2, unique=True),
    limits=st.tuples(st.integers(0, 4), st.integers(0, 4)),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_small_spaces_are_counted_and_drawn_exactly(opened: list[str], rules: list[str], limits: tuple[int, int]) -> None:
    flops, params = (None, "300_000", "450_000", "900_000", "100_000"), (None, "7_000", "12_000", "30_000", "1_000")
    lines = [*_merged(opened), *[rule for rule in rules if "width" not in rule or LINES[0] in opened]]
    lines += [f"budget flops <= {flops[limits[0]]}"] if limits[0] else []
    lines += [f"budget params >= {params[limits[1]]}"] if limits[1] else []
    held_against_all("\n".join(lines), "1 | 2" if any("gate" in line for line in opened) else "2", tries=5)


def _merged(opened: list[str]) -> list[str]:
    """Lines for one stage as one stage; what is said twice of one thing is said once."""
    places: dict[str, dict[str, str]] = {}
    lines = []
    for line in opened:
        head, _, body = line.partition(" { ")
        if not body:
            lines.append(line)
            continue
        inner = body.removesuffix(" }")
        places.setdefault(head, {}).setdefault(inner.partition(" ")[0], inner)
    return [*lines, *(f"{head} {{\n" + "\n".join(said.values()) + "\n}" for head, said in places.items())]


@pytest.mark.parametrize(
    ("lines", "gate"),
    [
        # a let that two stages read, in alternatives that may not be drawn
        ("stage s1 { channel = mlp(ratio = 1 | 2) | gate }\nstage s2 { channel = mlp(ratio = 2) | gate }", "1 | 2 | 3"),
        # maps that differ from stage to stage, and inside one
        ("stage s1 { down = none | conv(1x1) | conv(3x3, stride = 2) }\nstage s2 { dim = 8 | 16, depth = 1..3 }", "2"),
        # a cycle of three in as many blocks and more
        (
            "stage s2 { depth = 1..5, token = attention(head_dim = 4) | cycle(dwconv(3x3), dwconv(5x5), attention) }",
            "2",
        ),
        # a layout with a parameter of its own, and positions
        ("stage s1 { depth = 1..3, layout = plain | short, last { channel = mlp(ratio = 2 | 5) } }", "2"),
        # nothing is bound
        ("let width = 8..32 step 8\nstage s1 { depth = 1..3 }", "2"),
        # the head decides, too
        ("head = mean -> linear(classes) | mean -> linear(16) -> gelu -> linear(classes)", "2"),
    ],
)
def test_what_reads_what(lines: str, gate: str) -> None:
    held_against_all(lines, gate)


def test_a_line_that_makes_the_map() -> None:
    """Where a line that is no branch changes the channels, later lines depend on what it chose."""
    text = """
    arch tiny {
      input = 3x8x8
      classes = 10
      layout {
        then conv(3x3, out = 8)
        residual layernorm -> mlp(ratio = 2)
        then conv(1x1, out = dim)
      }
      stem = conv(2x2, out = 16, stride = 2)
      stage s1 { dim = 16, depth = 2 }
      head = mean -> linear(classes)
    }
    space small over tiny {
      layout {
        then conv(3x3, out = 8 | 12)
        residual layernorm -> mlp(ratio = 2 | 3)
        then conv(1x1, out = dim)
      }
      stage s1 { depth = 1..3 }
      budget params <= 9_000
    }
    """
    space = archdsl.loads(text, name="small").space
    assert space is not None
    truth = every_point(space)
    feasible = Feasible(space)
    assert 0 < len(truth) < space.points
    assert feasible.count().lower == feasible.count().upper == len(truth)


def test_budgets_at_other_sizes_and_by_other_rules() -> None:
    lines = """
    let width = 8..24 step 8
    stage s1 { depth = 1..3 }
    budget flops <= 900_000 at 32x32
    budget flops <= 200_000 at 16x16 by conv_linear
    budget params <= 20_000 by deploy
    """
    held_against_all(lines, "2")
    feasible = Feasible(space_of(lines))
    assert len(feasible.structure.bounds) == 3
    assert {bound.at for bound in feasible.structure.bounds} == {None, (32, 32)}


def test_draws_are_uniform() -> None:
    lines = "let width = 8..16 step 4\nstage s1 { depth = 1..3, channel = mlp(ratio = 1 | 2) | gate }\nbudget params <= 9_000"
    feasible = Feasible(space_of(lines, "1 | 2"))
    count = feasible.count().lower
    random = Random(7)
    draws = 60 * count
    seen = Counter(str(feasible.draw(random)) for _ in range(draws))
    assert len(seen) == count
    chi2 = sum((n - 60) ** 2 / 60 for n in seen.values())
    # beyond this lie one in a hundred thousand of such sums, by Wilson and Hilferty's approximation
    freedom = count - 1
    assert chi2 < freedom * (1 - 2 / (9 * freedom) + 4.27 * (2 / (9 * freedom)) ** 0.5) ** 3


@pytest.mark.parametrize("cell", [3_000, 20_000, 150_000])
def test_rounded_sums_hold_the_truth_between_their_bounds(cell: int) -> None:
    lines = "let width = 8..16 step 4\nstage s1 { depth = 1..3, channel = mlp(ratio = 1 | 2) }\nstage s2 { depth = 1..4 }\n"
    lines += "budget flops >= 250_000\nbudget flops <= 400_000"
    feasible = Feasible(space_of(lines))
    exact = feasible.count()
    assert exact.exact
    lower, upper = Sums(feasible.structure, feasible.window, [cell]).counted()
    assert lower <= exact.lower <= upper
    assert (lower, upper) != (exact.lower, exact.lower)


def test_a_point_that_fits_is_its_own_neighbour() -> None:
    feasible = Feasible(space_of("stage s1 { depth = 1..6 }\nstage s2 { depth = 1..6 }\nbudget params <= 20_000"))
    random = Random(3)
    for _ in range(20):
        point = feasible.draw(random)
        assert feasible.near(point.named, random) == point


def test_a_neighbour_keeps_what_it_can() -> None:
    feasible = Feasible(space_of("stage s1 { depth = 1..6 }\nstage s2 { depth = 1..6 }\nbudget params <= 7_000"))
    found = feasible.near({"s1.depth": "6", "s2.depth": "1"}, Random(0))
    assert found.named["s2.depth"] == "1"
    assert 2 <= int(found.named["s1.depth"]) < 6


def test_a_wish_for_what_is_not_there() -> None:
    feasible = Feasible(space_of("stage s1 { depth = 1..6 }"))
    with pytest.raises(ValueError, match=r"no decision `s1.dept`.*did you mean `s1.depth`"):
        feasible.near({"s1.dept": "1"}, Random(0))
    with pytest.raises(ValueError, match=r"`s1.depth` is one of 1, 2, 3, 4, 5, 6, not 7"):
        feasible.near({"s1.depth": "7"}, Random(0))


def test_a_budget_out_of_reach_names_the_cheapest_point() -> None:
    with pytest.raises(archdsl.SpecError) as caught:
        Feasible(space_of("let width = 8..16 step 4\nstage s1 { depth = 1..6 }\nbudget params <= 2_000"))
    (found,) = caught.value.diagnostics
    assert found.slug == "budget-unreachable"
    assert found.notes[0].message == "the cheapest point: width = 8, s1.depth = 1"
    assert "`s2` takes" in found.notes[1].message


def test_budgets_that_exclude_each_other() -> None:
    lines = "stage s1 { depth = 1..6 }\nbudget params <= 5_500\nbudget flops >= 100_000"
    with pytest.raises(archdsl.SpecError) as caught:
        Feasible(space_of(lines)).count()
    (found,) = caught.value.diagnostics
    assert (found.slug, found.label) == ("budget-unreachable", "each alone can be kept")


def test_too_much_depends_on_each_other() -> None:
    base = """
    arch tiny {
      input = 3x8x8
      classes = 10
      LETS
      layout { residual mlp(ratio = a1) -> mlp(ratio = a2) -> mlp(ratio = a3) -> mlp(ratio = a4) }
      stem = conv(2x2, out = 8, stride = 2)
      stage s1 { dim = 8, depth = 1 }
      stage s2 { dim = 8, depth = 1 }
      head = mean -> linear(classes)
    }
    space large over tiny { OPEN budget params <= 1M }
    """
    lets = "\n".join(f"let a{n} = 1" for n in range(1, 5))
    space = archdsl.loads(base.replace("LETS", lets).replace("OPEN", lets.replace("= 1", "= 1..40")), name="large").space
    assert space is not None
    with pytest.raises(archdsl.SpecError) as caught:
        Feasible(space)
    (found,) = caught.value.diagnostics
    assert (found.slug, found.label) == ("limit-exceeded", "many places read this")


def test_points_with_too_many_blocks_are_none() -> None:
    space = space_of("stage s1 { depth = 1 | 1500 }\nstage s2 { depth = 1 | 1500 }\nbudget params <= 1G")
    feasible = Feasible(space)
    assert (feasible.count().lower, feasible.count().built) == (3, 3)
    drawn = {feasible.draw(Random(seed)).named["s1.depth"] for seed in range(12)}
    assert drawn == {"1", "1500"}


def test_a_budget_at_a_size_that_the_base_does_not_fit() -> None:
    with pytest.raises(archdsl.SpecError) as caught:
        Feasible(space_of("let width = 8 | 16\nbudget flops <= 1G at 2x2"))
    assert caught.value.diagnostics[0].notes[-1].message == "the base has to fit 2x2 as well: this budget counts there"


def test_a_budget_without_a_size_is_about_the_input_of_the_space() -> None:
    space = space_of("stage s1 { depth = 1 | 2 }\nbudget flops <= 400K\nbudget flops >= 1 at 64x64")
    kept = [point for point in every_point(space, budgets=False).values() if Feasible(space).keeps(point)]
    assert kept and all(space.keeps_budgets(point) for point in kept)


@pytest.mark.parametrize("sizes", [("16x16", "32x32", "48x48"), ("16x16", "32x32", "48x48", "64x64", "96x96")])
def test_budgets_at_many_sizes_are_counted_exactly(sizes: tuple[str, ...]) -> None:
    opened = "let width = 8..24 step 4\nstage s1 { depth = 1..4, channel = mlp(ratio = 1..4) }\nstage s2 { depth = 1..4 }\n"
    whole = space_of(opened)
    named = [point.named for point in every_point(whole, budgets=False).values()]
    middle = whole.point(named[len(named) // 2])
    budgets = "budget params <= 30K"
    for size in sizes:
        at = Size(*map(int, size.split("x")))
        count = by_rules(whole.network(middle, at=at), [("flops", "fvcore")])["flops", "fvcore"]
        budgets += f"\nbudget flops <= {count} at {size}"
    space = space_of(opened + budgets)
    feasible = Feasible(space)
    points = [space.point(labels) for labels in named]
    kept = [point for point in points if space.keeps_budgets(point)]
    count = feasible.count()
    assert count.lower == count.upper == len(kept)
    assert 0 < len(kept) < len(points)
    drawn = {str(feasible.draw(Random(seed))) for seed in range(60)}
    assert len(drawn) > 30
    assert drawn <= {str(point) for point in kept}
    assert counted(feasible.structure, feasible.window) == len(kept)


def test_a_window_that_nothing_was_found_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archdsl.feasible.draws._TRIES", 50)
    space = space_of("let width = 8..24 step 4\nstage s1 { depth = 1..6 }\nstage s2 { depth = 1..6 }\nbudget flops <= 500_001")
    feasible = Feasible(space)
    # as if the cells that come near hid that there is nothing in them
    feasible.draw(Random(0))
    monkeypatch.setattr(feasible._draws, "window", Window((None,), (1,)))
    monkeypatch.setattr(feasible, "window", Window((None,), (1,)))
    with pytest.raises(archdsl.SpecError) as caught:
        feasible.draw(Random(0))
    (found,) = caught.value.diagnostics
    assert found.slug == "budget-unreachable"
    assert found.label == "each alone can be kept; none of 50 points drawn near them keeps all"
    with pytest.raises(archdsl.SpecError, match="budget-unreachable"):
        feasible.near({"s1.depth": "6"}, Random(0))


def test_budgets_that_exclude_each_other_on_paper() -> None:
    lines = "stage s1 { depth = 1..6 }\nbudget params <= 30K\nbudget flops >= 300K\nbudget flops < 200K"
    with pytest.raises(archdsl.SpecError) as caught:
        Feasible(space_of(lines))
    (found,) = caught.value.diagnostics
    assert found.message == "two budgets exclude each other"
    assert found.label == "no number is both >= 300_000 and < 200_000"
