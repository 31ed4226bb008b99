"""The text of a first contract: what is known of a service, and marks where somebody has to fill in.

The same knowledge gives the same text: nothing in it comes from a clock or from chance.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from harness.identify.clients import Client
from harness.identify.hints import Hint
from harness.identify.openapi import Described

_WIDTH: Final = 100
_SHOWN_MAX: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One answer of the service.

    Attributes:
        operation: name of the operation that was called.
        status: of the answer.
        hints: limits that its headers tell of.
    """

    operation: str
    status: int
    hints: tuple[Hint, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """All that goes into the draft.

    Attributes:
        service: its name, one line of 1 to 100 characters.
        url: where it runs.
        trust: file of its authority, from the folder of the contract.
        source: where the document was found; None where there is none.
        operations: what it answers.
        left_out: operations of the document that are not in the draft.
        clients: ways to be a client.
        hints: limits that the document speaks of as a whole.
        seen: answers.
    """

    service: str
    url: str
    trust: str | None = None
    source: str | None
    operations: Sequence[Described]
    left_out: int = 0
    clients: Mapping[str, Client] = field(default_factory=dict)
    hints: Sequence[Hint] = ()
    seen: Sequence[Seen] = ()


def draft(known: Knowledge) -> str:
    """A contract that loads, with `FILL IN` wherever the service did not say."""
    lines = [*_head(known), "", *_identities(known), *_operations(known), "", *_promises(known)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _head(known: Knowledge) -> Iterator[str]:
    yield "# A first contract, by `stormproof init`. Search it for FILL IN; then: stormproof verify FILE"
    said = "no OpenAPI document was found" if known.source is None else f"from {known.source}"
    yield _comment(f"Operations: {said}. Calls made: {len(known.seen)}, each a plain GET.")
    yield "contract: 1"
    yield f"service: {_text(known.service)}"
    yield ""
    yield "target:"
    yield f"  url: {_text(known.url)}    # runs already: never stopped, and its clock is real"
    if known.trust is not None:
        yield f"  tls: {{trust: {_text(known.trust)}}}"
    yield "  # FILL IN: the command that starts it, in place of the url: then its clock can be held,"
    yield "  # and a minute costs milliseconds."
    yield '  # command: ["{python}", -m, shop, --port, "{port}"]'
    yield "  # ready: {get: /health, within: 10s}"


def _identities(known: Knowledge) -> Iterator[str]:
    yield "# How one client differs from another; {n} is the client's number."
    if not known.clients:
        yield "# identities:    # FILL IN, if the service tells its clients apart by more than their address"
        yield '#   user: {header: X-API-Key, value: "key-{n}"}'
        yield ""
        return
    yield "identities:"
    for name, client in known.clients.items():
        words = ", ".join(f"{key}: {_text(value)}" for key, value in client.words.items())
        yield f"  {name}: {{{words}}}    # FILL IN: {client.advice}"
    yield ""


def _operations(known: Knowledge) -> Iterator[str]:
    statuses = {seen.operation: seen.status for seen in known.seen}
    yield "operations:"
    for operation in known.operations:
        yield from _operation(operation)
        if (status := statuses.get(operation.name)) is not None:
            hint = "" if status < 400 else "; FILL IN what it needs"
            yield f"    # called without an identity it answered {status}{hint}"
    if known.left_out:
        yield f"  # {known.left_out} more operations stand in the document"


def _operation(operation: Described) -> Iterator[str]:
    if operation.summary:
        yield f"  {_comment(operation.summary)}"
    yield f"  {operation.name}:"
    yield f"    call: {_text(operation.call)}"
    yield from (f"    {_comment(f'FILL IN: {guess}')}" for guess in operation.guesses)
    if operation.headers:
        yield f"    headers: {_json(operation.headers)}"
    if operation.has_json:
        yield f"    json: {_json(operation.json)}"
    if operation.body is not None:
        yield f"    body: {_text(operation.body)}"
    if operation.identity is not None:
        yield f"    identity: {operation.identity}"
    if operation.ok:
        yield f"    ok: {list(operation.ok)}"


def _promises(known: Knowledge) -> Iterator[str]:
    sure = list(_told(known, with_window=True))
    yield "# What is checked. Words: the README of the kind rate_limit."
    if not sure:
        yield "promises: []    # FILL IN: the service did not say what it promises; as below, without []"
        yield from _unsure(known)
        return
    yield "promises:"
    for operation, hints in sure:
        yield from _promise(operation, hints, known)
    yield from _unsure(known)


def _told(known: Knowledge, *, with_window: bool) -> Iterator[tuple[Described, list[Hint]]]:
    """Each operation with the limits told of it: an answer counts more than the document."""
    seen = {each.operation: each.hints for each in known.seen}
    for operation in known.operations:
        hints = seen.get(operation.name) or operation.hints
        found = [hint for hint in hints if bool(hint.window_s) is with_window]
        windows = {hint.window_s: hint for hint in sorted(found, reverse=True)}
        if windows:
            yield operation, [windows[window] for window in sorted(windows)]


def _promise(operation: Described, hints: Sequence[Hint], known: Knowledge) -> Iterator[str]:
    rates = [str(hint.rate) for hint in hints]
    yield f"  - id: {operation.name[:55]}-rate"
    yield "    kind: rate_limit"
    yield f"    operation: {operation.name}    # FILL IN: a list, where several share one budget"
    yield f"    key: {operation.identity or 'ip'}    # FILL IN: whom it counts for: ip, global or an identity"
    yield f"    limit: {rates[0] if len(rates) == 1 else '[' + ', '.join(rates) + ']'}"
    for hint in hints:
        yield f"    {_comment(hint.source)}"
    yield "    # burst: 10    # FILL IN, if it is a token bucket of this size"
    yield f"    exceeded: {{status: 429, headers: {_refusal_headers(operation)}}}"
    yield f"    says: {_text(_says(hints, known))}"


def _unsure(known: Knowledge) -> Iterator[str]:
    """Commented promises: limits without their window, or an example where nothing is known."""
    unsure = list(_told(known, with_window=False))
    for operation, hints in unsure[:_SHOWN_MAX]:
        yield f"  # - id: {operation.name[:55]}-rate"
        yield "  #   kind: rate_limit"
        yield f"  #   operation: {operation.name}"
        yield f"  #   key: {operation.identity or 'ip'}"
        yield f"  #   limit: {hints[0].count}/FILL-IN    # its window is not told: {_plain(hints[0].source)}"
        yield f"  #   exceeded: {{status: 429, headers: {_refusal_headers(operation)}}}"
    if unsure or any(_told(known, with_window=True)) or not known.operations:
        return
    for hint in list(known.hints)[:_SHOWN_MAX]:
        yield f"  {_comment(f'said by {hint.source}')}"
    operation = next(
        (each for each in known.operations if each.refusal_headers is not None), known.operations[0]
    )
    limit = next((str(hint.rate) for hint in known.hints if hint.window_s), "100/min")
    yield f"  # - id: {operation.name[:55]}-rate"
    yield "  #   kind: rate_limit"
    yield f"  #   operation: {operation.name}"
    yield f"  #   key: {operation.identity or 'ip'}    # ip, global or an identity"
    yield f"  #   limit: {limit}    # FILL IN"
    yield f"  #   exceeded: {{status: 429, headers: {_refusal_headers(operation)}}}"


def _says(hints: Sequence[Hint], known: Knowledge) -> str:
    where = known.source or known.url
    return f"{where}: {'; '.join(_plain(hint.source) for hint in hints)}"


def _refusal_headers(operation: Described) -> str:
    """Of those that the document knows the one that a contract judges; the default promises none."""
    named = operation.refusal_headers or ()
    return "[Retry-After]" if any(name.lower() == "retry-after" for name in named) else "[]"


def _comment(text: str) -> str:
    return f"# {_plain(text)}"


def _plain(text: str) -> str:
    """On one line, of a sensible length, without what cannot be printed."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"


def _text(value: str) -> str:
    return json.dumps(value)


def _json(value: Any) -> str:
    return json.dumps(value)
