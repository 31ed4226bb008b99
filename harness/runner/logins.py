"""Tokens of the callers: each logs in before its first call that carries one, and when it is too old."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from harness.client import Request
from harness.contract.model import LOGIN, Login
from harness.contract.request import check_header, method_and_path
from harness.errors import CouldNotRun
from harness.history import Call
from harness.runner.callers import Caller
from harness.supervisor import harmless

_TOLD_LENGTH = 200
_COOKIE = "set-cookie"


class LoginFailed(CouldNotRun):
    """A caller got no token, so that its calls cannot be made; nobody is accused."""


@dataclass(slots=True)
class Logins:
    """The tokens of all callers since the target started.

    Args:
        send: makes one call, and writes down what it is told to.
        now_ns: reads the target's monotonic clock.
        secrets: names in braces and their values; the values are never told.
    """

    send: Callable[[Request, Callable[[Call], Call]], Call]
    now_ns: Callable[[], int]
    secrets: Mapping[str, str]
    _tokens: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    _owners: dict[tuple[str, str], int] = field(default_factory=dict)

    def token(
        self, identity: str, login: Login, caller: Caller, request: Callable[[], Request]
    ) -> str:
        """The caller's token; ``request`` composes its login, where one is needed.

        Raises:
            LoginFailed: no token came, or one that another caller has too.
        """
        known = self._tokens.get((identity, caller.number))
        if known is not None and not self._is_old(login, known[1]):
            return known[0]
        call = self.send(request(), lambda call: without_token(login, call))
        who = f"{login.call.split('?')[0]} of client {caller.number} (identity {identity})"
        try:
            token = token_in(login, call)
        except LoginFailed as error:
            raise LoginFailed(f"{who} {self._hidden(str(error))}") from None
        owner = self._owners.setdefault((identity, token), caller.number)
        if owner != caller.number:
            raise LoginFailed(
                f"{who} yielded the token that client {owner} has already: each client has to log in "
                "as somebody of its own, by {n}"
            )
        self._tokens[identity, caller.number] = token, self.now_ns()
        return token

    def _is_old(self, login: Login, since_ns: int) -> bool:
        return login.lasts is not None and self.now_ns() - since_ns >= login.lasts

    def _hidden(self, text: str) -> str:
        """``text`` without the values of environment variables, in any spelling that servers echo."""
        for name, value in self.secrets.items():
            for spelling in {value, quote(value, safe=""), json.dumps(value)[1:-1]} - {""}:
                text = text.replace(spelling, f"{{{name}}}")
        return text


def token_in(login: Login, call: Call) -> str:
    """The token in the answer to a login.

    Raises:
        LoginFailed: there is none; the text says what was answered, without anything like a token.
    """
    if not login.is_ok(call.status) or call.error is not None:
        raise LoginFailed(_failed(call))
    if login.token_header is not None:
        found = call.header(login.token_header)
        if found is None:
            raise LoginFailed(f"was answered without the header {login.token_header}")
        is_cookie = login.token_header.lower() == _COOKIE
        return _usable(found.partition(";")[0] if is_cookie else found)
    try:
        answer = json.loads(call.body)
    except (ValueError, RecursionError):
        raise LoginFailed(f"was answered with {call.status}, and not with JSON") from None
    return _usable(_at(login.token or "", answer))


def without_token(login: Login, call: Call) -> Call:
    """The call as it is written down: a token that was given stands in no record."""
    if call.status is None or call.status >= 400:
        return replace(call, body=b"") if call.operation == LOGIN else call
    hidden = {_COOKIE, (login.token_header or "").lower()}
    headers = tuple(pair for pair in call.headers if pair[0] not in hidden)
    return replace(call, body=b"", headers=headers)


def is_itself(login: Login, call: str) -> bool:
    """Whether an operation's call is the login, which needs no token."""
    return method_and_path(call) == method_and_path(login.call)


def _failed(call: Call) -> str:
    if call.status is None:
        return f"had no answer ({call.error})"
    may_hold_token = call.status < 400
    said = "" if may_hold_token else harmless(call.body.decode("utf-8", "replace")).strip()
    advice = call.header("retry-after")
    wait = "" if advice is None else f" and Retry-After {advice!r}"
    return f"was answered with {call.status}{wait}{f': {said[:_TOLD_LENGTH]}' if said else ''}"


def _at(pointer: str, answer: Any) -> Any:
    """What a JSON pointer (RFC 6901) points to."""
    here = answer
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(here, dict) and name in here:
            here = here[name]
        elif isinstance(here, list) and name.isdigit() and int(name) < len(here):
            here = here[int(name)]
        else:
            raise LoginFailed(f"was answered with JSON that has no {pointer}{_names(here)}")
    return here


def _names(here: Any) -> str:
    if not isinstance(here, dict):
        return ""
    names = harmless(", ".join(map(str, here)))
    return f"; there is {names[:_TOLD_LENGTH] or 'nothing'}"


def _usable(token: Any) -> str:
    """A token as text that can be sent."""
    if isinstance(token, int) and not isinstance(token, bool):
        token = str(token)
    if not isinstance(token, str) or not token.strip():
        raise LoginFailed("yielded something that is no token: a text is needed")
    try:
        check_header("Authorization", token)
    except ValueError:
        raise LoginFailed(
            "yielded a token that cannot be sent: it has control characters"
        ) from None
    return token.strip()
