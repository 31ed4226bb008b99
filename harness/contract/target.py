"""What a contract says of the service itself: how it is started, or where it runs already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from harness.contract.names import names_in
from harness.contract.request import check_path, check_url
from harness.contract.words import DurationNs, Name, Words, YesOrNo
from harness.units import NS_PER_S

Text = Annotated[str, StringConstraints(min_length=1)]
Command = Annotated[tuple[Text, ...], Field(min_length=1)]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.:-]{1,253}$")]

SOLE: Final = "target"
"""What the only process of a target is called."""
_STARTS: Final = ("env", "cwd", "python", "setup", "image")


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


class Tls(Words):
    """The service speaks TLS; its certificate is checked.

    Attributes:
        trust: file with the certificates (PEM) that are trusted in place of the system's.
        name: host name that the certificate must hold; the host of `url`, else `localhost`.
    """

    trust: Text | None = None
    name: HostName | None = None


class Process(Words):
    """One of several processes of a service.

    Attributes:
        command: program and arguments, no shell; `{port}` stands in the process that is called.
        env: environment variables of this process, besides those of the target.
        cwd: folder to run in; that of the target if left out.
        ready: how to see that it is up; a connect if it listens, else it need only run.
    """

    command: Command
    env: dict[VariableName, str] = Field(default_factory=dict)
    cwd: Text | None = None
    ready: Ready | None = None

    def names(self) -> set[str]:
        """The names in braces that it is started with."""
        return {name for text in (*self.command, *self.env.values()) for name in names_in(text)}


class Target(Words):
    """The service: a command that starts it, several processes, or the address of one that runs already.

    Attributes:
        command: program and arguments, no shell; `{port}` is the port to listen on.
        processes: several processes by name, started in this order; `{port}` stands in the one that
            is called, `{NAME.port}` is a free port for the process NAME.
        url: `http://HOST:PORT` or `https://…` of a service that runs already; it is never stopped.
        env: environment variables; besides these it gets only PATH, HOME and a locale.
        cwd: folder to run in; the folder of the contract if left out.
        python: interpreter that `{python}` stands for; the one that runs Stormproof if left out.
        setup: commands to run before each start, in this order.
        ready: how to see that it is up.
        tls: the service speaks TLS, and what its certificate is checked against.
        image: the same service as a container image.
    """

    command: Command | None = None
    processes: Annotated[dict[Name, Process], Field(min_length=1)] | None = None
    url: Annotated[str, AfterValidator(check_url)] | None = None
    env: dict[VariableName, str] = Field(default_factory=dict)
    cwd: Text | None = None
    python: Text | None = None
    setup: tuple[Command, ...] = ()
    ready: Ready = Ready()
    tls: Tls | None = None
    image: Image | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        ways = [way for way in ("command", "processes", "url") if getattr(self, way) is not None]
        if not ways:
            raise ValueError(
                "target: write a `command` that starts the service, its `processes`, or its `url`"
            )
        if ways == ["command", "processes"]:
            raise ValueError("command: does not go with `processes`: make it one of them")
        if self.processes is not None and "ready" in self.model_fields_set:
            raise ValueError("ready: write it in the process that it is about")
        if self.url is None:
            return self
        for name in ("command", "processes", *_STARTS):
            if name in self.model_fields_set:
                raise ValueError(
                    f"{name}: does not go with `url`: what runs already is not started by Stormproof"
                )
        if self.tls is not None and not self.url.startswith("https:"):
            raise ValueError("tls: does not go with an `http` address; write https under `url`")
        return self

    def started(self) -> Mapping[str, Process]:
        """What is started, by name, in order; nothing where the service runs already."""
        if self.processes is not None:
            return self.processes
        if self.command is None:
            return {}
        return {SOLE: Process(command=self.command, ready=self.ready)}

    def called(self) -> str:
        """Name of the process that is called: where `{port}` stands."""
        found = (name for name, process in self.started().items() if "port" in process.names())
        return next(found, SOLE)

    def listening(self) -> frozenset[str]:
        """Names of the processes that somebody is told where to reach, the one that is called among them."""
        texts = [*self.env.values(), *(part for command in self.setup for part in command)]
        said = {name for text in texts for name in names_in(text)}
        said.update(*(process.names() for process in self.started().values()))
        reached = {name.removesuffix(".port") for name in said if name.endswith(".port")}
        return frozenset({*reached, self.called()} & self.started().keys())
