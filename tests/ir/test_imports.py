"""Files import each other, within the folder of the first."""

from __future__ import annotations

from pathlib import Path

import pytest

import archdsl
from tests.ir.support import TINY


def lay(folder: Path, **files: str) -> Path:
    """Write files, `a__b` as `a/b.arch`; the path of `main`."""
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".arch")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / "main.arch"


def slugs(path: Path | str) -> list[str]:
    return [d.slug for d in archdsl.check([path]) if d.severity == "error"]


def first(path: Path | str, slug: str) -> archdsl.Diagnostic:
    errors = [d for d in archdsl.check([path]) if d.severity == "error"]
    assert [d.slug for d in errors] == [slug], errors
    return errors[0]


def test_archs_lets_and_layouts_are_imported(tmp_path: Path) -> None:
    main = lay(
        tmp_path,
        parts="let wide = mlp(ratio = 2)\nlayout bare { residual layernorm -> token }",
        base=TINY,
        main='import "base.arch" (tiny)\nimport "parts.arch" (wide, bare)\n'
        "arch main extends tiny { default { channel = wide }, stage s2 { layout = bare } }",
    )
    assert archdsl.load(main).network.name == "main"


def test_imports_are_relative_to_the_importing_file(tmp_path: Path) -> None:
    main = lay(
        tmp_path,
        sub__base=TINY,
        sub__child='import "base.arch" (tiny)\narch child extends tiny {}',
        main='import "sub/child.arch" (child)\narch main extends child { classes = 3 }',
    )
    assert archdsl.load(main).network.classes == 3


def test_a_file_reached_on_two_ways_is_read_once(tmp_path: Path) -> None:
    main = lay(
        tmp_path,
        base=TINY,
        left='import "base.arch" (tiny)\narch left extends tiny { classes = 3 }',
        right=f'import "base.arch" (tiny)\nimport "./../{tmp_path.name}/left.arch" (left)\narch right extends left {{}}',
        main='import "left.arch" (left)\nimport "right.arch" (right)\narch main extends right {}',
    )
    assert archdsl.load(main).network.classes == 3


def test_names_are_not_imported_again(tmp_path: Path) -> None:
    main = lay(tmp_path, base=TINY, mid='import "base.arch" (tiny)', main='import "mid.arch" (tiny)\narch main extends tiny {}')
    # what a file imports it also defines for its importers
    assert slugs(main) in ([], ["unknown-name"])


def test_circles(tmp_path: Path) -> None:
    main = lay(
        tmp_path,
        main='import "a.arch" (a)\n' + TINY,
        a='import "b.arch" (b)\nlet a = 1',
        b='import "main.arch" (tiny)\nlet b = 1',
    )
    assert first(main, "import-cycle").label == "`main.arch` -> `a.arch` -> `b.arch` -> `main.arch`"
    own = lay(tmp_path / "own", main='import "main.arch" (x)\n' + TINY)
    assert slugs(own) == ["import-cycle"]


@pytest.mark.parametrize(
    "path",
    [
        *(
            "../base.arch",
            "sub/../../base.arch",
            "/etc/passwd",
            "~/base.arch",
            "~root/base.arch",
            "C:/base.arch",
            "C:base.arch",
        ),
        *(
            "http://example.org/a.arch",
            "file:///etc/passwd",
            "sub\\\\base.arch",
            "..\\\\base.arch",
            "",
            "\\\\\\\\host\\\\a.arch",
        ),
    ],
)
def test_what_leaves_the_folder(tmp_path: Path, path: str) -> None:
    lay(tmp_path, base=TINY)
    main = lay(tmp_path / "inner", main=f'import "{path}" (tiny)\narch main extends tiny {{}}', sub__x="let x = 1")
    assert slugs(main) == ["import-outside"]


def test_links_are_followed_before_the_folder_is_checked(tmp_path: Path) -> None:
    secret = tmp_path / "secret.arch"
    secret.write_text(TINY)
    main = lay(tmp_path / "inner", main='import "link.arch" (tiny)\narch main extends tiny {}')
    (main.parent / "link.arch").symlink_to(secret)
    assert slugs(main) == ["import-outside"]
    (main.parent / "up").symlink_to(tmp_path)
    main.write_text('import "up/secret.arch" (tiny)\narch main extends tiny {}')
    assert slugs(main) == ["import-outside"]
    # a link within the folder is fine
    lay(main.parent, real=TINY)
    (main.parent / "alias.arch").symlink_to(main.parent / "real.arch")
    main.write_text('import "alias.arch" (tiny)\narch main extends tiny {}')
    assert slugs(main) == []


def test_missing_files(tmp_path: Path) -> None:
    lay(tmp_path, base=TINY)
    main = lay(tmp_path, main='import "bases.arch" (tiny)\narch main extends tiny {}')
    assert first(main, "import-missing").help == "did you mean `base.arch`?"
    main.write_text('import "nothing_like_it.arch" (tiny)\narch main extends tiny {}')
    assert first(main, "import-missing").help == "the path is relative to the importing file"
    main.write_text('import "biformer_t.arch" (biformer_t)\narch main extends biformer_t {}')
    assert first(main, "import-missing").help == "did you mean `@biformer_t`?"
    (tmp_path / "folder.arch").mkdir()
    main.write_text('import "folder.arch" (tiny)\narch main extends tiny {}')
    assert slugs(main) == ["import-missing"]


def test_packaged_specs(tmp_path: Path) -> None:
    main = lay(tmp_path, main='import "@biformer_t" (biformer_t)\narch main extends biformer_t { classes = 5 }')
    assert archdsl.load(main).network.classes == 5
    main.write_text('import "@biformer" (biformer_t)\narch main extends biformer_t {}')
    assert first(main, "import-missing").help in (
        "did you mean `biformer_t`?",
        "did you mean `biformer_b`?",
        "did you mean `biformer_s`?",
    )
    main.write_text('import "@../specs/biformer_t" (biformer_t)\narch main extends biformer_t {}')
    assert slugs(main) == ["import-missing"]
    # a text has no folder, but packaged specs
    assert archdsl.loads('import "@biformer_t" (biformer_t)\narch main extends biformer_t {}').name == "main"
    with pytest.raises(archdsl.SpecError) as caught:
        archdsl.loads('import "base.arch" (tiny)\narch main extends tiny {}')
    assert [d.slug for d in caught.value.diagnostics] == ["import-outside"]


def test_names_that_a_file_does_not_have(tmp_path: Path) -> None:
    main = lay(tmp_path, base=TINY, main='import "base.arch" (tinny)\narch main extends tinny {}')
    found = first(main, "unknown-name")
    assert found.span is not None and found.span.text == "tinny" and found.help == "did you mean `tiny`?"


def test_a_name_given_twice(tmp_path: Path) -> None:
    main = lay(tmp_path, base=TINY, main='import "base.arch" (tiny)\n' + TINY)
    assert slugs(main) == ["duplicate-name"]


def test_an_error_in_an_imported_file_is_told_there(tmp_path: Path) -> None:
    main = lay(tmp_path, base=TINY.replace("mlp(", "mlpp("), main='import "base.arch" (tiny)\narch main extends tiny {}')
    found = first(main, "unknown-name")
    assert found.span is not None and found.span.source.name.endswith("base.arch")
    broken = lay(tmp_path / "b", base="arch tiny {", main='import "base.arch" (tiny)\narch main extends tiny {}')
    assert [d.slug for d in archdsl.check([broken])] == ["unclosed-bracket"]


def test_one_arch_of_several(tmp_path: Path) -> None:
    main = lay(tmp_path, main=TINY + "arch other extends tiny { classes = 3 }")
    assert slugs(main) == []
    with pytest.raises(archdsl.SpecError, match="2 archs and spaces"):
        archdsl.load(main)
    assert archdsl.load(f"{main}:other").network.classes == 3
    assert archdsl.load(main, name="tiny").network.classes == 10
    with pytest.raises(archdsl.SpecError, match="did you mean `other`"):
        archdsl.load(f"{main}:othr")
    # a file named after one of its archs holds that one
    (tmp_path / "other.arch").write_text(main.read_text())
    assert archdsl.load(tmp_path / "other.arch").name == "other"


def test_a_colon_in_the_name_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a:b.arch"
    path.write_text(TINY)
    assert archdsl.load(path).name == "tiny"


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(archdsl.SpecError, match=r"no such file|there is no file"):
        archdsl.load(tmp_path / "nothing.arch")
    with pytest.raises(archdsl.SpecError, match="`@biformer_t`"):
        archdsl.load(tmp_path / "biformer_t.arch")
    with pytest.raises(archdsl.SpecError, match="no packaged spec"):
        archdsl.load("@nothing")
    with pytest.raises(archdsl.SpecError, match="no arch and no space"):
        archdsl.load(lay(tmp_path, main="let x = 1"))


def test_editions() -> None:
    assert archdsl.loads("edition 1\n" + TINY).name == "tiny"
    with pytest.raises(archdsl.SpecError) as caught:
        archdsl.loads("edition 2\n" + TINY)
    assert [d.slug for d in caught.value.diagnostics] == ["unknown-edition"]


def test_many_files(tmp_path: Path) -> None:
    files = {f"f{index}": f"let x{index} = 1" for index in range(100)}
    lines = "".join(f'import "f{index}.arch" (x{index})\n' for index in range(100))
    assert slugs(lay(tmp_path, main=lines + TINY, **files)) == ["limit-exceeded"]


def test_winners_of_a_study_reach_its_base_and_nothing_above_it(tmp_path: Path) -> None:
    child = 'import "../base.arch" (tiny)\narch main extends tiny {}'
    lay(tmp_path, study__base=TINY, study__winners__main=child, study__winners__deeper__main=child.replace("../", "../../"))
    winner = tmp_path / "study" / "winners" / "main.arch"
    assert slugs(winner) == ["import-outside"]
    lay(tmp_path, study__space='import "base.arch" (tiny)\nspace few over tiny { stage s1 { depth = 1..2 } }')
    assert slugs(winner) == []
    assert slugs(winner.parent / "deeper" / "main.arch") == ["import-outside"]
    lay(tmp_path, outside=TINY, study__winners__main='import "../../outside.arch" (tiny)\narch main extends tiny {}')
    assert slugs(winner) == ["import-outside"]


def test_winners_of_a_study_beside_its_space_reach_the_base(tmp_path: Path) -> None:
    lay(tmp_path, base=TINY)
    winner = tmp_path / "few.study" / "winners" / "main.arch"
    winner.parent.mkdir(parents=True)
    winner.write_text('import "../../base.arch" (tiny)\narch main extends tiny {}')
    assert slugs(winner) == ["import-outside"]
    lay(tmp_path, few='import "base.arch" (tiny)\nspace few over tiny { stage s1 { depth = 1..2 } }')
    assert slugs(winner) == []
