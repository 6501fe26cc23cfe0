"""Reading: what is no text is refused with a place, without echo, without waiting."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from archdsl.source.diagnostic import Diagnostic, Report, Reported
from archdsl.source.files import read_source, source_from_bytes, source_from_text
from archdsl.source.limits import FILE_BYTES
from archdsl.source.render import render


def refused(path: Path | str) -> Diagnostic:
    report = Report()
    with pytest.raises(Reported):
        read_source(str(path), report)
    (found,) = report.errors
    assert render(report.diagnostics)
    return found


def not_text(data: bytes) -> Diagnostic:
    report = Report()
    with pytest.raises(Reported):
        source_from_bytes("a.arch", data, report)
    (found,) = report.errors
    assert found.slug == "not-text"
    shown = "".join(render(report.diagnostics, format=form) for form in ("full", "short", "json", "github"))
    assert "secret" not in shown
    return found


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.arch"
    path.write_bytes("\ufefflet a = 1\r\n# é\r\n".encode())
    source = read_source(str(path), Report())
    assert source.text == "let a = 1\r\n# é\r\n"
    assert source.line(1) == "let a = 1"
    assert source.line_column(4) == (1, 5)
    assert source.name == str(path).replace(os.sep, "/")
    assert read_source(str(path), Report(), name="a.arch").name == "a.arch"


@pytest.mark.parametrize(
    ("data", "place", "code"),
    [
        (b"secret\n ab\0c", (2, 4), "U+0000"),
        (b"secret \x1b[31m", (1, 8), "U+001B"),
        (b"secret\rsecret", (1, 7), "U+000D"),
        ("secret é\u202e".encode(), (1, 9), "U+202E"),
        ("secret\n\u2066".encode(), (2, 1), "U+2066"),
        ("secret\ufeff".encode(), (1, 7), "U+FEFF"),
        ("secret\u2028".encode(), (1, 7), "U+2028"),
        (b"secret\n\xc3\xa9\xff", (2, 2), "0xFF"),
        (b"\x89PNG secret", (1, 1), "0x89"),
    ],
)
def test_not_text(data: bytes, place: tuple[int, int], code: str) -> None:
    found = not_text(data)
    assert code in found.message
    assert found.span is not None
    assert found.span.source.line_column(found.span.start) == place
    assert not found.span.source.text.strip()


def test_half_a_character() -> None:
    report = Report()
    with pytest.raises(Reported):
        source_from_text("a", "a\ud800", report)
    assert report.errors[0].slug == "not-text"


def test_too_large(tmp_path: Path) -> None:
    path = tmp_path / "a.arch"
    with path.open("wb") as file:
        file.truncate(10 * FILE_BYTES)
    assert refused(path).slug == "limit-exceeded"
    assert f"{FILE_BYTES:_}" in refused(path).message
    for make in (
        lambda r: source_from_bytes("a", b"a" * (FILE_BYTES + 1), r),
        lambda r: source_from_text("a", "é" * FILE_BYTES, r),
    ):
        report = Report()
        with pytest.raises(Reported):
            make(report)
        assert report.errors[0].slug == "limit-exceeded"


@pytest.mark.parametrize("name", ["missing", "a\0b", "", "x" * 5000, "/dev/null/x"])
def test_no_file(tmp_path: Path, name: str) -> None:
    assert refused(f"{tmp_path}/{name}").slug == "unreadable-file"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "pipe" in refused(tmp_path / "pipe").message
    assert "directory" in refused(tmp_path).message
    assert "device" in refused("/dev/zero").message
    (tmp_path / "link").symlink_to("/dev/zero")
    assert "device" in refused(tmp_path / "link").message
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "s"))
        assert "socket" in refused(tmp_path / "s").message


def test_a_path_is_shown_without_control_characters() -> None:
    assert "\x1b" not in refused("/nowhere/\x1b[31m\u202e").message
