"""Names: what a word means at a place, looked up where it is used, nearest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from archdsl.ir.graph import shown_circle
from archdsl.ir.habits import habit_name
from archdsl.ir.model import READABLE, Model, Place
from archdsl.ir.part import DropPath, Identity, Leaf, Origin, Read, walk_parts
from archdsl.ir.values import Built, Function, Partial, Val, blame, relabelled
from archdsl.lang import ast
from archdsl.schema import registry
from archdsl.schema.component import Slot
from archdsl.source.diagnostic import Note, Reported
from archdsl.source.limits import ARCH_ERRORS
from archdsl.source.suggest import did_you_mean
from archdsl.source.text import Span

if TYPE_CHECKING:
    from archdsl.ir.evaluate import Env

CONSTANTS: Mapping[str, object] = {"true": True, "false": False, "none": None}
_SLOTS: Mapping[str, Slot] = {"token": "token", "channel": "channel"}
# words that build structure: they look like components and have no weights of their own
STRUCTURE = ("identity", "split", "concat", "cycle", "fit", "resize", "ramp", "normalize", "add")


def read_name(env: Env, name: ast.Name) -> Val:
    bound = env.bound(name)
    if bound is not None:
        return bound
    word = name.id
    if word in CONSTANTS:
        return Val(CONSTANTS[word], Origin(name.span))
    if word == "identity":
        return Val(Built(Identity(name.span), 1), Origin(name.span))
    if word == "add":
        return Val("add", Origin(name.span))
    if word in STRUCTURE:
        env.report.fail("missing-field", f"`{word}` needs its arguments", name.span, "not called", help=f"write `{word}(...)`")
    found = registry.lookup(word)
    if found is None:
        unknown_name(env, name)
    if isinstance(found, registry.BrokenPlugin):
        env.report.fail(
            "broken-plugin",
            f"the component `{word}` of the package `{found.distribution}` cannot be loaded",
            name.span,
            found.error,
            help=f"repair or remove `{found.distribution}`",
        )
    return Val(Partial(found), Origin(name.span))


def bound(env: Env, name: ast.Name) -> Val | None:
    """The value a name has here by a parameter, let, attribute, or the network; None where nothing binds it."""
    word, span = name.id, name.span
    if word in env.params:
        inner = env.params[word]
        return inner.through(word, span, inner.span)
    for place in env.places:
        if word in place.lets:
            return read_let(env, place.lets[word], id(place), span)
        if word in place.attributes and readable(env, word):
            return read_attribute(env, place.attributes[word], place, span)
    if word in env.given:
        given = env.given[word]
        if given is None:
            raise Reported
        return given.through(word, span, given.span)
    if word == "stride" and env.block is not None:
        return Val(1, Origin(span))
    if word == "drop_path" and env.block is not None:
        return Val(Built(DropPath(env.drop_rate, span), 1), Origin(span))
    found = env.context.model.file_let(word, span.source)
    if isinstance(found, ast.Let):
        return read_let(env, found, 0, span)
    model = env.context.model
    if word in model.stages or word in model.nodes or word in model.heads:
        return Val(Built(Read(word, span), 1), Origin(span))
    if word == "stem" and _has_stem(model):
        return Val(Built(Read("", span), 1), Origin(span))
    if env.block is not None and word in _SLOTS:
        missing_slot(env, _SLOTS[word], span)
    return None


def _has_stem(model: Model) -> bool:
    written = model.place.attributes.get("stem")
    return written is not None and not (isinstance(written.value, ast.Name) and written.value.id == "none")


def readable(env: Env, word: str) -> bool:
    return word in READABLE or (env.block is not None and word in ("token", "channel"))


def read_let(env: Env, let: ast.Let, place: int, span: Span) -> Val:
    env.context.used.add(let.name.span)
    name = let.name.id
    if let.params is not None:
        return Val(Function(let), Origin(span, ((name, let.name.span),)))
    key = (name, place or id(let))

    def value() -> Val:
        return relabelled(env.closed().evaluate(let.value), name)

    return _once(env, key, span, let.name.span, value).through(name, span, let.value.span)


def read_attribute(env: Env, attribute: ast.Attribute, place: Place, span: Span) -> Val:
    name = attribute.name.id

    def value() -> Val:
        inner = env.closed().evaluate(attribute.value)
        return slot_part(env, _SLOTS[name], inner, attribute) if name in _SLOTS else inner

    return _once(env, (name, id(place)), span, attribute.name.span, value).through(name, span, attribute.value.span)


def _once(env: Env, key: tuple[str, int], span: Span, written: Span, value: Callable[[], Val]) -> Val:
    """A value made once for a place. What fails is not tried again: that would double at each let that is read twice."""
    if key not in env.memo:
        with entered(env, key, span, written):
            try:
                env.memo[key] = value()
            except Reported:
                env.memo[key] = None
                raise
    found = env.memo[key]
    if found is None:
        raise Reported
    return found


@contextmanager
def entered(env: Env, key: tuple[str, int], span: Span, written: Span) -> Iterator[None]:
    if any(name == key[0] and place == key[1] for name, place, _ in env.active):
        start = next(i for i, entry in enumerate(env.active) if entry[:2] == key)
        met = {entry[:2] for entry in env.active[start:]}
        if not met.isdisjoint(env.context.circular):
            raise Reported
        env.context.circular |= met
        circle = shown_circle(name for name, _, _ in [*env.active[start:], env.active[start]])
        env.report.fail(
            "recursive-let",
            f"`{key[0]}` needs itself: {circle}",
            span,
            "the circle closes here",
            notes=[Note(f"`{key[0]}` is written here", written)],
            help=_way_out(key[0], len(met)),
        )
    env.active.append((*key, span))
    try:
        yield
    finally:
        env.active.pop()


def _way_out(name: str, length: int) -> str:
    if length == 1 and registry.lookup(name) is not None:
        return f"a let hides the component of its name: call it something else, such as `{name}_here`"
    if length == 1 and name in READABLE:
        return f"`{name}` is the stage's own here: give the let another name, such as `width`"
    return "give one of them a value that does not need the others"


def slot_part(env: Env, slot: Slot, val: Val, attribute: ast.Attribute) -> Val:
    if val.value is None:
        env.report.fail(
            "missing-slot",
            f"{env.where} has no {slot} mixer",
            attribute.value.span,
            "this clears it, and the layout reads it",
            help=f"choose a {slot} mixer: {_some(registry.names(slot))}; or give the stage a layout without `{slot}`",
        )
    built = env.to_part(val, attribute.value.span)
    other: Slot = "channel" if slot == "token" else "token"
    for leaf in walk_parts(built.part):
        if not isinstance(leaf, Leaf):
            continue
        schema = leaf.component.schema
        if schema.slot == other:
            env.report.fail(
                "wrong-slot",
                f"`{schema.name}` is a {other} mixer, and this is the {slot} mixer",
                leaf.span,
                f"in `{slot}`",
                notes=blame(val.origin, env.report),
                help=f"write it as `{other} = ...`, or choose a {slot} mixer: {_some(registry.names(slot))};"
                " what is no mixer, such as `conv`, may stand there too",
            )
    return relabelled(Val(built, val.origin), slot)


def missing_slot(env: Env, slot: Slot, span: Span) -> NoReturn:
    cause = (slot, span.start)
    if cause in env.context.told:
        # one layout asks every stage for it: the first stage that lacks it stands for all
        raise Reported
    env.context.told.add(cause)
    env.report.fail(
        "missing-slot",
        f"{env.where} has no {slot} mixer",
        env.place_span,
        f"no `{slot}` here, and none in `default`",
        notes=[Note("the layout asks for it here", span)],
        help=f"write `{slot} = ...` in the stage, or in `default` for all; {slot} mixers are {_some(registry.names(slot))}",
    )


def means_nothing(env: Env, expr: ast.Expr) -> bool:
    """Whether an expression is a name, or the call of one, that neither stands for anything here nor is a component."""
    name = expr.callee if isinstance(expr, ast.Call) else expr
    known = isinstance(name, ast.Name) and name.id in {*visible(env), *CONSTANTS, *STRUCTURE, *registry.names()}
    return isinstance(name, ast.Name) and not known


def visible(env: Env) -> set[str]:
    """Every name that could stand here."""
    model = env.context.model
    names = {name for place in env.places for name in place.lets} | set(env.params) | set(env.given)
    names |= {name for place in env.places for name in place.attributes if readable(env, name)}
    loaded = model.files.get(env.place_span.source)
    names |= {n for n in loaded.names if model.file_let(n, env.place_span.source)} if loaded else set()
    names |= {*model.stages, *model.nodes, *(head for head in model.heads if head)}
    return names


def unknown_name(env: Env, name: ast.Name) -> NoReturn:
    word = name.id
    loaded = env.context.model.files.get(name.span.source)
    if (loaded and word in loaded.failed) or word in env.context.missing or name.span in env.context.unknown:
        raise Reported
    env.context.unknown.add(name.span)
    if word == "classes":
        env.context.missing.add(word)
        env.report.fail(
            "missing-attribute",
            f"`{env.context.model.name}` does not say how many classes it tells apart",
            env.context.model.span,
            "no `classes`",
            notes=[Note(f"{env.where} asks for it", name.span)],
            help="write `classes = 1000`",
        )
    if word == "stem":
        env.report.fail(
            "unknown-name",
            f"`{env.context.model.name}` has no stem",
            name.span,
            "there is nothing before the stages",
            help="write `stem = ...` in the arch, or leave this out: what reads the image comes first",
        )
    # a let of some other stage, or a let that this stage lacks, is a name without a value here
    elsewhere = [
        place for place in env.context.model.places() if word in place.lets or (word in READABLE and word in place.attributes)
    ]
    if elsewhere or word in READABLE:
        notes = [Note(f"{env.where} starts here", env.place_span)]
        notes += [
            Note(f"`{word}` has a value here", place.lets[word].name.span) for place in elsewhere[:1] if word in place.lets
        ]
        looked = ", ".join(place.path or env.context.model.name for place in env.places)
        write = f"`{word} = ...`" if word in READABLE else f"`let {word} = ...`"
        env.report.fail(
            "unbound-name",
            f"`{word}` has no value in {env.where}",
            name.span,
            f"looked up in {looked}",
            notes=notes,
            help=f"write {write} there",
        )
    # the first few are guessed: among thousands of names a guess takes a while
    few = len(env.context.unknown) <= ARCH_ERRORS
    candidates = {*visible(env), *CONSTANTS, *STRUCTURE, *registry.names()} if few else set()
    env.report.fail(
        "unknown-name",
        f"there is no `{word}`",
        name.span,
        "neither a name in sight nor a component",
        help=habit_name(word)
        or did_you_mean(word, candidates)
        or "`archdsl list components` shows the components; `let NAME = ...` makes a name",
    )


def member(env: Env, expr: ast.Member) -> Val:
    env.report.fail(
        "unknown-name",
        "a value has no members here",
        expr.name.span,
        "`.` reads a stage's attribute in `require` only",
        help="give the value a `let` that both places read",
    )


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:6])
    return shown + (", ..." if len(names) > 6 else "")
