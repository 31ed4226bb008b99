"""From an operation of the contract to the bytes of one request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import quote

from harness.client import Request
from harness.contract.model import Contract, Identity, Sent
from harness.contract.names import Names, expand, expand_value
from harness.contract.request import method_and_path
from harness.runner.callers import Caller

CALL_HEADER = "X-Request-ID"
"""What a call's token is sent in, for the target to pass on."""
TEXT = "storm"
"""What fills ``{text}``: benign, so that only the promise decides the answer."""


def call_tokens(run: str) -> Iterator[str]:
    """What the calls of a run are known by, one after another.

    Args:
        run: 8 hexadecimal digits that tell it from other runs.

    >>> next(call_tokens("00c0ffee"))
    'sp-00c0ffee-1'
    """
    return (f"sp-{run}-{number}" for number in count(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Composer:
    """Composes the requests of one contract for one address of its target.

    Attributes:
        authority: value of the Host header.
        names: the ``{env.…}`` names and their values.
        tokens: what calls are known by, each taken once.
    """

    contract: Contract
    authority: str
    names: Names
    tokens: Iterator[str] = field(default_factory=lambda: call_tokens("0" * 8))

    def compose(
        self,
        operation: str,
        caller: Caller,
        *,
        key: str,
        source: str | None,
        forwarded: str | None,
        connection: str | None,
        token: str | None = None,
        announced: bool = False,
    ) -> Request:
        """One request of ``caller``; ``key`` names the identity to send, if it is one.

        ``token`` fills ``{token}``; without one, an identity that logs in is not sent. What the call
        itself is known by fills ``{call}``; ``announced`` it is sent as X-Request-ID too, unless the
        operation writes that header.
        """
        spec = self.contract.operations[operation]
        named = self.identity_of(operation, key)
        identity = None if named is None else self.contract.identities[named]
        is_bare = identity is not None and identity.login is not None and token is None
        return self._request(
            spec,
            operation,
            caller,
            key=key,
            identity=identity,
            carried=None if is_bare else identity,
            token=token or "",
            call=next(self.tokens),
            announced=announced,
            source=source,
            forwarded=forwarded,
            connection=connection,
        )

    def login(
        self,
        name: str,
        caller: Caller,
        *,
        key: str,
        source: str | None,
        forwarded: str | None,
    ) -> Request:
        """The call by which ``caller`` gets the token of the identity ``name``."""
        identity = self.contract.identities[name]
        assert identity.login is not None
        return self._request(
            identity.login,
            self.contract.login_operation(identity.login),
            caller,
            key=key,
            identity=identity,
            carried=None,
            token="",
            call="",
            announced=False,
            source=source,
            forwarded=forwarded,
            connection=None,
        )

    def identity_of(self, operation: str, key: str) -> str | None:
        """The identity that a call carries: the promise's key if it is one, else the operation's own."""
        own = self.contract.operations[operation].identity
        return key if key in self.contract.identities else own

    def _request(
        self,
        spec: Sent,
        operation: str,
        caller: Caller,
        *,
        key: str,
        identity: Identity | None,
        carried: Identity | None,
        token: str,
        call: str,
        announced: bool,
        source: str | None,
        forwarded: str | None,
        connection: str | None,
    ) -> Request:
        names = Names({**self.names, "n": str(caller.number), "text": TEXT, "call": call})
        quoted = Names({name: quote(value, safe="") for name, value in names.items()})
        method, path = method_and_path(spec.call)
        path = expand(path, quoted)
        headers = [(name, expand(value, names)) for name, value in spec.headers.items()]
        if carried is not None:
            path, extra = _identify(carried, path, Names({**names, "token": token}))
            headers += extra
        if forwarded is not None:
            headers.append(("X-Forwarded-For", forwarded))
        if announced and CALL_HEADER.lower() not in {name.lower() for name, _ in headers}:
            headers.append((CALL_HEADER, call))
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
            token=call if _carries(call, path, headers, body) else None,
        )

    def _complete(
        self,
        headers: list[tuple[str, str]],
        spec: Sent,
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


def _carries(call: str, path: str, headers: list[tuple[str, str]], body: bytes) -> bool:
    """Whether any part of a request holds the call's token."""
    return bool(call) and (
        call in path or any(call in value for _, value in headers) or call.encode() in body
    )


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


def _body(spec: Sent, names: Mapping[str, str]) -> bytes:
    if spec.has_json:
        return json.dumps(expand_value(spec.json_body, names)).encode()
    return expand(spec.body, names).encode() if spec.body is not None else b""
