"""Identities that log in: each caller gets a token of its own, and none of it is ever told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.contract.load import LoadedContract, load
from harness.promises import words
from harness.runner.logins import LoginFailed
from harness.runner.world import World
from harness.seeds import Seed
from harness.supervisor import Supervisor
from tests.cli.conftest import Stormproof

BANK = Path(__file__).parent / "programs" / "bank.py"
PASSWORD = "open sesame"


def contract(options: str = "", identity: str = "", login: str = "", more: str = "") -> str:
    """A contract of the bank."""
    return f"""\
contract: 1
service: bank
target: {{command: ["{{python}}", "{BANK}", "{{port}}"{options}]}}
identities:
  user:
    {identity or 'bearer: "{token}"'}
    login:
      call: POST /login
      json: {{user: "user-{{n}}", password: "{{env.BANK_PASSWORD}}"}}
      {login or "token: /data/0/access~0token"}
operations:
  account: {{call: GET /account, identity: user, ok: 200}}
{more}
promises:
  - {{id: rate, kind: rate_limit, operation: account, key: user, limit: 5/10s,
     exceeded: {{status: 429, headers: [Retry-After]}}}}
"""


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANK_PASSWORD", PASSWORD)


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with Supervisor() as supervisor:
        yield supervisor


def loaded(folder: Path, text: str) -> LoadedContract:
    path = folder / "contract.yaml"
    path.write_text(text)
    return load(path, words())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (contract(), 0),
        (contract(", header", login="token_header: X-Token"), 0),
        (
            contract(
                ", cookie", 'header: Cookie\n    value: "{token}"', "token_header: Set-Cookie"
            ),
            0,
        ),
        (contract(", short", login="token: /data/0/access~0token\n      lasts: 15s"), 0),
        (contract(", shared"), 1),
    ],
    ids=["json", "header", "cookie", "renewed", "one budget for all"],
)
def test_verified_behind_a_login(
    stormproof: Stormproof, tmp_path: Path, text: str, code: int
) -> None:
    """Each caller logs in once, and again when its token is too old; defects are still seen."""
    ran = stormproof("verify", loaded(tmp_path, text).path)
    assert ran.code == code, ran.out + ran.err
    written = "".join(
        path.read_text(errors="replace") for path in ran.report.rglob("*") if path.is_file()
    )
    assert PASSWORD not in written + ran.out
    assert "token-of-" not in written + ran.out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (contract(", wrong-password"), "was answered with 401: "),
        (contract(", no-token"), "JSON that has no /data/0/access~0token; there is session"),
        (contract(", html"), "was answered with 200, and not with JSON"),
        (contract(login="token: /data/1"), "has no /data/1"),
        (contract(login="token: /data"), "no token: a text is needed"),
        (contract(login="token_header: X-Token"), "without the header X-Token"),
        (contract(", same-token"), "the token that client 1 has already"),
        (contract(", short"), "was answered with 401 although it had logged in: if tokens end"),
        (contract(login='token: ""\n      ok: 204'), "was answered with 200"),
    ],
)
def test_a_failed_login_is_could_not_run(
    stormproof: Stormproof, tmp_path: Path, text: str, said: str
) -> None:
    """With what was answered, and nobody's secret: the bank echoes the password, we do not."""
    ran = stormproof("verify", loaded(tmp_path, text).path)
    assert ran.code == (2 if "end" in said or "already" in said else 3), ran.out + ran.err
    (promise,) = ran.record["promises"]
    assert promise["reason"].startswith("could not run: ")
    assert said in promise["reason"]
    assert PASSWORD not in promise["reason"] + ran.out
    assert "token-of-" not in promise["reason"] + ran.out
    if "wrong" in text:
        assert "{env.BANK_PASSWORD}" in promise["reason"]


def test_a_login_stands_in_the_history(tmp_path: Path, supervisor: Supervisor) -> None:
    """Once for each caller, under `login`, as a call of that caller that may have used its budget."""
    with World(loaded(tmp_path, contract()), supervisor, Seed(1)) as world:
        caller = world.fresh_caller()
        for _ in range(2):
            token = world.logins.token("account", caller, key="user", source=None, forwarded=None)
            assert token == f"token-of-user-{caller.number}"
        (call,) = world.history().calls
        assert (call.operation, call.identity, call.status) == ("login", caller.number, 200)
        assert call.caller == f"user-{caller.number}"
        assert call.body == b""


def test_a_login_that_uses_the_budget_accuses_nobody(
    stormproof: Stormproof, tmp_path: Path
) -> None:
    """The bank counts the login too, which the contract does not say: a refusal may be due to that."""
    ran = stormproof("verify", loaded(tmp_path, contract(", counts-login")).path)
    assert ran.code in {0, 2}, ran.out


def test_an_operation_that_is_the_login_needs_none(tmp_path: Path, supervisor: Supervisor) -> None:
    """Its calls are those that a promise on it counts, and they carry no token."""
    enter = '  enter: {call: POST /login, json: {user: "user-{n}", password: "open sesame"}}'
    with World(loaded(tmp_path, contract(more=enter)), supervisor, Seed(1)) as world:
        caller = world.fresh_caller()
        assert world.logins.token("enter", caller, key="user", source=None, forwarded=None) is None
        assert not world.history().calls
        assert world.logins.token("account", caller, key="user", source=None, forwarded=None)
        assert [call.operation for call in world.history().calls] == ["enter"]
        request = world.composer.compose(
            "enter", caller, key="user", source=None, forwarded=None, connection=None
        )
        assert request.identity == caller.number
        assert "Authorization" not in dict(request.headers)


def test_a_restart_forgets_all_tokens(tmp_path: Path, supervisor: Supervisor) -> None:
    """What the old process gave away is worth nothing to the new one."""
    with World(loaded(tmp_path, contract()), supervisor, Seed(1), clock="real") as world:
        caller = world.fresh_caller()
        for _ in range(2):
            world.logins.token("account", caller, key="user", source=None, forwarded=None)
            world.restart()
        assert len(world.history().calls) == 2


def test_nothing_answers_the_login(tmp_path: Path, supervisor: Supervisor) -> None:
    """The reason is the client's."""
    with World(loaded(tmp_path, contract()), supervisor, Seed(1), clock="real") as world:
        world.target.stop()
        with pytest.raises(LoginFailed, match=r"had no answer \(refused\)"):
            world.logins.token(
                "account", world.fresh_caller(), key="user", source=None, forwarded=None
            )
