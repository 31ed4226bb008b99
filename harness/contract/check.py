"""What no single type can see: names that must exist elsewhere in the contract, and ``{…}``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from harness.contract.braces import check_braces, check_ports, entries_of
from harness.contract.explain import did_you_mean, no_value
from harness.contract.model import LOGIN
from harness.contract.nodes import Node
from harness.contract.words import Promise, Words
from harness.errors import Problem

_AMBIGUOUS: Final = frozenset({"y", "n", "yes", "no", "on", "off"})
_KEYS_OF_PROMISES: Final = ("ip", "global")


def check_tree(root: Node, environ: Mapping[str, str]) -> Iterator[Problem]:
    """Everything about a contract's head and its sections that spans more than one value."""
    yield from _values(root, "")
    yield from _reserved(root)
    yield from _operations(root)
    yield from _logins(root)
    braces = list(check_braces(root, environ))
    yield from braces or check_ports(root)


def check_promises(
    root: Node, promises: Iterable[tuple[Node, Promise | None]]
) -> Iterator[Problem]:
    """Names that promises speak of, and that no two promises are called alike."""
    seen: dict[str, Node] = {}
    for node, promise in promises:
        name = node.get("id")
        if name and isinstance(name.value, str):
            first = seen.setdefault(name.value, name)
            if first is not name:
                yield name.problem(
                    f"id: `{name.value}` is the promise of line {first.line} already"
                )
        for key in ("operation", "operations"):
            yield from _listed(node, key, "operation", root.get("operations"))
        yield from _key(root, node)
        if promise:
            yield from _dependencies(root, node, promise)


def _listed(node: Node, key: str, what: str, section: Node | None) -> Iterator[Problem]:
    """Each name under ``key`` stands in ``section``, and stands there once."""
    found = node.get(key)
    known = section.entries() if section else {}
    seen: set[str] = set()
    for item in found.items() if found else ():
        if not isinstance(item.value, str):
            continue
        if item.value not in known:
            yield item.problem(f"{key}: no {what} `{item.value}`{did_you_mean(item.value, known)}")
        elif item.value in seen:
            yield item.problem(f"{key}: `{item.value}` is named twice")
        seen.add(item.value)


def _key(root: Node, node: Node) -> Iterator[Problem]:
    key, section = node.get("key"), root.get("identities")
    known = [*_KEYS_OF_PROMISES, *(section.entries() if section else ())]
    if key and isinstance(key.value, str) and key.value not in known:
        yield key.problem(f"key: no identity `{key.value}`{did_you_mean(key.value, known)}")


def _dependencies(root: Node, node: Node, words: Words) -> Iterator[Problem]:
    """Every word ``dependency``, at any depth of the words, names one; a store's is a store."""
    for field in type(words).model_fields:
        value, inner = getattr(words, field), node.get(field)
        if inner is None:
            continue
        if field == "dependency":
            yield from _listed(node, field, "dependency", root.get("dependencies"))
        elif isinstance(value, Words):
            yield from _dependencies(root, inner, value)
            if field == "store":
                yield from _is_store(root, inner)


def _is_store(root: Node, store: Node) -> Iterator[Problem]:
    section, name = root.get("dependencies"), store.get("dependency")
    if section is None or name is None:
        return
    dependency = section.get(str(name.value))
    kind = dependency.get("kind") if dependency else None
    if kind and kind.value == "witness":
        yield name.problem(f"dependency: `{name.value}` is a witness, and a witness stores nothing")


def _operations(root: Node) -> Iterator[Problem]:
    for _, operation in entries_of(root, "operations"):
        yield from _listed(operation, "uses", "dependency", root.get("dependencies"))
        yield from _listed(operation, "identity", "identity", root.get("identities"))


def _logins(root: Node) -> Iterator[Problem]:
    """Logins are written down as `login`, so no operation of that name may be another call."""
    operations = root.get("operations")
    entry = operations.entries().get(LOGIN) if operations else None
    call = entry.node.get("call") if entry else None
    if entry is None or call is None:
        return
    for name, identity in entries_of(root, "identities"):
        login = identity.get("login")
        other = login.get("call") if login else None
        if other is not None and other.value != call.value:
            yield entry.key.problem(
                f"`{LOGIN}` cannot be a name here: it means the login of `{name}`, which is another "
                "call; choose another name, or write the same call"
            )


def _reserved(root: Node) -> Iterator[Problem]:
    target = root.get("target")
    taken = (
        (root.get("identities"), _KEYS_OF_PROMISES, "`key: {}` of a promise means something else"),
        (root.get("dependencies"), ("env",), "{{{}.url}} would be an environment variable"),
        (
            target.get("processes") if target else None,
            ("env",),
            "{{{}.port}} would be an environment variable",
        ),
    )
    for node, names, why in taken:
        for name, entry in node.entries().items() if node else ():
            if name in names:
                yield entry.key.problem(f"`{name}` cannot be a name here: {why.format(name)}")


def _values(node: Node, within: str) -> Iterator[Problem]:
    """No key without its value; in free JSON, no word that readers of YAML do not agree on."""
    is_json = within == "json"
    for name, entry in node.entries().items():
        if entry.node.value is None and not is_json and name != "json":
            yield entry.key.problem(no_value(name))
        yield from _values(entry.node, "json" if is_json or name == "json" else name)
    for item in node.value if isinstance(node.value, tuple) else ():
        yield from _values(item, within)
    value = node.value
    if is_json and isinstance(value, str) and not node.quoted and value.lower() in _AMBIGUOUS:
        yield node.problem(
            f"`{value}` is a text to some readers and true or false to others: write "
            f'"{value}", or true or false'
        )
