"""What no single type can see: names that must exist elsewhere in the contract, and ``{…}``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from harness.contract.explain import did_you_mean, no_value
from harness.contract.names import BadName, Known, Place, names_in
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
    braces = list(_braces(root, environ))
    yield from braces or _port_is_used(root)


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
        yield from _listed(node, "operation", "operation", root.get("operations"))
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
    for _, operation in _section(root, "operations"):
        yield from _listed(operation, "uses", "dependency", root.get("dependencies"))
        yield from _listed(operation, "identity", "identity", root.get("identities"))


def _reserved(root: Node) -> Iterator[Problem]:
    taken = {
        "identities": (_KEYS_OF_PROMISES, "`key: {}` of a promise means something else"),
        "dependencies": (("env",), "{{{}.url}} would be an environment variable"),
    }
    for section, (names, why) in taken.items():
        node = root.get(section)
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


def _braces(root: Node, environ: Mapping[str, str]) -> Iterator[Problem]:
    dependencies = root.get("dependencies")
    urls = list(dependencies.entries()) if dependencies else []
    known = {place: Known.at(place, urls, environ) for place in Place}
    target = root.get("target")
    for key, place in _TARGET.items():
        yield from _check_texts(target.get(key) if target else None, known[place].problem)
    for _, operation in _section(root, "operations"):
        for key in ("call", "headers", "json", "body"):
            yield from _check_texts(operation.get(key), known[Place.CALL].problem)
    for _, identity in _section(root, "identities"):
        for key in ("value", "bearer"):
            yield from _check_texts(identity.get(key), known[Place.IDENTITY].problem)
            yield from _check_texts(identity.get(key), _is_fresh)


_TARGET: Final = {
    "command": Place.START,
    "env": Place.START,
    "setup": Place.START,
    "cwd": Place.FOLDER,
    "python": Place.FOLDER,
}


def _check_texts(node: Node | None, problem: Callable[[str], str | None]) -> Iterator[Problem]:
    """``problem`` of each text in ``node``, keys left out."""
    for leaf in _leaves(node):
        message = problem(leaf.value) if isinstance(leaf.value, str) else None
        if message:
            yield leaf.problem(message)


def _leaves(node: Node | None) -> Iterator[Node]:
    if node is None:
        return
    inner = [entry.node for entry in node.entries().values()]
    if isinstance(node.value, tuple):
        inner = list(node.value)
    if not inner:
        yield node
    for child in inner:
        yield from _leaves(child)


def _is_fresh(text: str) -> str | None:
    try:
        is_fresh = "n" in names_in(text)
    except BadName:
        return None
    return (
        None if is_fresh else 'holds no {n}: each client needs a value of its own, as in "key-{n}"'
    )


def _port_is_used(root: Node) -> Iterator[Problem]:
    target = root.get("target")
    command = target.get("command") if target else None
    if target is None or command is None or target.get("url") is not None:
        return
    texts = [leaf.value for key in ("command", "env") for leaf in _leaves(target.get(key))]
    if not any("{port}" in text for text in texts if isinstance(text, str)):
        yield command.problem(
            "command: nothing tells the service where to listen; put {port} in `command` or `env`, "
            'as in ["{python}", app.py, --port, "{port}"]'
        )


def _section(root: Node, name: str) -> Iterator[tuple[str, Node]]:
    section = root.get(name)
    for key, entry in section.entries().items() if section else ():
        yield key, entry.node
