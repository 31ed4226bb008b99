"""Several processes in one target, TLS, and identities that log in: what may be written, and what not."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from harness.contract.load import load
from harness.contract.model import Contract, Ready, Tls
from harness.contract.schema import contract_schema
from harness.errors import ContractError
from harness.promises.rate_limit.words import RateLimit
from harness.units import NS_PER_S

KINDS = {"rate_limit": RateLimit}
TARGET = """\
target:
  processes:
    worker: {command: [work, "{queue.port}"]}
    queue: {command: [queue, --listen, "{queue.port}"]}
    web: {command: [serve, "{port}"], env: {QUEUE: "127.0.0.1:{queue.port}"}, ready: {get: /up}}
  env: {SHARED: "yes", WEB: "{web.port}"}
"""
LOGIN = """\
identities:
  user:
    bearer: "{token}"
    login:
      call: POST /login
      json: {user: "user-{n}", password: "{env.PASSWORD}"}
      token: /access_token
"""
REST = """\
operations:
  get: {call: GET /, identity: user}
promises:
  - {id: rate, kind: rate_limit, operation: get, key: user, limit: 5/min}
"""
WHOLE = f"contract: 1\nservice: s\n{TARGET}{LOGIN}{REST}"


def read(folder: Path, text: str) -> Contract:
    path = folder / "contract.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, KINDS, environ={"PASSWORD": "hush"}).contract


def test_the_called_process_is_the_one_with_the_port(tmp_path: Path) -> None:
    """Order is the file's; who has a port of its own is waited for, a worker is not."""
    target = read(tmp_path, WHOLE).target
    assert list(target.started()) == ["worker", "queue", "web"]
    assert target.called() == "web"
    assert target.listening() == {"queue", "web"}
    assert target.started()["web"].ready == Ready(get="/up", within=10 * NS_PER_S)


def test_one_command_is_one_process(tmp_path: Path) -> None:
    """The short form means the same, with the target's own `ready`."""
    text = WHOLE.replace(TARGET, 'target: {command: [x, "{port}"], ready: {get: /up}}\n')
    target = read(tmp_path, text).target
    ((name, process),) = target.started().items()
    assert target.called() == name
    assert target.listening() == {name}
    assert process.ready == Ready(get="/up")


def test_a_login_is_an_operation_if_one_makes_the_same_call(tmp_path: Path) -> None:
    """So that a promise about it counts these calls, too."""
    contract = read(tmp_path, WHOLE)
    login = contract.identities["user"].login
    assert login is not None
    assert contract.login_operation(login) == "login"
    more = WHOLE.replace("operations:\n", "operations:\n  enter: {call: POST /login}\n")
    assert read(tmp_path, more).login_operation(login) == "enter"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", ""),
        ("      token: /access_token", "      token_header: X-Token\n      lasts: 15min"),
        ("      token: /access_token", '      token: ""\n      ok: [200, 201]'),
        ('bearer: "{token}"', 'header: Cookie\n    value: "session={token}"'),
        ("operations:\n", "operations:\n  login: {call: POST /login}\n"),
        (TARGET, "target: {url: 'https://localhost:1', tls: {trust: ca.pem, name: shop.test}}\n"),
        (TARGET, "target: {url: 'https://localhost:1'}\n"),
        (TARGET, TARGET + '  tls: {trust: "{work.dir}/ca.pem"}\n'),
        (TARGET, TARGET + "  tls: {}\n"),
    ],
)
def test_what_may_be_written(tmp_path: Path, old: str, new: str) -> None:
    """Loader and schema agree on it."""
    assert old in WHOLE
    text = WHOLE.replace(old, new, 1)
    read(tmp_path, text)
    plain = YAML(typ="safe", pure=True).load(text)
    assert not list(Draft202012Validator(contract_schema(KINDS)).iter_errors(plain))


def test_tls_of_a_target(tmp_path: Path) -> None:
    """One shape, whether the service is started or runs already."""
    contract = read(tmp_path, WHOLE.replace(TARGET, TARGET + "  tls: {trust: ca.pem}\n"))
    assert contract.target.tls == Tls(trust="ca.pem")


RULES = {
    "two ways": ("  env: {SHARED", '  §command: [x, "{port}"]\n  env: {SHARED', "make it one of"),
    "processes and url": (
        "  processes:",
        "  url: http://localhost:1\n  §processes:",
        "not go with",
    ),
    "no process": (TARGET, "target:\n  processes: §{}\n", "must not be empty"),
    "ready of all": ("  env: {SHARED", "  §ready: {tcp: yes}\n  env: {SHARED", "write it in the"),
    "nobody is called": ('serve, "{port}"', 'serve, "{web.port}"', "nothing tells the service"),
    "two are called": ('"{queue.port}"]}\n    web', '"{port}"]}\n    web', "write {web.port} or"),
    "port for all": ('WEB: "{web.port}"', 'WEB: "{port}"', "write {NAME.port} here"),
    "port of nobody": ('WEB: "{web.port}"', 'WEB: §"{wep.port}"', "Did you mean `{web.port}`?"),
    "port where nobody starts": (
        "call: GET /,",
        'call: §"GET /{web.port}",',
        "cannot be used here",
    ),
    "waiting for nobody": (
        '[work, "{queue.port}"]',
        "[work], ready: §{tcp: yes}",
        "nothing tells `worker` where to listen",
    ),
    "reserved process": ("    worker:", "    §env:", "`env` cannot be a name here"),
    "unknown key of a process": ("worker: {command", "worker: {§comand", "did you mean `command`?"),
    "process that is no mapping": (
        'worker: {command: [work, "{queue.port}"]}',
        "worker: §run",
        "a mapping",
    ),
    "tls and http": (TARGET, "target:\n  url: http://localhost:1\n  §tls: {}\n", "write https"),
    "folder of nobody": (
        TARGET,
        'target:\n  url: https://localhost:1\n  tls: {trust: §"{work.dir}/ca.pem"}\n',
        "cannot be used here",
    ),
    "certificate for no host": (TARGET, f"{TARGET}  tls: {{name: §a/b}}\n", "a host name"),
    "token without login": (LOGIN[LOGIN.index("    login:") :], "", "{token} cannot be used here"),
    "login without token": ('bearer: "{token}"', 'bearer: §"x-{n}"', "holds no {token}"),
    "everybody logs in alike": ("user-{n}", "user", "holds no {n}"),
    "token from nowhere": ("      token: /access_token\n", "", "write where the token is"),
    "token from two places": (
        "token: /access_token",
        "token: /access_token\n      token_header: X",
        "write where the token is",
    ),
    "token that is no pointer": ("/access_token", "§access_token", "begins with /"),
    "token with a lone tilde": ("/access_token", "§/a~b", "~ is written ~0"),
    "login with an address": ('bearer: "{token}"', "source: yes", "an address carries no token"),
    "login called to no path": ("POST /login", "§POST login", "must begin with /"),
    "login with unset variable": ("env.PASSWORD", "env.PASSWROD", "PASSWROD is not set"),
    "operation that is no login": (
        "operations:\n",
        "operations:\n  §login: {call: GET /login}\n",
        "means the login of `user`",
    ),
    "token for no time": ("      token: /a", "      lasts: §0s\n      token: /a", "must be over 0"),
}


@pytest.mark.parametrize(("old", "new", "words"), RULES.values(), ids=RULES.keys())
def test_each_rule_is_told_with_its_place(tmp_path: Path, old: str, new: str, words: str) -> None:
    """The message holds the decisive words, at the line and column of ``§`` where one is given."""
    assert WHOLE.count(old) == 1, old
    marked = WHOLE.replace(old, new)
    before, mark, _ = marked.partition("§")
    with pytest.raises(ContractError) as caught:
        read(tmp_path, marked.replace("§", ""))
    told = [problem for problem in caught.value.problems if words in problem.message]
    assert told, caught.value
    if mark:
        place = (before.count("\n") + 1, len(before) - before.rfind("\n"))
        assert [(problem.line, problem.column) for problem in told] == [place]
