"""What a contract says of something that the service calls."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from harness.contract.request import check_header, check_path
from harness.contract.sent import HttpStatus
from harness.contract.words import Words
from harness.script import Usual

_OF_WITNESSES: Final = ("answer", "paths")
_CONTENT_TYPE: Final = "content-type"
_PLAIN: Final = "text/plain; charset=utf-8"


class Answered(Words):
    """What a witness answers when all is well.

    Attributes:
        status: of the answer; 200 if left out.
        headers: header fields of the answer.
        json_body: JSON of the answer (written `json`); `{}` if `body` is left out too.
        body: text of the answer as it is.
    """

    status: HttpStatus = 200
    headers: dict[str, str] = Field(default_factory=dict)
    json_body: Annotated[Any, Field(alias="json")] = None
    body: str | None = None

    @field_validator("headers")
    @classmethod
    def _sendable(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            check_header(name, value)
        if len({name.lower() for name in headers}) < len(headers):
            raise ValueError("a header is there twice; upper and lower case are alike")
        return headers

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if "json_body" in self.model_fields_set and self.body is not None:
            raise ValueError("body: write either `json` or `body`, not both")
        return self

    def usual(self, path: str) -> Usual:
        """The same for the witness, to requests whose path begins with ``path``."""
        is_json = self.body is None
        has_json = "json_body" in self.model_fields_set
        types = [v for name, v in self.headers.items() if name.lower() == _CONTENT_TYPE]
        return Usual(
            path=path,
            status=self.status,
            headers=tuple(
                pair for pair in self.headers.items() if pair[0].lower() != _CONTENT_TYPE
            ),
            body=self.body or (json.dumps(self.json_body if has_json else {}) if is_json else ""),
            content_type=types[0] if types else "application/json" if is_json else _PLAIN,
        )


class Dependency(Words):
    """Something that the service calls, and that Stormproof starts for it.

    Attributes:
        kind: `valkey` (a real store), or `witness` (a scripted HTTP service that records each call).
        answer: of a witness: what it answers when all is well; 200 with `{}` if left out.
        paths: of a witness: the same for requests whose path begins so; the longest that fits decides.
    """

    kind: Literal["valkey", "witness"]
    answer: Answered | None = None
    paths: dict[str, Answered] = Field(default_factory=dict)

    @field_validator("paths")
    @classmethod
    def _prefixes(cls, paths: dict[str, Answered]) -> dict[str, Answered]:
        for path in paths:
            check_path(path)
            if "?" in path:
                raise ValueError(f"{path}: no query here, requests are told apart by their path")
        return paths

    @model_validator(mode="after")
    def _answers_if_witness(self) -> Self:
        for name in _OF_WITNESSES:
            if self.kind != "witness" and name in self.model_fields_set:
                raise ValueError(
                    f"{name}: does not go with `kind: {self.kind}`, a real store answers by itself; "
                    "only a witness is told what to answer"
                )
        return self

    def usual(self) -> tuple[Usual, ...]:
        """What a witness answers when all is well."""
        answer = self.answer or Answered()
        return (
            answer.usual(""),
            *(answered.usual(path) for path, answered in self.paths.items()),
        )
