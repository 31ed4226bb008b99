"""What a contract says of its clients: how one differs from another, and how it logs in."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import AfterValidator, StringConstraints, model_validator

from harness.contract.request import check_header, check_query_name
from harness.contract.sent import Sent
from harness.contract.words import DurationNs, Words, YesOrNo

Text = Annotated[str, StringConstraints(min_length=1)]


def _pointer(text: str) -> str:
    """A JSON pointer, RFC 6901; the empty one means the whole answer."""
    if text and not text.startswith("/"):
        raise ValueError(
            f"token: {text!r} is no JSON pointer: it begins with /, as in /access_token"
        )
    if re.search(r"~(?![01])", text):
        raise ValueError("token: in a JSON pointer ~ is written ~0, and / inside a name ~1")
    return text


class Login(Sent):
    """The call that yields the token of an identity; each client makes it before its first other call.

    Attributes:
        token: where the token stands in the JSON of the answer, as in `/access_token`.
        token_header: or the header of the answer that holds it.
        lasts: how long a token can be used; after that the client logs in again.
    """

    token: Annotated[str, AfterValidator(_pointer)] | None = None
    token_header: Text | None = None
    lasts: DurationNs | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.token is None) == (self.token_header is None):
            raise ValueError(
                "login: write where the token is: `token: /access_token` in the JSON of the "
                "answer, or `token_header: NAME`"
            )
        return self


class Identity(Words):
    """How one client differs from another; `{n}` is the client's number.

    Attributes:
        header: name of the header that carries `value`.
        bearer: token of `Authorization: Bearer`.
        query: name of the query parameter that carries `value`.
        source: each client has a source address of its own.
        value: the value of `header` or `query`.
        login: the call that yields `{token}`, for `value` or `bearer`.
    """

    header: Text | None = None
    bearer: Text | None = None
    query: Text | None = None
    source: YesOrNo = False
    value: Text | None = None
    login: Login | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [way for way in ("header", "bearer", "query", "source") if getattr(self, way)]
        if len(ways) != 1:
            where = f"{ways[-1]}: " if ways else ""
            raise ValueError(
                f"{where}an identity is one of `header`, `bearer`, `query`, `source: yes`"
            )
        if ways[0] in {"header", "query"} and self.value is None:
            raise ValueError(f'{ways[0]}: needs a `value` too, as in "key-{{n}}"')
        if ways[0] in {"bearer", "source"} and self.value is not None:
            raise ValueError(f"value: does not go with `{ways[0]}`")
        if self.source and self.login is not None:
            raise ValueError("login: does not go with `source`: an address carries no token")
        if self.header is not None:
            check_header(self.header, self.value or "")
        if self.bearer is not None:
            check_header("Authorization", self.bearer)
        if self.query is not None:
            check_query_name(self.query)
        return self
