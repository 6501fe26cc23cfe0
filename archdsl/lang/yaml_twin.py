"""The YAML twin of the language: structure is YAML, every value is read by the language's own grammar.

`grammars/yaml.md` describes the form. Places are those of the YAML file, so every later diagnostic points into it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeAlias

from archdsl.lang import ast
from archdsl.lang.grammar import tables
from archdsl.lang.parse import parse_expression
from archdsl.lang.yaml_twin_nodes import Mapping, Node, Scalar, Sequence, compose, shown
from archdsl.lang.yaml_twin_text import Slice, bound, comparison, is_name, name_of, plain_text, signature
from archdsl.source.diagnostic import Note, Report, Reported
from archdsl.source.limits import SYNTAX_ERRORS
from archdsl.source.record import replace
from archdsl.source.suggest import closest, did_you_mean
from archdsl.source.text import Source, Span

Items: TypeAlias = list[Any]
Rule: TypeAlias = Callable[[Scalar, Node], Items]

_FILE = ("edition", "import", "let", "layouts")
_HEADERS = {"arch": "extends", "space": "over"}


def parse_yaml(source: Source, report: Report) -> ast.File | None:
    """The syntax of a file in YAML, or None where something was reported."""
    found = Report()
    try:
        root, comments = compose(source, found)
        items = _Reader(found).file(root)
    except Reported:
        items, comments = [], ()
    wrong = found.errors
    more = len(wrong) - SYNTAX_ERRORS
    if more > 0:
        said = Note(f"{more:_} more error{'s were' if more > 1 else ' was'} found")
        wrong = (*wrong[: SYNTAX_ERRORS - 1], replace(wrong[SYNTAX_ERRORS - 1], notes=(*wrong[SYNTAX_ERRORS - 1].notes, said)))
    for diagnostic in wrong:
        report.add(diagnostic)
    # a line that speaks to an editor of YAML says nothing in the text form
    kept = tuple(comment for comment in comments if "yaml-language-server:" not in comment.text)
    return None if wrong else ast.File(tuple(items), source, kept)


class _Reader:
    """Syntax from nodes: each place has the keys that may stand there and what reads them."""

    def __init__(self, report: Report) -> None:
        self.report = report
        values = {"let": self._lets, "layout": self._layout}
        self.positions: dict[str, Rule] = dict(values)
        self.stages: dict[str, Rule] = {**values, "first": self._position, "last": self._position}
        model: dict[str, Rule] = {
            **values,
            "layouts": self._layouts,
            "default": self._default,
            "stages": self._stages,
            "nodes": self._nodes,
            "head": self._head,
            "heads": self._heads,
        }
        self.models: dict[str, dict[str, Rule]] = {
            "arch": {**model, "expect": self._expects},
            "space": {
                **model,
                "budget": self._budgets,
                "require": self._requires,
                "maximize": self._objectives,
                "minimize": self._objectives,
            },
        }
        for rules in self.models.values():
            rules["items"] = self._items(rules)

    # --- the file and its models ---

    def file(self, root: Node | None) -> Items:
        if root is None:
            return []
        if isinstance(root, Scalar) or (isinstance(root, Sequence) and root.flow):
            self._structure("a spec is a map", root, "write `arch: name`, and below it its items as `key: value`")
        items: Items = []
        for piece in root.items if isinstance(root, Sequence) else (root,):
            with self.report.guard():
                if not isinstance(piece, Mapping):
                    self._structure("each part of a file is a map", piece, "write `- arch: name`, and below it its items")
                items += self._part(piece)
        return items

    def _part(self, part: Mapping) -> Items:
        """A map of the file: a model with its items around it, or items of the file alone."""
        headers = [key for key, _ in part.pairs if key.value in _HEADERS]
        if len(headers) > 1:
            help = "write a list: `- arch: one` and `- arch: two`"
            self._fail("yaml-structure", "one map holds one arch or space", headers[1].span, "the second here", help)
        around: dict[str, Rule] = {"edition": self._edition, "import": self._imports}
        if not headers:
            around |= {"let": self._lets, "layouts": self._layouts}
            return self._pairs(part, around, "a map without `arch` or `space`", others=False, legal=(*_FILE, *_HEADERS))
        kind = headers[0].value
        rules = self.models[kind]
        before: Items = []
        after: Items = []
        inside: Items = []
        named: dict[str, ast.Ident] = {}
        for key, value in part.pairs:
            with self.report.guard():
                if key.value in (kind, _HEADERS[kind]):
                    named[key.value] = name_of(self._scalar(value, f"`{key.value}` has a name"), self.report)
                elif key.value in around:
                    (after if kind in named else before).extend(around[key.value](key, value))
                else:
                    inside += self._pair(key, value, rules, f"`{kind}`", legal=(*rules, *around, _HEADERS[kind]))
        if kind not in named:
            raise Reported
        base = named.get(_HEADERS[kind])
        span = headers[0].span.to(part.span)
        if kind == "arch":
            return [*before, ast.Arch(named[kind], base, tuple(inside), span), *after]
        if base is None:
            self._fail("yaml-structure", "a space is over an arch", headers[0].span, "no `over` here", "add `over: name`")
        return [*before, ast.Space(named[kind], base, tuple(inside), span), *after]

    # --- maps of items ---

    def _map(self, node: Node, what: str) -> Iterator[tuple[Scalar, Node]]:
        """The pairs of a map, or of a list of maps, which is the same map in pieces."""
        if isinstance(node, Mapping):
            yield from node.pairs
        elif isinstance(node, Sequence):
            for piece in node.items:
                with self.report.guard():
                    if not isinstance(piece, Mapping):
                        self._structure(f"{what} is a map, or a list of maps", piece, "write `key: value`")
                    yield from piece.pairs
        else:
            self._structure(f"{what} is a map", node, "write `key: value` pairs below, or `{}` for none")

    def _pairs(
        self, node: Node, rules: dict[str, Rule], where: str, *, others: bool = True, legal: tuple[str, ...] = ()
    ) -> Items:
        items: Items = []
        for key, value in self._map(node, where):
            with self.report.guard():
                items += self._pair(key, value, rules, where, others=others, legal=legal or tuple(rules))
        return items

    def _pair(
        self, key: Scalar, value: Node, rules: dict[str, Rule], where: str, *, others: bool = True, legal: tuple[str, ...]
    ) -> Items:
        """What one key says: by its rule, else, where `others` may stand, as an attribute."""
        word = key.value
        rule = rules.get(word)
        if rule is not None and not (is_name(word) and others and isinstance(value, Scalar) and not value.empty):
            return rule(key, value)
        if not others or word in tables().words or not is_name(word):
            self._unknown(key, legal, where)
        if isinstance(value, Mapping) or (isinstance(value, Sequence) and not value.flow):
            if closest(word, legal):
                self._unknown(key, legal, where)
            self._structure(f"`{word}` has one value", value, "write a call: `name(field = value)`")
        return [ast.Attribute(name_of(key, self.report), self._expression(value, f"`{word}`"), key.span.to(value.span))]

    def _items(self, rules: dict[str, Rule]) -> Rule:
        return lambda key, value: self._pairs(value, rules, "`items`")

    def _lets(self, key: Scalar, value: Node) -> Items:
        lets: Items = []
        for name, given in self._map(value, "`let`"):
            with self.report.guard():
                ident, params = signature(name, self.report)
                lets.append(ast.Let(ident, params, self._expression(given, f"`{ident.id}`"), name.span.to(given.span)))
        return lets

    def _layout(self, key: Scalar, value: Node) -> Items:
        if isinstance(value, Sequence):
            return [ast.Layout(None, None, self._lines(value), key.span.to(value.span))]
        if isinstance(value, Mapping):
            self._structure(
                "`layout` is a list of lines", value, "write `- residual: ...`; layouts with names stand under `layouts`"
            )
        return [ast.Attribute(ast.Ident("layout", key.content), self._expression(value, "`layout`"), key.span.to(value.span))]

    def _layouts(self, key: Scalar, value: Node) -> Items:
        layouts: Items = []
        for name, lines in self._map(value, "`layouts`"):
            with self.report.guard():
                ident, params = signature(name, self.report)
                layouts.append(ast.Layout(ident, params, self._lines(lines), name.span.to(lines.span)))
        return layouts

    def _lines(self, node: Node) -> tuple[ast.Line, ...]:
        if not isinstance(node, Sequence):
            self._structure(
                "a layout is a list of lines", node, "write `- residual: ...` or `- then: ...` below, or `[]` for none"
            )
        lines = []
        for entry in node.items:
            with self.report.guard():
                lines.append(self._line(entry))
        return tuple(lines)

    def _line(self, node: Node) -> ast.Line:
        if not isinstance(node, Mapping):
            self._structure("a line of a layout is a map", node, "write `residual: ...` or `then: ...`")
        pairs = {key.value: (key, value) for key, value in node.pairs}
        legal = ("then",) if "then" in pairs else ("residual", "skip")
        for word, (key, _) in pairs.items():
            if word == "skip" and "then" in pairs:
                self._fail("unknown-key", "`then` has no `skip`", key.span, "not a key here", "`skip` stands beside `residual`")
            if word not in legal:
                self._unknown(key, ("residual", "then", "skip"), "a line of a layout")
        body, skip = pairs.get(legal[0]), pairs.get("skip")
        if body is None:
            self._structure("a line of a layout has `residual` or `then`", node, "write `residual: ...` beside `skip: ...`")
        return ast.Line(
            "residual" if legal[0] == "residual" else "then",
            self._expression(body[1], f"`{legal[0]}`"),
            self._expression(skip[1], "`skip`") if skip else None,
            node.span,
        )

    def _position(self, key: Scalar, value: Node) -> Items:
        which: Any = key.value
        items = self._pairs(value, self.positions, f"`{which}`")
        return [ast.Position(which, tuple(items), key.span.to(value.span))]

    def _default(self, key: Scalar, value: Node) -> Items:
        return [ast.Default(tuple(self._pairs(value, self.stages, "`default`")), key.span.to(value.span))]

    def _stages(self, key: Scalar, value: Node) -> Items:
        stages: Items = []
        for name, body in self._map(value, "`stages`"):
            with self.report.guard():
                ident = name_of(name, self.report)
                items = self._pairs(body, self.stages, f"stage `{ident.id}`")
                stages.append(ast.Stage(ident, tuple(items), name.span.to(body.span)))
        return stages

    def _nodes(self, key: Scalar, value: Node) -> Items:
        return [ast.Node(*entry) for entry in self._named(value, "`nodes`")]

    def _heads(self, key: Scalar, value: Node) -> Items:
        return [ast.Head(*entry) for entry in self._named(value, "`heads`")]

    def _named(self, node: Node, what: str) -> Iterator[tuple[ast.Ident, ast.Expr, Span]]:
        for name, value in self._map(node, what):
            with self.report.guard():
                ident = name_of(name, self.report)
                yield ident, self._expression(value, f"`{ident.id}`"), name.span.to(value.span)

    def _head(self, key: Scalar, value: Node) -> Items:
        if isinstance(value, Mapping):
            self._structure("`head` has one value", value, "several heads stand under `heads`")
        return [ast.Head(None, self._expression(value, "`head`"), key.span.to(value.span))]

    # --- what is expected and wanted ---

    def _expects(self, key: Scalar, value: Node) -> Items:
        expects: Items = []
        for quantity, parts, span in self._quantities(value, "`expect`", ("value", "at", "by", "because")):
            with self.report.guard():
                at, by, because = self._clauses(parts)
                number = self._expression(parts["value"], f"`{quantity.id}`")
                expects.append(ast.Expect(quantity, number, at, by, because, span))
        return expects

    def _budgets(self, key: Scalar, value: Node) -> Items:
        budgets: Items = []
        for quantity, parts, span in self._quantities(value, "`budget`", ("value", "at", "by")):
            with self.report.guard():
                at, by, _ = self._clauses(parts)
                number = self._scalar(parts["value"], f"`{quantity.id}` has a bound")
                operator, limit = bound(Slice(number, self.report))
                budgets.append(ast.Budget(quantity, operator, limit, at, by, span))
        return budgets

    def _quantities(self, node: Node, what: str, legal: tuple[str, ...]) -> Iterator[tuple[ast.Ident, dict[str, Node], Span]]:
        """Each bound of each quantity: a value, a map of what belongs to it, or a list of such."""
        for name, given in self._map(node, what):
            with self.report.guard():
                ident = name_of(name, self.report)
                several = isinstance(given, Sequence)
                for entry in given.items if isinstance(given, Sequence) else (given,):
                    with self.report.guard():
                        parts: dict[str, Node] = {"value": entry}
                        if isinstance(entry, Mapping):
                            for key, _ in entry.pairs:
                                if key.value not in legal:
                                    self._unknown(key, legal, what)
                            parts = {key.value: value for key, value in entry.pairs}
                            if "value" not in parts:
                                self._fail(
                                    "missing-value", f"{what} has a value", entry.span.head(), "none here", "add `value: ...`"
                                )
                        yield ident, parts, entry.span if several else name.span.to(entry.span)

    def _clauses(self, parts: dict[str, Node]) -> tuple[ast.Expr | None, ast.Ident | None, ast.String | None]:
        at, by, because = parts.get("at"), parts.get("by"), parts.get("because")
        return (
            self._expression(at, "`at`") if at else None,
            name_of(self._scalar(by, "`by` has a name"), self.report) if by else None,
            plain_text(self._scalar(because, "`because` has a text", may_be_blank=True), self.report) if because else None,
        )

    def _requires(self, key: Scalar, value: Node) -> Items:
        requires: Items = []
        for scalar in self._scalars(value, "`require` has a comparison"):
            with self.report.guard():
                operands, operators = comparison(Slice(scalar, self.report))
                requires.append(ast.Require(operands, operators, scalar.span))
        return requires

    def _objectives(self, key: Scalar, value: Node) -> Items:
        direction: Any = key.value
        names = [name_of(scalar, self.report) for scalar in self._scalars(value, f"`{direction}` has a name")]
        return [ast.Objective(direction, name, name.span) for name in names]

    # --- what stands around a model ---

    def _edition(self, key: Scalar, value: Node) -> Items:
        number = self._expression(value, "`edition`")
        if not isinstance(number, ast.Integer):
            self._structure("an edition is a whole number", value, "write `edition: 1`")
        return [ast.Edition(number, key.span.to(value.span))]

    def _imports(self, key: Scalar, value: Node) -> Items:
        imports: Items = []
        help = 'write `"@file": name`, or `file.arch: [one, two]`'
        if not isinstance(value, Mapping | Sequence):
            self._structure("`import` has a map from files to names", value, help)
        for path, names in self._map(value, "`import`"):
            with self.report.guard():
                idents = [name_of(scalar, self.report) for scalar in self._scalars(names, "an import has names")]
                if not idents:
                    self._structure("an import has names", names, help)
                imports.append(ast.Import(plain_text(path, self.report), tuple(idents), path.span.to(names.span)))
        return imports

    # --- values ---

    def _expression(self, node: Node, what: str) -> ast.Expr:
        if isinstance(node, Sequence) and node.flow:
            # a list in brackets is an expression as it stands
            return parse_expression(node.span.source, node.span.start, node.span.end, self.report)
        text = Slice(self._scalar(node, f"{what} has one value"), self.report)
        return text.expression(text.start, text.end)

    def _scalars(self, node: Node, rule: str) -> list[Scalar]:
        nodes = node.items if isinstance(node, Sequence) else (node,)
        return [self._scalar(entry, rule) for entry in nodes]

    def _scalar(self, node: Node, rule: str, *, may_be_blank: bool = False) -> Scalar:
        if not isinstance(node, Scalar):
            self._structure(rule, node, "write a call: `name(field = value)`")
        if node.empty or not (may_be_blank or node.content.text.strip()):
            self._fail("missing-value", rule, node.span, "nothing here", "write the value after the `:`, or leave the key out")
        return node

    # --- refusals ---

    def _structure(self, rule: str, node: Node, help: str) -> NoReturn:
        kind = {Mapping: "a map", Sequence: "a list"}.get(type(node), "one value")
        if isinstance(node, Scalar) and node.empty:
            self._fail("missing-value", rule, node.span, "nothing here", help)
        if isinstance(node, Scalar) and "=" in node.content.text.split("(")[0]:
            help = f"in YAML a key is followed by `: `; {help}"
        span = node.span if "\n" not in node.span.text else node.span.head()
        self._fail("yaml-structure", rule, span, f"{kind} here", help)

    def _unknown(self, key: Scalar, legal: tuple[str, ...], where: str) -> NoReturn:
        label = "not a key here"
        self._fail("unknown-key", f"{where} has no `{shown(key.value)}`", key.content, label, did_you_mean(key.value, legal))

    def _fail(self, slug: str, message: str, span: Span, label: str, help: str = "") -> NoReturn:
        self.report.fail(slug, message, span, label, help=help)
