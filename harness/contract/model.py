"""A contract as values: what a service is, what it needs, what it does and what it promises."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SerializeAsAny,
    StringConstraints,
    field_validator,
    model_validator,
)

from harness.contract.request import (
    check_header,
    check_path,
    check_query_name,
    check_url,
    method_and_path,
)
from harness.contract.words import DurationNs, Name, Promise, Words, YesOrNo, as_list
from harness.units import NS_PER_S

Text = Annotated[str, StringConstraints(min_length=1)]
Command = Annotated[tuple[Text, ...], Field(min_length=1)]
HttpStatus = Annotated[int, Field(ge=200, le=599)]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Ready(Words):
    """How to see that the service is up: by one GET, or by a mere TCP connect.

    Attributes:
        get: path that is answered with any status below 500; mind that a probe can spend a limiter's budget.
        tcp: a connection that is accepted is enough; the default.
        within: longest time from start to ready, for example ``10s``.
    """

    get: Annotated[str, AfterValidator(check_path)] | None = None
    tcp: YesOrNo = False
    within: DurationNs = 10 * NS_PER_S

    @model_validator(mode="before")
    @classmethod
    def _tcp_if_nothing_else(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.keys() & {"get", "tcp"}:
            return {**data, "tcp": True}
        return data

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.get is not None and self.tcp:
            raise ValueError("tcp: write either `get` or `tcp: yes`, not both")
        if self.get is None and not self.tcp:
            raise ValueError("tcp: with `tcp: no` there must be a path under `get`")
        return self


class Image(Words):
    """The service as a container image, for ``--backend container``.

    Attributes:
        build: folder with the Dockerfile, from the folder of the contract.
        ref: an image that is there already.
        tag: name for the image that is built.
    """

    build: Text | None = None
    ref: Text | None = None
    tag: Text | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.build is None) == (self.ref is None):
            raise ValueError("image: write either `build` or `ref`")
        if self.tag is not None and self.build is None:
            raise ValueError("tag: only an image that is built gets a tag")
        return self


class Target(Words):
    """The service: a command that starts it, or the address of one that runs already.

    Attributes:
        command: program and arguments, no shell; `{port}` is the port to listen on.
        url: `http://HOST:PORT` of a service that runs already; it is never stopped.
        env: environment variables; besides these it gets only PATH, HOME and a locale.
        cwd: folder to run in; the folder of the contract if left out.
        python: interpreter that `{python}` stands for; the one that runs Stormproof if left out.
        setup: commands to run before each start, in this order.
        ready: how to see that it is up.
        image: the same service as a container image.
    """

    command: Command | None = None
    url: Annotated[str, AfterValidator(check_url)] | None = None
    env: dict[VariableName, str] = Field(default_factory=dict)
    cwd: Text | None = None
    python: Text | None = None
    setup: tuple[Command, ...] = ()
    ready: Ready = Ready()
    image: Image | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.command is None and self.url is None:
            raise ValueError("target: write a `command` that starts the service, or its `url`")
        if self.url is None:
            return self
        for name in ("command", "env", "cwd", "python", "setup", "image"):
            if name in self.model_fields_set:
                raise ValueError(
                    f"{name}: does not go with `url`: what runs already is not started by Stormproof"
                )
        return self


class Dependency(Words):
    """Something that the service calls, and that Stormproof starts for it.

    Attributes:
        kind: `valkey` (a real store), or `witness` (a scripted HTTP service that records each call).
    """

    kind: Literal["valkey", "witness"]


class Identity(Words):
    """How one client differs from another; `{n}` is the client's number.

    Attributes:
        header: name of the header that carries `value`.
        bearer: token of `Authorization: Bearer`.
        query: name of the query parameter that carries `value`.
        source: each client has a source address of its own.
        value: the value of `header` or `query`.
    """

    header: Text | None = None
    bearer: Text | None = None
    query: Text | None = None
    source: YesOrNo = False
    value: Text | None = None

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
        if self.header is not None:
            check_header(self.header, self.value or "")
        if self.bearer is not None:
            check_header("Authorization", self.bearer)
        if self.query is not None:
            check_query_name(self.query)
        return self


class Operation(Words):
    """One call that the service answers.

    Attributes:
        call: method and path with query, as in `GET /search?q={text}`.
        headers: header fields of the call.
        json_body: JSON to send (written `json` in the contract).
        body: text to send as it is.
        ok: statuses of success, one or a list; any 2xx if left out.
        uses: the dependencies that serve it.
        identity: the identity that each call carries.
    """

    call: str
    headers: dict[str, str] = Field(default_factory=dict)
    json_body: Annotated[Any, Field(alias="json")] = None
    body: str | None = None
    ok: Annotated[tuple[HttpStatus, ...], BeforeValidator(as_list)] = ()
    uses: Annotated[tuple[Name, ...], BeforeValidator(as_list)] = ()
    identity: Name | None = None

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


class Contract(Words):
    """What a service promises, and how to start and call it.

    Attributes:
        contract: version of this format: 1.
        service: name of the service, for reports.
        target: the service itself.
        dependencies: what the service calls, by name.
        identities: ways to be a client of one's own, by name.
        operations: the calls that it answers, by name.
        promises: what is to be checked.
    """

    contract: Literal[1]
    service: Annotated[str, StringConstraints(pattern=r"^\S(.{0,98}\S)?$")]
    target: Target
    dependencies: dict[Name, Dependency] = Field(default_factory=dict)
    identities: dict[Name, Identity] = Field(default_factory=dict)
    operations: Annotated[dict[Name, Operation], Field(min_length=1)]
    promises: Annotated[tuple[SerializeAsAny[Promise], ...], Field(min_length=1)]
