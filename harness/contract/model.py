"""A contract as values: what a service is, what it needs, what it does and what it promises."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, StringConstraints

from harness.contract.dependency import Answered, Dependency
from harness.contract.identity import Identity, Login
from harness.contract.sent import Sent
from harness.contract.target import Image, Process, Ready, Target, Tls
from harness.contract.words import Name, Promise, Words, as_list

__all__ = [
    "Answered",
    "Contract",
    "Dependency",
    "Identity",
    "Image",
    "Login",
    "Operation",
    "Process",
    "Ready",
    "Sent",
    "Target",
    "Tls",
]

LOGIN: Final = "login"
"""What logins are called in a history, where no operation makes the same call."""


class Operation(Sent):
    """One call that the service answers.

    Attributes:
        uses: the dependencies that serve it.
        identity: the identity that each call carries.
    """

    uses: Annotated[tuple[Name, ...], BeforeValidator(as_list)] = ()
    identity: Name | None = None


class Contract(Words):
    """What a service promises, and how to start and call it.

    Attributes:
        contract: version of this format: 1.
        service: name of the service, for reports.
        target: the service itself.
        dependencies: what the service calls, by name.
        identities: ways to be a client of one's own, by name.
        operations: the calls that it answers, by name.
        promises: what is to be checked; an empty list while the contract is being written.
    """

    contract: Literal[1]
    service: Annotated[str, StringConstraints(pattern=r"^\S(.{0,98}\S)?$")]
    target: Target
    dependencies: dict[Name, Dependency] = Field(default_factory=dict)
    identities: dict[Name, Identity] = Field(default_factory=dict)
    operations: Annotated[dict[Name, Operation], Field(min_length=1)]
    promises: tuple[SerializeAsAny[Promise], ...]

    def login_operation(self, login: Login) -> str:
        """The name under which a login is written down: the operation that makes the same call, if any."""
        same = (name for name, spec in self.operations.items() if spec.call == login.call)
        return next(same, LOGIN)
