"""What a contract says of one HTTP call, whoever makes it."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from harness.contract.request import check_header, method_and_path
from harness.contract.words import Words, as_list

HttpStatus = Annotated[int, Field(ge=200, le=599)]


class Sent(Words):
    """One call.

    Attributes:
        call: method and path with query, as in `GET /search?q={text}`.
        headers: header fields of the call.
        json_body: JSON to send (written `json` in the contract).
        body: text to send as it is.
        ok: statuses of success, one or a list; any 2xx if left out.
    """

    call: str
    headers: dict[str, str] = Field(default_factory=dict)
    json_body: Annotated[Any, Field(alias="json")] = None
    body: str | None = None
    ok: Annotated[tuple[HttpStatus, ...], BeforeValidator(as_list)] = ()

    @property
    def has_json(self) -> bool:
        """Whether there is JSON to send; it may be ``null``."""
        return "json_body" in self.model_fields_set

    @field_validator("call")
    @classmethod
    def _callable(cls, call: str) -> str:
        method_and_path(call)
        return call

    @field_validator("headers")
    @classmethod
    def _sendable(cls, headers: dict[str, str]) -> dict[str, str]:
        seen: set[str] = set()
        for name, value in headers.items():
            check_header(name, value)
            if name.lower() in seen:
                raise ValueError(
                    f"the header {name} is there twice; upper and lower case are alike"
                )
            seen.add(name.lower())
        return headers

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.has_json and self.body is not None:
            raise ValueError("body: write either `json` or `body`, not both")
        return self

    def is_ok(self, status: int | None) -> bool:
        """Whether an answer with this status is a success."""
        if status is None:
            return False
        return status in self.ok if self.ok else 200 <= status < 300
