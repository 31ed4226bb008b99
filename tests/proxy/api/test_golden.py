"""The golden table, against ours and against the real server."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from tests.proxy.api import model
from tests.proxy.api.differences import DIFFERENCES, SHOWN
from tests.proxy.api.golden import KINDS, ROWS, Row, Said
from tests.proxy.api.servers import Answer, Server, real, real_binary, with_ports

REQUEST_ID = re.compile(r"[0-9a-v]{20}")
ALWAYS = {"date", "connection", "content-length", "transfer-encoding"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_golden_table(any_server: Server, row: Row) -> None:
    """Every request is answered with this status, these headers and this body."""
    if any_server.is_real and row.stays:
        with real(real_binary() or "") as server, with_ports(server):
            check(server, row)
    else:
        check(any_server, row)


def check(server: Server, row: Row) -> None:
    """Ask, and compare."""
    for method, path, body in row.given:
        assert server.ask(method, path, body).status in {200, 201}
    method, _, path = row.asked.partition(" ")
    answer = server.ask(method, path, row.body, dict(row.headers))
    wanted = row.said if server.is_real or row.ours is None else row.ours
    assert (answer.status, answer.body) == (wanted.status, shown(wanted, answer)), answer
    check_headers(answer, wanted, server)
    if row.then is not None:
        assert server.ask("GET", row.then[0]).body == row.then[1]


def shown(wanted: Said, answer: Answer) -> str:
    """The body, as far as the table tells it."""
    if wanted.kind == "moved":
        assert answer.headers["location"] == wanted.body
        return ""
    if wanted.body.endswith("*"):
        assert answer.body.startswith(wanted.body[:-1]), answer
        return answer.body
    return wanted.body


def check_headers(answer: Answer, wanted: Said, server: Server) -> None:
    """Those of its kind, and no others."""
    headers = {name: value for name, value in answer.headers.items() if name not in ALWAYS}
    name = headers.pop("x-toxiproxy-request-id", "")
    assert bool(name) == ("id" in KINDS[wanted.kind])
    assert not name or REQUEST_ID.fullmatch(name)
    if not server.is_real:
        assert headers.pop("server") == "stormproof"  # the difference "server-header"
    assert headers.pop("location", "") == (wanted.body if wanted.kind == "moved" else "")
    assert headers == {
        name: value for name, value in KINDS[wanted.kind].items() if name not in {"id", "location"}
    }


def test_differences_have_reasons() -> None:
    """A row that departs from the real server names a reason of the table."""
    for row in ROWS:
        assert (row.ours is None) == (row.why == ""), row.name
        assert not row.why or row.why in DIFFERENCES, row.name
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_differences_are_shown() -> None:
    """None stands in the table that no test shows."""
    for name in ("changes", "hostile", "http", "start", "watching"):
        import_module(f"tests.proxy.api.test_{name}")
    in_model = re.findall(r'self\.ours\("(.*?)"\)', Path(model.__file__).read_text())
    in_table = {row.why for row in ROWS if row.why}
    assert {*in_model, *in_table, *SHOWN} == DIFFERENCES.keys()
