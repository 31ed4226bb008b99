"""``stormproof init``: a first contract from what a running service says of itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness.contract.load import load
from harness.promises import words
from harness.promises.rate_limit.words import RateLimit
from harness.targets import free_port
from harness.targets.ports import connect_error
from harness.units import NS_PER_S, Rate
from tests.cli.conftest import Ran, Stormproof

HERE = Path(__file__).parent
SHOP: dict[str, Any] = json.loads((HERE / "shop_openapi.json").read_text())
JSON = {"Content-Type": "application/json"}
Answers = dict[str, tuple[int, dict[str, str], Any]]


class Service:
    """A running service, and what it was asked."""

    def __init__(self, port: int, log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._log = log

    def calls(self) -> list[str]:
        return self._log.read_text().splitlines()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Answers], Service]]:
    """Start a service with these answers."""
    with ExitStack() as stack:

        def start(answers: Answers) -> Service:
            settings, log = tmp_path / "settings.json", tmp_path / "calls.txt"
            settings.write_text(json.dumps({"answers": answers}))
            program = [sys.executable, str(HERE / "programs" / "described.py"), "0", str(settings)]
            with log.open("w") as out:
                process = subprocess.Popen(program, stdout=out, stderr=subprocess.PIPE, text=True)
            stack.callback(process.wait)
            stack.callback(process.kill)
            assert process.stderr is not None
            stack.callback(process.stderr.close)
            return Service(int(process.stderr.readline()), log)

        yield start


@pytest.fixture
def init(stormproof: Stormproof, tmp_path: Path) -> Callable[..., Ran]:
    """Run it, into ``contract.yaml`` of the test's folder."""

    def run(url: str, *more: str | Path) -> Ran:
        return stormproof("init", url, "--output", tmp_path / "contract.yaml", *more)

    return run


def test_a_described_service(
    serve: Callable[[Answers], Service],
    init: Callable[..., Ran],
    stormproof: Stormproof,
    tmp_path: Path,
) -> None:
    """Operations, identities and the limit that an answer tells of; what is made up is marked."""
    service = serve(
        {
            "/openapi.json": (200, JSON, SHOP),
            "/v1/health": (200, {}, {"up": True}),
            "/v1/items?q=red+%26+blue": (200, {"RateLimit-Policy": '"d";q=60;w=60'}, []),
        }
    )
    ran = init(service.url)
    assert ran.code == 0, ran.err
    text = (tmp_path / "contract.yaml").read_text()
    contract = load(tmp_path / "contract.yaml", words()).contract
    assert contract.service == "Shop API"
    assert contract.target.url == service.url
    calls = {name: operation.call for name, operation in contract.operations.items()}
    assert calls == {
        "get_health": "GET /v1/health",
        "list_items": "GET /v1/items?q=red+%26+blue",
        "add_item": "POST /v1/items",
        "op_yes": "GET /v1/items/1",
        "drop": "DELETE /v1/items/1",
        "loop": "PUT /v1/loop",
    }
    assert contract.operations["list_items"].identity == "ApiKey"
    assert contract.operations["list_items"].ok == (200,)
    assert contract.operations["add_item"].ok == (201,)
    made = contract.operations["add_item"].json_body
    assert made == {"name": "a {{b}}", "size": 1, "tags": []}
    assert contract.identities["ApiKey"].header == "X-API-Key"
    assert contract.identities["Token"].bearer == "token-{n}"
    assert contract.identities["Query"].query == "api_key"
    (promise,) = contract.promises
    assert isinstance(promise, RateLimit)
    assert (promise.id, promise.key) == ("list_items-rate", "ApiKey")
    assert promise.limit == (Rate(60, 60 * NS_PER_S),)
    assert promise.exceeded.headers == ("Retry-After",)
    assert "RateLimit-Policy" in (promise.says or "")
    assert text.count("FILL IN: id = 1 is made up") == 2
    assert "FILL IN: its body is made up" in text
    planned = stormproof("plan", tmp_path / "contract.yaml")
    assert planned.code == 0, planned.err


def test_it_asks_little_and_harms_nobody(
    serve: Callable[[Answers], Service], init: Callable[..., Ran]
) -> None:
    """At most ten GETs; nothing with a made-up parameter is ever called."""
    service = serve({"/v3/api-docs": (200, JSON, SHOP)})
    assert init(service.url).code == 0
    calls = service.calls()
    assert len(calls) <= 10
    assert all(call.startswith("GET ") for call in calls)
    assert not any("/items/" in call or "loop" in call for call in calls)
    assert "GET /v1/health" in calls


def test_equal_services_give_equal_contracts(
    serve: Callable[[Answers], Service], init: Callable[..., Ran], tmp_path: Path
) -> None:
    """Headers that count down change nothing."""
    texts = []
    for left in (59, 3):
        headers = {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": str(left)}
        headers |= {"X-RateLimit-Reset": str(1_700_000_000 + left)}
        service = serve({"/openapi.json": (200, JSON, SHOP), "/v1/health": (200, headers, "up")})
        assert init(service.url, "--force").code == 0
        text = (tmp_path / "contract.yaml").read_text()
        texts.append(text.replace(service.url, "URL"))
    assert texts[0] == texts[1]
    assert "limit: 60/FILL-IN" in texts[0]


def test_a_limit_in_the_document_alone(
    serve: Callable[[Answers], Service], init: Callable[..., Ran], tmp_path: Path
) -> None:
    """What its 429 answer says is taken, with the sentence as source."""
    service = serve({"/openapi.json": (200, JSON, SHOP)})
    assert init(service.url).code == 0
    (promise,) = load(tmp_path / "contract.yaml", words()).contract.promises
    assert isinstance(promise, RateLimit)
    assert promise.limit == (Rate(60, 60 * NS_PER_S),)
    assert 'its 429 answer: "60 requests per minute"' in (promise.says or "")


def test_yaml_documents(
    serve: Callable[[Answers], Service], init: Callable[..., Ran], tmp_path: Path
) -> None:
    """Statuses without quotes, anchors and all."""
    document = """
openapi: 3.0.3
info: {title: Small, version: 1.0.0}
paths:
  /a:
    get: &get
      responses:
        200: {description: fine}
        429: {description: "Limit: 5 calls per 10 seconds"}
  /b:
    get: *get
"""
    service = serve({"/openapi.yaml": (200, {}, document)})
    assert init(service.url).code == 0
    contract = load(tmp_path / "contract.yaml", words()).contract
    assert [operation.ok for operation in contract.operations.values()] == [(200,), (200,)]
    assert len(contract.promises) == 2


def test_nothing_is_known(
    serve: Callable[[Answers], Service],
    init: Callable[..., Ran],
    stormproof: Stormproof,
    tmp_path: Path,
) -> None:
    """Without a document: what was seen, and an example to go on from; it loads, and plan says so."""
    service = serve({"/": (200, {"X-RateLimit-Limit-Minute": "7"}, "<html>hello")})
    ran = init(service.url)
    assert ran.code == 0
    assert "no OpenAPI document was found" in ran.err
    (promise,) = load(tmp_path / "contract.yaml", words()).contract.promises
    assert isinstance(promise, RateLimit)
    assert promise.limit == (Rate(7, 60 * NS_PER_S),)
    empty = serve({})
    assert init(empty.url, "--force").code == 0
    assert load(tmp_path / "contract.yaml", words()).contract.promises == ()
    planned = stormproof("plan", tmp_path / "contract.yaml")
    assert planned.code == 0, planned.err
    assert "promises nothing yet" in planned.out
    verified = stormproof("verify", tmp_path / "contract.yaml")
    assert verified.code == 4
    assert "promises nothing" in verified.err


@pytest.fixture
def run(repository: Path) -> Iterator[Callable[..., str]]:
    """Start a program that listens on a port of its own; its address."""
    with ExitStack() as stack:

        def start(*words: str) -> str:
            port = free_port()
            command = [sys.executable, *(word.format(port=port) for word in words)]
            process = subprocess.Popen(command, cwd=repository)
            stack.callback(process.wait)
            stack.callback(process.kill)
            while connect_error("127.0.0.1", port) is not None:
                assert process.poll() is None
            return f"http://127.0.0.1:{port}"

        yield start


def test_a_contract_that_holds_at_once(
    run: Callable[..., str], init: Callable[..., Ran], stormproof: Stormproof, tmp_path: Path
) -> None:
    """The service says all that matters: its first contract is verified as it was written."""
    url = run(str(HERE / "programs" / "tickets.py"), "{port}")
    assert init(url).code == 0
    ran = stormproof("verify", tmp_path / "contract.yaml")
    assert ran.code in {0, 2}, ran.out + ran.err  # in real time a busy machine may leave doubts
    trials = ran.promise("listTickets-rate")["trials"]
    assert any(trial["verdict"] == "kept" for trial in trials)


def test_a_service_without_a_document(
    run: Callable[..., str], init: Callable[..., Ran], tmp_path: Path
) -> None:
    """The reference target SUM: what was seen is a start."""
    ran = init(run("-m", "fixtures.targets.sum", "--port", "{port}"))
    assert ran.code == 0, ran.err
    contract = load(tmp_path / "contract.yaml", words()).contract
    assert [operation.call for operation in contract.operations.values()] == ["GET /"]
    assert "it answered 404" in (tmp_path / "contract.yaml").read_text()


BOMB = "openapi: 3.0.0\npaths: {}\na: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 10)}]\n" for i in range(9)
)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, {}, "<html>"), "it is a web page"),
        ((200, JSON, {"openapi": "3.0.0"}), "no OpenAPI document: it needs"),
        ((200, JSON, '{"openapi": "3.0.0", '), "it is no JSON"),
        ((200, JSON, {"swagger": "2.0", "paths": {}}), "convert it first"),
        ((200, JSON, []), "it holds no mapping"),
        ((200, JSON, 100), "larger than 32 MiB"),
        ((200, JSON, "[" * 100_000), "nested too deep"),
        ((200, JSON, '{"a":' * 200 + "1" + "}" * 200), "nested too deep"),
        ((200, {}, BOMB), "over 2,000,000 values"),
        ((200, {}, "a: &a [*a]"), "refers to no value before it"),
        ((200, {}, "a: !!python/object/apply:os.system [ls]\nb: ["), "it is no YAML"),
        ((200, {}, "a: " + "[" * 500), "nested too deep"),
    ],
)
def test_documents_that_are_none(
    serve: Callable[[Answers], Service],
    init: Callable[..., Ran],
    tmp_path: Path,
    answer: tuple[int, dict[str, str], Any],
    said: str,
) -> None:
    """Looked up, they are passed over in plain words; named, they are an error."""
    service = serve({"/openapi.json": answer})
    ran = init(service.url)
    assert ran.code == 0, ran.err
    assert said in ran.err
    assert "Traceback" not in ran.err
    load(tmp_path / "contract.yaml", words())
    named = init(service.url, "--force", "--openapi", f"{service.url}/openapi.json")
    assert named.code == 4
    assert said in named.err


def test_a_document_from_a_file(
    serve: Callable[[Answers], Service], init: Callable[..., Ran], tmp_path: Path
) -> None:
    """Where the service does not serve it."""
    service = serve({})
    ran = init(service.url, "--openapi", HERE / "shop_openapi.json")
    assert ran.code == 0
    assert len(load(tmp_path / "contract.yaml", words()).contract.operations) == 6
    assert "GET /openapi.json" not in service.calls()
    missing = init(service.url, "--force", "--openapi", tmp_path / "nothing.json")
    assert missing.code == 4
    assert "cannot be read" in missing.err


def test_what_is_there_stays(
    serve: Callable[[Answers], Service], init: Callable[..., Ran], tmp_path: Path
) -> None:
    """Unless --force says otherwise; nothing is asked before."""
    (tmp_path / "contract.yaml").write_text("mine")
    service = serve({})
    ran = init(service.url)
    assert ran.code == 4
    assert "--force" in ran.err
    assert (tmp_path / "contract.yaml").read_text() == "mine"
    assert service.calls() == []
    assert init(service.url, "--force").code == 0


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:9", "nothing answers at 127.0.0.1"),
        ("http://192.0.2.7:8000", "give --allow 192.0.2.7"),
        ("http://127.0.0.1:8000/api", "no path"),
        ("localhost:8000", "http://HOST:PORT"),
        ("http://me:secret@127.0.0.1:1", "no credentials"),
    ],
)
def test_addresses_that_cannot_be_asked(
    init: Callable[..., Ran], tmp_path: Path, url: str, said: str
) -> None:
    """Nobody there, not this machine, not an address: told, and nothing is written."""
    ran = init(url)
    assert ran.code == 4
    assert said in ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_document_elsewhere_needs_leave(
    serve: Callable[[Answers], Service], init: Callable[..., Ran]
) -> None:
    """The document's own host is asked for as well."""
    ran = init(serve({}).url, "--openapi", "http://192.0.2.7/openapi.json")
    assert ran.code == 4
    assert "--allow 192.0.2.7" in ran.err
