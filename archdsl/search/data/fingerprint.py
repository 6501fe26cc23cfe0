"""What tells data from other data, wherever it lies."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import file_digest, sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from archdsl.search.data import fault
from archdsl.search.data.folder import listed
from archdsl.search.data.load import place_of
from archdsl.search.data.samples import PACKAGES

# files of a folder that are read: images of one size and no compression differ in nothing but their bytes
_READ = 32
_DIGITS = 32


def fingerprint(data: str) -> str:
    """A text that is the same for the same images, and another one for others.

    Of a folder it is made of the names of its images below it, of their sizes, and of the bytes of a few; of a `.npz` file, of
    its bytes; of a sample that a package ships it has the version of the package.

    Raises
    ------
    SpecError: `missing-data`, `missing-package`, `unreadable-data`, `wrong-data`, `too-few-images`.
    """
    path = place_of(data)
    try:
        if path is None:
            return f"{data} of {_package(PACKAGES[data])}"
        if path.is_dir():
            # files that are images are the same for any number of channels
            return _folder(path, [file for part in listed(path, channels=3) if part for file in part.paths])
        with path.open("rb") as stream:
            return f"arrays, {file_digest(stream, 'sha256').hexdigest()[:_DIGITS]}"
    except OSError as error:
        raise fault.unreadable(f"`{error.filename or path}` cannot be read: {error.strerror or error}") from None


def _folder(folder: Path, images: Sequence[Path]) -> str:
    named = sorted((image.relative_to(folder).as_posix(), image) for image in images)
    read = {index * len(named) // _READ for index in range(_READ)}
    found = sha256()
    for index, (name, image) in enumerate(named):
        found.update(f"{name}\0{image.stat().st_size}\0".encode(errors="surrogateescape"))
        if index in read:
            found.update(image.read_bytes())
    return f"{len(named):_} images, {found.hexdigest()[:_DIGITS]}"


def _package(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        # one that is not there is told by whoever loads the data
        return name
