"""Ways to be a client of one's own, from the security schemes of an OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.contract.request import check_header


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A way to be a client of one's own, from a security scheme.

    Attributes:
        words: an identity of a contract, without its name.
        advice: what has to be filled in.
    """

    words: Mapping[str, str]
    advice: str


def client_of(scheme: Mapping[str, Any]) -> Client | None:
    """The client that a security scheme speaks of; None where it is of no use to us."""
    kind, where, name = scheme.get("type"), scheme.get("in"), scheme.get("name")
    keys = "values that the service knows, another one for each {n}"
    if kind == "apiKey" and isinstance(name, str):
        if where == "header" and is_header(name):
            return Client(words={"header": name, "value": "key-{n}"}, advice=keys)
        if where == "query" and re.fullmatch(r"[A-Za-z0-9._~\[\]-]+", name):
            return Client(words={"query": name, "value": "key-{n}"}, advice=keys)
        if where == "cookie" and re.fullmatch(r"[\w.-]+", name, re.ASCII):
            return Client(words={"header": "Cookie", "value": f"{name}=key-{{n}}"}, advice=keys)
    if kind == "http" and str(scheme.get("scheme")).lower() == "basic":
        words = {"header": "Authorization", "value": "Basic user-{n}"}
        return Client(words=words, advice="base64 of user:password, another one for each {n}")
    if kind in {"http", "oauth2", "openIdConnect"}:
        advice = "tokens that the service knows, or a `login` that yields {token}: see the README"
        return Client(words={"bearer": "token-{n}"}, advice=advice)
    return None


def is_header(name: str) -> bool:
    """Whether it can be sent as a header."""
    try:
        check_header(name, "")
    except ValueError:
        return False
    return True
