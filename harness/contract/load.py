"""From a file to a contract, or to a list of all that is wrong with it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from harness.contract.check import check_promises, check_tree
from harness.contract.explain import did_you_mean, read_words, shown
from harness.contract.files import decode, in_file_order, read_bytes
from harness.contract.model import Contract
from harness.contract.nodes import Entry, Node, Unreadable, read_tree
from harness.contract.words import Promise
from harness.errors import ContractError, Problem

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class LoadedContract:
    """A contract that can be used.

    Attributes:
        contract: what it says.
        path: the file, absolute.
        directory: the folder of the file, absolute: `{contract.dir}`.
        sha256: of the file's bytes, in hex.
        lines: where each promise begins, by its id; 1-based.
    """

    contract: Contract
    path: Path
    directory: Path
    sha256: str
    lines: Mapping[str, int]


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
        raw = read_bytes(path)
        contract, lines = parse(decode(raw), kinds, environ)
    except Unreadable as error:
        raise ContractError(path, in_file_order([error.problem])) from None
    except _Refused as error:
        raise ContractError(path, error.problems) from None
    whole = path.absolute()
    digest = hashlib.sha256(raw).hexdigest()
    return LoadedContract(contract, whole, whole.parent, digest, lines)


def parse(
    text: str, kinds: Mapping[str, type[Promise]], environ: Mapping[str, str]
) -> tuple[Contract, Mapping[str, int]]:
    """Read the contract in ``text``, and find the line of each promise.

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
        raise _Refused(in_file_order(found))
    read = [(node, promise) for node, promise in promises if promise]
    contract = head.model_copy(update={"promises": tuple(promise for _, promise in read)})
    return contract, {promise.id: node.line for node, promise in read}


class _Refused(Exception):
    """All that is wrong with a contract, in file order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(len(problems))
        self.problems = problems


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
