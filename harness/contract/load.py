"""From a file to a contract, or to a list of all that is wrong with it."""

from __future__ import annotations

import codecs
import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from harness.contract.check import check_promises, check_tree
from harness.contract.explain import did_you_mean, plain_error, read_words, shown
from harness.contract.model import Contract
from harness.contract.nodes import Entry, Lines, Node, Unreadable, read_tree
from harness.contract.words import Promise
from harness.errors import ContractError, Problem

SIZE_MAX_BYTES: Final = 1 << 20
VERSION: Final = 1
MESSAGE_MAX: Final = 800

_OTHER_ENCODINGS: Final = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


@dataclass(frozen=True, slots=True)
class LoadedContract:
    """A contract that can be used.

    Attributes:
        contract: what it says.
        path: the file, absolute.
        directory: the folder of the file, absolute: `{contract.dir}`.
        sha256: of the file's bytes, in hex.
    """

    contract: Contract
    path: Path
    directory: Path
    sha256: str


def load(
    path: Path, kinds: Mapping[str, type[Promise]], *, environ: Mapping[str, str] = os.environ
) -> LoadedContract:
    """Read the contract in ``path``.

    Args:
        path: a YAML file of at most 1 MiB, in UTF-8.
        kinds: name of each known kind of promise, and its words.
        environ: where `{env.NAME}` must exist; its values are not kept.

    Raises:
        ContractError: with everything that is wrong, in the order of the file.
    """
    try:
        raw = _read(path)
        contract = parse(_decode(raw), kinds, environ)
    except Unreadable as error:
        raise ContractError(path, _in_file_order([error.problem])) from None
    except _Refused as error:
        raise ContractError(path, error.problems) from None
    whole = path.absolute()
    return LoadedContract(contract, whole, whole.parent, hashlib.sha256(raw).hexdigest())


def parse(text: str, kinds: Mapping[str, type[Promise]], environ: Mapping[str, str]) -> Contract:
    """Read the contract in ``text``.

    Raises:
        Unreadable: it is no YAML that we read.
        _Refused: it is no contract.
    """
    root, marred = read_tree(text)
    _check_root(root)
    head, problems = read_words(Contract, _without_promises(root))
    promises, more = _read_promises(root, kinds)
    found = [*marred, *_elsewhere(marred, [*problems, *more])]
    found += _elsewhere(found, [*check_tree(root, environ), *check_promises(root, promises)])
    if head is None or found:
        raise _Refused(_in_file_order(found))
    return head.model_copy(
        update={"promises": tuple(promise for _, promise in promises if promise)}
    )


class _Refused(Exception):
    """All that is wrong with a contract, in file order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(len(problems))
        self.problems = problems


def _read(path: Path) -> bytes:
    """The bytes of a plain file of a sensible size."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise _whole_file("this is a folder; name the contract in it, as in contract.yaml")
        if not stat.S_ISREG(status.st_mode):
            raise _whole_file("this is no plain file")
        with path.open("rb") as file:
            raw = file.read(SIZE_MAX_BYTES + 1)
    except FileNotFoundError:
        raise _whole_file("there is no such file") from None
    except (OSError, ValueError) as error:
        raise _whole_file(f"the file cannot be read: {plain_error(error)}") from None
    if len(raw) > SIZE_MAX_BYTES:
        raise _whole_file("the file is larger than 1 MiB, the most that a contract may have")
    return raw


def _decode(raw: bytes) -> str:
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


def _check_root(root: Node) -> None:
    if not isinstance(root.value, Mapping):
        raise Unreadable(
            root.problem(
                f"a contract is a mapping that begins with `contract: 1`, not {shown(root)}"
            )
        )
    version = root.get("contract")
    if version is None or version.value is None:
        return
    if type(version.value) is not int:
        raise Unreadable(version.problem(f"contract: the version is a number: write {VERSION}"))
    if version.value != VERSION:
        raise Unreadable(
            version.problem(
                f"contract: version {version.value} is not supported; this Stormproof reads {VERSION}"
            )
        )


_HOLDER: Final = "no-promise"


def _without_promises(root: Node) -> Node:
    """The contract with one plain promise for all of its own, which are read by their kinds."""
    found = root.entries().get("promises")
    if found is None or not isinstance(found.node.value, tuple) or not found.node.value:
        return root
    words = {"id": _HOLDER, "kind": _HOLDER, "operation": _HOLDER}
    line, column = found.node.line, found.node.column
    entries = {k: Entry(found.key, Node(v, line, column)) for k, v in words.items()}
    holder = replace(found.node, value=(Node(entries, line, column),))
    return replace(root, value={**root.entries(), "promises": Entry(found.key, holder)})


def _read_promises(
    root: Node, kinds: Mapping[str, type[Promise]]
) -> tuple[list[tuple[Node, Promise | None]], list[Problem]]:
    """Each promise read by its kind's words."""
    section = root.get("promises")
    read: list[tuple[Node, Promise | None]] = []
    problems: list[Problem] = []
    for node in section.value if section and isinstance(section.value, tuple) else ():
        kind = node.get("kind")
        promise: Promise | None
        if kind is None or not isinstance(kind.value, str):
            promise, found = read_words(Promise, node)
            found = [problem for problem in found if "unknown key" not in problem.message]
        elif kind.value in kinds:
            promise, found = read_words(kinds[kind.value], node)
        else:
            message = f"kind: no kind `{kind.value}`{did_you_mean(kind.value, kinds)}"
            promise, found = None, [kind.problem(message)]
        problems += found
        read.append((node, promise))
    return read, problems


def _elsewhere(known: Iterable[Problem], found: Iterable[Problem]) -> list[Problem]:
    """What stands where nothing is known to be wrong: the rest would only follow from that."""
    taken = {(problem.line, problem.column) for problem in known}
    return [problem for problem in found if (problem.line, problem.column) not in taken]


def _in_file_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
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
