"""Tokens of the callers: each logs in before its first call that carries one, and when it is too old."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from harness.client import Request
from harness.contract.model import LOGIN, Login
from harness.contract.request import check_header
from harness.errors import CouldNotRun
from harness.history import Call
from harness.runner.callers import Caller
from harness.runner.requests import Composer
from harness.supervisor import harmless

_TOLD_LENGTH = 200
_COOKIE = "set-cookie"


class LoginFailed(CouldNotRun):
    """A caller got no token, so that its calls cannot be made; nobody is accused."""


@dataclass(slots=True)
class Logins:
    """The tokens of all callers since the target started.

    Args:
        composer: composes the calls of the contract.
        send: makes one call, and writes down what it is told to.
        now_ns: reads the target's monotonic clock.
    """

    composer: Composer
    send: Callable[[Request, Callable[[Call], Call]], Call]
    now_ns: Callable[[], int]
    _tokens: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    _owners: dict[tuple[str, str], int] = field(default_factory=dict)

    def token(
        self, operation: str, caller: Caller, *, key: str, source: str | None, forwarded: str | None
    ) -> str | None:
        """The token that the caller's call carries, None where it carries none.

        The caller logs in where it has not yet, from the address that its call will come from.

        Raises:
            LoginFailed: no token came, or one that another caller has too.
        """
        found = self._login_of(operation, key)
        if found is None:
            return None
        name, login = found
        known = self._tokens.get((name, caller.number))
        if known is not None and not self._is_old(login, known[1]):
            return known[0]
        request = self.composer.login(name, caller, key=key, source=source, forwarded=forwarded)
        call = self.send(request, lambda call: without_token(login, call))
        token = self._taken(name, login, caller, call)
        self._tokens[name, caller.number] = token, self.now_ns()
        return token

    def check(self, call: Call, key: str) -> None:
        """Raise LoginFailed if the call's 401 may mean no more than that its token is too old.

        Where the contract says how long a token lasts, a 401 is an answer like any other.
        """
        found = self._login_of(call.operation, key)
        if found is not None and found[1].lasts is None:
            raise LoginFailed(
                f"a call of {call.caller} was answered with 401 although it had logged in: if tokens "
                "end, write under `login` how long one `lasts`"
            )

    def _login_of(self, operation: str, key: str) -> tuple[str, Login] | None:
        """The identity that a call needs a token for; the login itself needs none."""
        contract = self.composer.contract
        name = self.composer.identity_of(operation, key)
        login = None if name is None else contract.identities[name].login
        if name is None or login is None or login.call == contract.operations[operation].call:
            return None
        return name, login

    def _taken(self, name: str, login: Login, caller: Caller, call: Call) -> str:
        """The token in an answer, which nobody else may have."""
        who = f"{login.call.split('?')[0]} of client {caller.number} (identity {name})"
        try:
            token = token_in(login, call)
        except LoginFailed as error:
            raise LoginFailed(f"{who} {self._hidden(str(error))}") from None
        owner = self._owners.setdefault((name, token), caller.number)
        if owner != caller.number:
            raise LoginFailed(
                f"{who} yielded the token that client {owner} has already: each client has to log in "
                "as somebody of its own, by {n}"
            )
        return token

    def _is_old(self, login: Login, since_ns: int) -> bool:
        return login.lasts is not None and self.now_ns() - since_ns >= login.lasts

    def _hidden(self, text: str) -> str:
        """``text`` without the values of environment variables, in any spelling that servers echo."""
        for name, value in self.composer.names.items():
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
