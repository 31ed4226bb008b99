"""Files that people write for us: their bytes, their text, and what is wrong with them, in order."""

from __future__ import annotations

import codecs
import stat
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from harness.contract.explain import plain_error
from harness.contract.nodes import Lines, Unreadable
from harness.errors import Problem

SIZE_MAX_BYTES: Final = 1 << 20
MESSAGE_MAX: Final = 800

_OTHER_ENCODINGS: Final = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def read_bytes(path: Path, what: str = "contract") -> bytes:
    """The bytes of a plain file of a sensible size; ``what`` it holds is a word of the errors.

    Raises:
        Unreadable: there is none that can be read.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise _whole_file(f"this is a folder; name the {what} in it, as in {what}.yaml")
        if not stat.S_ISREG(status.st_mode):
            raise _whole_file("this is no plain file")
        with path.open("rb") as file:
            raw = file.read(SIZE_MAX_BYTES + 1)
    except FileNotFoundError:
        raise _whole_file("there is no such file") from None
    except (OSError, ValueError) as error:
        raise _whole_file(f"the file cannot be read: {plain_error(error)}") from None
    if len(raw) > SIZE_MAX_BYTES:
        raise _whole_file(f"the file is larger than 1 MiB, the most that a {what} may have")
    return raw


def decode(raw: bytes) -> str:
    """UTF-8, with or without its mark.

    Raises:
        Unreadable: another encoding, or no text.
    """
    for mark, encoding in _OTHER_ENCODINGS.items():
        if raw.startswith(mark):
            raise Unreadable(Problem(f"the file is written in {encoding}: save it as UTF-8", 1, 1))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8-sig")
        place = Lines.of(before).at(len(before))
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8: save the file as UTF-8"
        raise Unreadable(Problem(message, *place)) from None
    if "\0" in text:
        place = Lines.of(text).at(text.index("\0"))
        raise Unreadable(Problem("this is a binary file: it holds the byte 0x00", *place))
    return text


def _whole_file(message: str) -> Unreadable:
    return Unreadable(Problem(message))


def in_file_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Each problem once, on one line of a sensible length."""
    unique = dict.fromkeys(replace(problem, message=_tidy(problem.message)) for problem in problems)
    return tuple(sorted(unique, key=lambda problem: (problem.line or 0, problem.column or 0)))


def _tidy(message: str) -> str:
    """On one line of a sensible length: what is quoted from the file can hold anything."""
    line = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in message
    )
    return (
        line
        if len(line) <= MESSAGE_MAX
        else f"{line[: MESSAGE_MAX // 2]} … {line[-MESSAGE_MAX // 2 :]}"
    )
