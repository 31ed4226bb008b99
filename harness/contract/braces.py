"""What stands in braces in a contract: only names that are known there, and ports that somebody is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from harness.contract.names import BadName, Known, Place, names_in
from harness.contract.nodes import Node
from harness.errors import Problem

_TARGET: Final = {
    "command": Place.START,
    "env": Place.START,
    "setup": Place.START,
    "cwd": Place.FOLDER,
    "python": Place.FOLDER,
}
_PROCESS: Final = {"command": Place.START, "env": Place.START, "cwd": Place.FOLDER}
_SENT: Final = ("call", "headers", "json", "body")


def check_braces(root: Node, environ: Mapping[str, str]) -> Iterator[Problem]:
    """Every ``{…}`` is a name that is known where it stands."""
    dependencies = [name for name, _ in entries_of(root, "dependencies")]
    target = root.get("target") or Node(None, 1, 1)
    processes = [name for name, _ in entries_of(target, "processes")]
    known = {place: Known.at(place, dependencies, environ, processes) for place in Place}
    yield from _in_start(target, _TARGET, known)
    for _, process in entries_of(target, "processes"):
        yield from _in_start(process, _PROCESS, known)
    tls = target.get("tls")
    place = Place.FOLDER if target.get("url") is None else Place.BESIDE
    yield from _check_texts(tls.get("trust") if tls else None, known[place].problem)
    for _, operation in entries_of(root, "operations"):
        yield from _in_sent(operation, known[Place.CALL])
    for _, identity in entries_of(root, "identities"):
        yield from _in_identity(identity, known)


def check_ports(root: Node) -> Iterator[Problem]:
    """Somebody is told where to listen: the one that is called, and each that is waited for."""
    target = root.get("target")
    if target is None or target.get("url") is not None:
        return
    processes = target.get("processes")
    if processes is not None and processes.entries():
        yield from _ports_of_several(target, processes)
        return
    command = target.get("command")
    if command is not None and "port" not in _names(command, target.get("env")):
        yield command.problem(
            "command: nothing tells the service where to listen; put {port} in `command` or `env`, "
            'as in ["{python}", app.py, --port, "{port}"]'
        )


def entries_of(root: Node, name: str) -> Iterator[tuple[str, Node]]:
    """The entries of a section of the contract."""
    found = root.get(name)
    for key, entry in found.entries().items() if found else ():
        yield key, entry.node


def _in_start(
    node: Node, places: Mapping[str, Place], known: Mapping[Place, Known]
) -> Iterator[Problem]:
    for key, place in places.items():
        yield from _check_texts(node.get(key), known[place].problem)


def _in_sent(node: Node, known: Known) -> Iterator[Problem]:
    for key in _SENT:
        yield from _check_texts(node.get(key), known.problem)


def _in_identity(identity: Node, known: Mapping[Place, Known]) -> Iterator[Problem]:
    login = identity.get("login")
    place = Place.IDENTITY if login is None else Place.LOGGED_IN
    for key in ("value", "bearer"):
        yield from _check_texts(identity.get(key), known[place].problem)
        yield from _check_texts(identity.get(key), _holds_number if login is None else _holds_token)
    if login is None:
        return
    yield from _in_sent(login, known[Place.IDENTITY])
    call = login.get("call")
    if call is not None and "n" not in _names(*(login.get(key) for key in _SENT)):
        yield call.problem(
            "login: holds no {n}: each client logs in as somebody of its own, "
            'as in json: {user: "user-{n}"}'
        )


def _ports_of_several(target: Node, processes: Node) -> Iterator[Problem]:
    shared = _names(target.get("env"), target.get("setup"))
    if "port" in shared:
        where = target.get("env") or target
        yield where.problem(
            "{port} belongs to the process that is called: put it there, and write {NAME.port} here"
        )
        return
    names = {
        name: _names(entry.node.get("command"), entry.node.get("env"))
        for name, entry in processes.entries().items()
    }
    called = [name for name, used in names.items() if "port" in used]
    if not called:
        yield processes.problem(
            "processes: nothing tells the service where to listen; put {port} in `command` or "
            "`env` of the process that is called"
        )
    for name in called[1:]:
        yield processes.entries()[name].key.problem(
            f"{{port}} stands in the process `{called[0]}` already, so that is the one that is "
            f"called: write {{{name}.port}} or {{{called[0]}.port}} here"
        )
    told = shared.union(*names.values())
    for name, entry in processes.entries().items():
        ready = entry.node.get("ready")
        if ready is not None and name not in called and f"{name}.port" not in told:
            yield ready.problem(
                f"ready: nothing tells `{name}` where to listen; put {{{name}.port}} in its "
                "`command` or `env`, or leave out `ready`"
            )


def _names(*nodes: Node | None) -> set[str]:
    """The names in braces in these texts; a brace on its own is told elsewhere."""
    found: set[str] = set()
    for node in nodes:
        for leaf in _leaves(node):
            if isinstance(leaf.value, str):
                try:
                    found |= names_in(leaf.value)
                except BadName:
                    continue
    return found


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


def _holds_number(text: str) -> str | None:
    missing = 'holds no {n}: each client needs a value of its own, as in "key-{n}"'
    return None if _holds("n", text) else missing


def _holds_token(text: str) -> str | None:
    missing = "holds no {token}: that is what `login` is for"
    return None if _holds("token", text) else missing


def _holds(name: str, text: str) -> bool:
    """Whether the name stands in the text; a brace on its own is told elsewhere."""
    try:
        return name in names_in(text)
    except BadName:
        return True
