"""From an operation of the contract to the bytes of one request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from harness.client import Request
from harness.contract.model import Contract, Identity, Operation
from harness.contract.names import Names, expand, expand_value
from harness.contract.request import method_and_path
from harness.runner.callers import Caller

TEXT = "storm"
"""What fills ``{text}``: benign, so that only the promise decides the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Composer:
    """Composes the requests of one contract for one address of its target.

    Attributes:
        authority: value of the Host header.
        names: the ``{env.…}`` names and their values.
    """

    contract: Contract
    authority: str
    names: Names

    def compose(
        self,
        operation: str,
        caller: Caller,
        *,
        key: str,
        source: str | None,
        forwarded: str | None,
        connection: str | None,
    ) -> Request:
        """One request of ``caller``; ``key`` names the identity to send, if it is one."""
        spec = self.contract.operations[operation]
        names = Names({**self.names, "n": str(caller.number), "text": TEXT})
        quoted = Names({name: quote(value, safe="") for name, value in names.items()})
        method, path = method_and_path(spec.call)
        path = expand(path, quoted)
        headers = [(name, expand(value, names)) for name, value in spec.headers.items()]
        identity = self._identity(spec, key)
        if identity is not None:
            path, extra = _identify(identity, path, names)
            headers += extra
        if forwarded is not None:
            headers.append(("X-Forwarded-For", forwarded))
        body = _body(spec, names)
        return Request(
            method=method,
            path=path,
            headers=tuple(self._complete(headers, spec, method, body, connection)),
            body=body,
            operation=operation,
            caller=_called(caller, key, source, forwarded, identity),
            identity=None if identity is None else caller.number,
            source=source,
            forwarded=forwarded,
            connection=connection,
        )

    def _identity(self, spec: Operation, key: str) -> Identity | None:
        name = key if key in self.contract.identities else spec.identity
        return None if name is None else self.contract.identities[name]

    def _complete(
        self,
        headers: list[tuple[str, str]],
        spec: Operation,
        method: str,
        body: bytes,
        connection: str | None,
    ) -> Iterator[tuple[str, str]]:
        given = {name.lower() for name, _ in headers}
        yield "Host", self.authority
        yield from headers
        if "user-agent" not in given:
            yield "User-Agent", "stormproof"
        if "accept" not in given:
            yield "Accept", "*/*"
        if spec.has_json and "content-type" not in given:
            yield "Content-Type", "application/json"
        if body or method in ("POST", "PUT", "PATCH"):
            yield "Content-Length", str(len(body))
        if connection is None:
            yield "Connection", "close"


def _called(
    caller: Caller, key: str, source: str | None, forwarded: str | None, identity: Identity | None
) -> str:
    """The name under which people meet this client in a sentence."""
    if identity is not None and key not in ("ip", "global"):
        return f"{key}-{caller.number}"
    if forwarded is not None and source != caller.address:
        return forwarded.rsplit(",", 1)[-1].strip()
    return source or f"client-{caller.number}"


def _identify(
    identity: Identity, path: str, names: Mapping[str, str]
) -> tuple[str, list[tuple[str, str]]]:
    if identity.header is not None:
        return path, [(identity.header, expand(identity.value or "", names))]
    if identity.bearer is not None:
        return path, [("Authorization", f"Bearer {expand(identity.bearer, names)}")]
    if identity.query is not None:
        joint = "&" if "?" in path else "?"
        value = quote(expand(identity.value or "", names), safe="")
        return f"{path}{joint}{quote(identity.query, safe='')}={value}", []
    return path, []


def _body(spec: Operation, names: Mapping[str, str]) -> bytes:
    if spec.has_json:
        return json.dumps(expand_value(spec.json_body, names)).encode()
    return expand(spec.body, names).encode() if spec.body is not None else b""
