"""The text of a spec that was read from YAML, with its comments."""

from __future__ import annotations

from archdsl.lang import ast
from archdsl.lang.comments import HOLDERS, Comments, Holder, Item, inside
from archdsl.lang.fmt import format_file
from archdsl.lang.fmt_lines import WIDTH
from archdsl.lang.fmt_pieces import block_pieces, item_pieces, text_of
from archdsl.lang.parse import parse_file
from archdsl.source.diagnostic import Report
from archdsl.source.text import Source

_STEP = "  "


def write_text(file: ast.File) -> str:
    """The canonical text of a file in the YAML form.

    A comment is kept where it belongs to an item; one inside a value is left out.
    """
    # the formatter places comments by the text around them: give it a text
    draft = _Draft(Comments(file))
    draft.items(file, "")
    report = Report()
    again = parse_file(Source("draft", "".join(f"{line}\n" for line in draft.lines)), report)
    report.raise_errors()
    assert again is not None
    return format_file(again)


class _Draft:
    """Lines with each item and each comment in its place, not yet laid out."""

    def __init__(self, comments: Comments) -> None:
        self.comments = comments
        self.lines: list[str] = []

    def items(self, holder: Item | ast.File, indent: str) -> None:
        """All that a block, or the file, holds."""
        above = None
        for item in inside(holder):
            if above is not None and isinstance(holder, ast.File | ast.Arch | ast.Space) and _apart(above, item):
                self.lines.append("")
            self._item(item, indent)
            above = item
        self.lines += [indent + comment for comment in self.comments.of(holder).below]

    def _item(self, item: Item, indent: str) -> None:
        remarks = self.comments.of(item)
        self.lines += [indent + comment for comment in remarks.above]
        if not isinstance(item, HOLDERS):
            self.lines.append(indent + text_of(item_pieces(item)))
        elif (short := self._short(item)) and len(indent) + len(short) <= WIDTH:
            self.lines.append(indent + short)
        else:
            self.lines.append(f"{indent}{text_of(block_pieces(item))}  {remarks.opened}".rstrip())
            self.items(item, indent + _STEP)
            self.lines.append(indent + "}")
        if remarks.end:
            self.lines[-1] += f"  {remarks.end}"

    def _short(self, item: Holder) -> str:
        """A block on one line, where nothing speaks against it; else nothing."""
        remarks = self.comments.of(item)
        held = inside(item)
        if remarks.opened or remarks.below or any(self.comments.within(inner) for inner in held):
            return ""
        if not held:
            return text_of(block_pieces(item)) + "}"
        if not isinstance(item, ast.Stage | ast.Position):
            return ""
        texts = [self._short(inner) if isinstance(inner, HOLDERS) else text_of(item_pieces(inner)) for inner in held]
        return f"{text_of(block_pieces(item))} {', '.join(texts)} }}" if all(texts) else ""


def _apart(above: Item, item: Item) -> bool:
    """Whether an empty line stands between two neighbours."""
    if isinstance(above, ast.Import) and isinstance(item, ast.Import):
        # the formatter sorts imports that stand together
        return above.path.value > item.path.value
    return type(above) is not type(item) or isinstance(item, ast.Arch | ast.Space | ast.Layout | ast.Default)
