"""Contracts that load, and every way in which one is refused: place and words."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from harness.contract.load import LoadedContract, load
from harness.errors import ContractError, Problem
from harness.promises import words as known
from harness.promises.rate_limit.words import RateLimit
from harness.script import Usual
from harness.units import NS_PER_MS, NS_PER_S, Rate

KINDS = {"rate_limit": RateLimit}
GOOD = (Path(__file__).parent / "good.yaml").read_text(encoding="utf-8")
SECRET = "hush-7f3a"
ENVIRON = {"TOKEN": SECRET}


def load_bytes(folder: Path, raw: bytes) -> LoadedContract:
    path = folder / "contract.yaml"
    path.write_bytes(raw)
    return load(path, KINDS, environ=ENVIRON)


def load_text(folder: Path, text: str) -> LoadedContract:
    return load_bytes(folder, text.encode())


def problems_of(folder: Path, text: str) -> tuple[Problem, ...]:
    with pytest.raises(ContractError) as caught:
        load_text(folder, text)
    return caught.value.problems


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)


def test_the_example_says_what_it_says(tmp_path: Path) -> None:
    """Every section of the design's example is read, with units turned into numbers."""
    loaded = load_text(tmp_path, GOOD)
    contract = loaded.contract
    assert contract.service == "amodels-catalog"
    assert contract.target.command is not None
    assert contract.target.command[-1] == "{port}"
    assert contract.target.ready.get == "/healthz"
    assert contract.target.ready.within == 10 * NS_PER_S
    assert contract.dependencies["redis"].kind == "valkey"
    assert contract.identities["api_key"].value == "key-{n}"
    assert contract.operations["build"].ok == (200, 201)
    assert contract.operations["build"].json_body == {"topic": "{text}"}
    assert contract.operations["search"].uses == ("search",)
    (promise,) = contract.promises
    assert isinstance(promise, RateLimit)
    assert promise.operation == ("elements",)
    assert promise.limit == (Rate(100, 60 * NS_PER_S),)
    assert promise.exceeded.body == {"error": {"code": 429}}
    assert promise.granularity == NS_PER_MS
    assert promise.has_retry_after


def test_a_loaded_contract_knows_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Path and folder are absolute even if the file was named relative; the digest is the file's."""
    (tmp_path / "contract.yaml").write_text(GOOD, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    loaded = load(Path("contract.yaml"), KINDS)
    assert loaded.path == tmp_path / "contract.yaml"
    assert loaded.directory == tmp_path
    assert loaded.sha256 == hashlib.sha256(GOOD.encode()).hexdigest()


def test_a_loaded_contract_knows_the_line_of_each_promise(tmp_path: Path) -> None:
    """Block or flow, aliased or not: a reader is led to where the promise stands."""
    head, _, _ = GOOD.partition("promises:")
    words = "kind: rate_limit, operation: elements, key: ip, limit: 9/min"
    text = f"{head}promises:\n  # first\n  - &p {{id: a, {words}}}\n  -\n    id: b\n"
    text += "".join(f"    {word}\n" for word in words.split(", "))
    first = head.count("\n") + 3
    assert load_text(tmp_path, text).lines == {"a": first, "b": first + 2}


@pytest.mark.parametrize("name", ["amodels", "sum"])
def test_the_reference_contracts_load(name: str) -> None:
    """What people copy from must itself be right."""
    root = Path(__file__).parents[2]
    loaded = load(root / "fixtures" / "targets" / name / "contract.yaml", known())
    assert loaded.contract.promises


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  ready: {get: /healthz, within: 10s}\n", ""),
        ("{get: /healthz, within: 10s}", "{tcp: yes}"),
        ("{get: /healthz, within: 10s}", "{within: 1.5s}"),
        ("operation: elements", "operation: [elements, search]"),
        ("limit: 100/min\n    burst: 10", "limit: [60/min, 1000/h]"),
        ('{header: X-API-Key, value: "key-{n}"}', '{bearer: "{env.TOKEN}-{n}"}'),
        ('{header: X-API-Key, value: "key-{n}"}', '{query: api_key, value: "{n}"}'),
        ('{header: X-API-Key, value: "key-{n}"}', "{source: yes}"),
        ('json: {topic: "{text}"}', "json: null"),
        ('json: {topic: "{text}"}', "body: 'a={text}&b={{}}'"),
        ("ok: 200}\n  search", "identity: api_key}\n  search"),
        ("key: ip", "key: api_key"),
        ("key: ip", "key: global\n    store: {dependency: redis, when_down: open}"),
        ("  image:", '  setup: [["{python}", -c, pass], ["true"]]\n  image:'),
        ("# yaml", "%YAML 1.2\n---\n# yaml"),
        ("code: 429", 'code: 429, seen: "yes", at: 2024-01-01'),
        ("kind: valkey}", "kind: &store valkey}\n  other: {kind: *store}"),
        (GOOD[GOOD.index("promises:") :], "promises: []\n"),
        ("\n", "\r\n"),
    ],
)
def test_what_may_be_written(tmp_path: Path, old: str, new: str) -> None:
    """Each form that the format allows is accepted."""
    assert old in GOOD
    load_text(tmp_path, GOOD.replace(old, new))


def test_a_byte_order_mark_is_no_harm(tmp_path: Path) -> None:
    """Editors on Windows write one; columns count from after it."""
    load_bytes(tmp_path, b"\xef\xbb\xbf" + GOOD.encode())


def test_ready_without_a_way_is_a_connect(tmp_path: Path) -> None:
    """A probe by HTTP can spend a limiter's budget, so it must be asked for."""
    loaded = load_text(tmp_path, changed("get: /healthz, ", ""))
    assert loaded.contract.target.ready.tcp
    assert loaded.contract.target.ready.get is None


def test_a_running_service(tmp_path: Path) -> None:
    """A contract with an address needs no command; the slash at its end is dropped."""
    start = GOOD.index("  command:")
    text = GOOD[:start] + "  url: http://127.0.0.1:8000/\n" + GOOD[GOOD.index("dependencies:") :]
    assert load_text(tmp_path, text).contract.target.url == "http://127.0.0.1:8000"


def test_a_witness_says_what_it_answers(tmp_path: Path) -> None:
    """By the longest path that fits; what is left out is 200 with an empty object."""
    text = changed(
        "{kind: witness}",
        "{kind: witness, answer: {json: [1, {a: b}]}, paths: {/slow: {status: 204, body: ''}, "
        "/text: {headers: {Content-Type: text/html, ETag: x}, body: '<p>'}}}",
    )
    loaded = load_text(tmp_path, text)
    assert loaded.contract.dependencies["search"].usual() == (
        Usual(body='[1, {"a": "b"}]'),
        Usual(path="/slow", status=204, body="", content_type="text/plain; charset=utf-8"),
        Usual(path="/text", headers=(("ETag", "x"),), body="<p>", content_type="text/html"),
    )
    assert load_text(tmp_path, GOOD).contract.dependencies["search"].usual() == (Usual(),)


RULES = {
    "unknown key": ("operations:", "§operatons:", "did you mean `operations`?"),
    "unknown key in a section": ("within: 10s", "§witin: 10s", "did you mean `within`?"),
    "unknown key in a promise": ("    burst:", "    §brust:", "did you mean `burst`?"),
    "fixed port": ("kind: valkey}", "kind: valkey, §port: 6379}", "ports are chosen free"),
    "missing key": ("service: amodels-catalog\n", "", "`service` is missing: name of the service"),
    "missing in a promise": ("  - id: am-rate\n    kind", "  - §kind", "`id` is missing"),
    "missing kind of promise": ("    kind: rate_limit\n", "", "`kind` is missing"),
    "missing in an operation": (
        "build: {call: POST /c",
        "build: §{cal: POST /c",
        "`call` is missing",
    ),
    "duplicate key": (
        "    burst: 10",
        "    burst: 10\n    §burst: 20",
        "stands in line 24 already",
    ),
    "key without value": ("burst: 10", "§burst:", "`burst` has no value"),
    "key that is a number": ("code: 429", "§429: code", 'put it in quotes, as in "429"'),
    "key that is a mapping": ("code: 429", "§{a: b}: 1", "cannot be a key"),
    "key that is a list": ("code: 429", "§[a]: 1", "cannot be a key"),
    "merge key": ("kind: valkey}", "§<<: {kind: valkey}}", "merge keys"),
    "text needed, number": ("REDIS_URL:", "DB: §0, REDIS_URL:", 'write it in quotes: "0"'),
    "text needed, yes or no": ("REDIS_URL:", "DB: §true, REDIS_URL:", 'write it in quotes: "true"'),
    "text needed, braces": ('"{redis.url}"', "§{redis.url}", 'quotes: "{redis.url}"'),
    "braces inside a word": ('"key-{n}"', "key-§{n}", "in quotes"),
    "whole number needed, text": ("burst: 10", 'burst: §"10"', "without quotes: 10"),
    "whole number needed, fraction": ("burst: 10", "burst: §1.5", "a whole number is needed"),
    "whole number needed, bool": (
        "burst: 10",
        "burst: §true",
        "a whole number is needed, not true",
    ),
    "list needed": (
        "fixtures.targets.amodels, --port",
        "§[a], --port",
        "a text is needed, not a list",
    ),
    "list of texts needed": (
        '["{python}", -m, f',
        '§python #["{python}", -m, f',
        "a list is needed",
    ),
    "mapping needed": ("{kind: witness}", "§witness", "a mapping of keys to values is needed"),
    "store that is told what to answer": (
        "{kind: valkey}",
        "{kind: valkey, §answer: {status: 503}}",
        "a real store answers by itself",
    ),
    "store with paths": ("{kind: valkey}", "{kind: valkey, §paths: {/a: {}}}", "only a witness"),
    "witness with two bodies": (
        "{kind: witness}",
        "{kind: witness, answer: {json: 1, §body: x}}",
        "not both",
    ),
    "witness with a status of nobody": (
        "{kind: witness}",
        "{kind: witness, answer: {status: §99}}",
        "at least 200",
    ),
    "witness with a header of ours": (
        "{kind: witness}",
        '{kind: witness, answer: {headers: §{Content-Length: "9"}}}',
        "leave it out",
    ),
    "witness with a header twice": (
        "{kind: witness}",
        "{kind: witness, answer: {headers: §{A: x, a: y}}}",
        "is there twice",
    ),
    "witness with a path of no path": (
        "{kind: witness}",
        "{kind: witness, paths: §{items: {}}}",
        "must begin with /",
    ),
    "witness with a query": (
        "{kind: witness}",
        "{kind: witness, paths: {§/items?a=b: {}}}",
        "no query here",
    ),
    "witness with an unknown word": (
        "{kind: witness}",
        "{kind: witness, answer: {§stauts: 200}}",
        "did you mean `status`?",
    ),
    "yes or no": ("get: /healthz", "tcp: §on", "yes or no is needed"),
    "duration without unit": ("within: 10s", "within: §10", "10 is no duration"),
    "duration with wrong unit": ("within: 10s", "within: §10sec", "one of ns, us, ms, s, min"),
    "duration of nothing": ("within: 10s", "within: §0s", "over 0"),
    "rate with wrong unit": ("100/min", "§100/mon", "'100/mon' is no rate"),
    "rate as number": ("100/min", "§100", "100 is no rate"),
    "rate of nothing": ("100/min", "§0/min", "at least 1"),
    "number too small": ("burst: 10", "burst: §0", "at least 1 is needed"),
    "number too large": ("burst: 10", "burst: §1000001", "at most 1,000,000 is needed"),
    "number beyond all": ("burst: 10", f"burst: §{'9' * 5000}", "too large"),
    "infinite number": ("code: 429", "code: §.inf", "no number that can be used"),
    "number that is none": ("code: 429", "code: §.nan", "no number that can be used"),
    "number that overflows": ("code: 429", "code: §1e999", "too large"),
    "octal to some": ("code: 429", "code: §0429", "octal to some"),
    "yes in JSON": ("code: 429", "code: §yes", "true or false to others"),
    "status out of range": ("ok: [200, 201]", "ok: [200, §20]", "at least 200"),
    "refusal that is a success": ("status: 429", "status: §200", "at least 400"),
    "choice": ("kind: valkey", "kind: §valky", "did you mean `valkey`?"),
    "impossible words of a kind": (
        "    burst: 10",
        "    window: fixed\n    §burst: 10",
        "a bucket goes",
    ),
    "empty list": ("operation: elements", "operation: §[]", "must not be empty"),
    "no promises": (GOOD[GOOD.index("promises:") :], "", "`promises` is missing"),
    "bad name": ("  redis:", "  §re dis:", "a name has letters"),
    "bad variable": ("{REDIS_URL:", "{§REDIS-URL:", "a variable has letters"),
    "reserved identity": ("  api_key:", "  §ip:", "`ip` cannot be a name here"),
    "reserved dependency": ("  redis:", "  §env:", "`env` cannot be a name here"),
    "no such operation": ("operation: elements", "operation: §element", "did you mean `elements`?"),
    "no such operation in list": (
        "operation: elements",
        "operation: [search, §bild]",
        "did you mean `build`?",
    ),
    "operation named twice": ("operation: elements", "operation: [build, §build]", "named twice"),
    "no such identity": ("key: ip", "key: §api_kei", "did you mean `api_key`?"),
    "no such identity of a call": ('q={text}",', 'q={text}", identity: §me,', "no identity `me`"),
    "no such dependency": ("uses: [search]", "uses: [§serch]", "did you mean `search`?"),
    "no such store": (
        "key: ip",
        "key: ip\n    store: {dependency: §reddis, when_down: open}",
        "did you mean `redis`?",
    ),
    "store that stores nothing": (
        "key: ip",
        "key: ip\n    store: {dependency: §search, when_down: open}",
        "a witness stores nothing",
    ),
    "unknown kind": ("kind: rate_limit", "kind: §rate_limits", "did you mean `rate_limit`?"),
    "kind that is no text": ("kind: rate_limit", "kind: §[rate_limit]", "a text is needed"),
    "promise that is no mapping": ("promises:\n", "promises:\n  - §keep\n", "a mapping"),
    "duplicate promise": (
        "promises:\n",
        "promises:\n  - {id: am-rate, kind: rate_limit, operation: build, key: ip, limit: 1/s}\n",
        "the promise of line 19 already",
    ),
    "other version": ("contract: 1\n", "contract: §2\n", "version 2 is not supported"),
    "version that is no number": ("contract: 1\n", "contract: §true\n", "the version is a number"),
    "unknown name": ('"{port}"', '§"{prot}"', "Did you mean `{port}`?"),
    "name of no dependency": ('"{redis.url}"', '§"{cache.url}"', "needs a dependency `cache`"),
    "name not known in a call": ("q={text}", "q={port}", "{port} cannot be used here"),
    "name in JSON": ('topic: "{text}"', 'topic: [§"{txt}"]', "Did you mean `{text}`?"),
    "unset variable": ('"{redis.url}"', '§"{env.NOPE}"', "variable NOPE is not set"),
    "lone brace": ('"key-{n}"', '§"key-{n}}"', "literal brace is written }}"),
    "identity that is always the same": ('"key-{n}"', '§"key"', "holds no {n}"),
    "identity with two ways": ("{header:", "{§bearer: x, header:", "an identity is one of"),
    "identity without value": (', value: "key-{n}"', "", "needs a `value` too"),
    "port is told to nobody": (
        'fixtures.targets.amodels, --port, "{port}"]',
        "fixtures.targets.amodels]",
        "nothing tells the service where to listen",
    ),
    "no way to start": (
        GOOD[GOOD.index("  command") : GOOD.index("  env")],
        "",
        "write a `command`",
    ),
    "command and url": ("  env:", "  url: http://localhost:1\n  env:", "does not go with `url`"),
    "ready in two ways": ("{get: /healthz", "{get: /healthz, §tcp: yes", "not both"),
    "ready in no way": ("get: /healthz", "§tcp: no", "there must be a path"),
    "two bodies": ("json: {topic", "§body: x, json: {topic", "not both"),
    "image from nowhere": ("{build: fixtures/targets, tag", "§{tag", "either `build` or `ref`"),
    "method in lower case": ("GET /catalog", "§get /catalog", "did you mean `GET`?"),
    "unknown method": ("GET /catalog", "§FETCH /catalog", "one of GET, HEAD, POST"),
    "path without slash": ("GET /catalog", "§GET catalog", "must begin with /"),
    "path with a space": ("GET /catalog", "§GET /cata log", "percent-encode"),
    "path with a line break": ('"GET /api', '§"GET /a\\r\\nX: 1', "percent-encode"),
    "probe path": ("get: /healthz", "get: §healthz", "must begin with /"),
    "header value": (
        "ok: 200}\n  search",
        'headers: §{A: "x\\r\\nB: y"}}\n  search',
        "line break",
    ),
    "header name": ("header: X-API-Key", "header: X API", "no header name"),
    "header twice": ("ok: 200}\n  s", "headers: §{A: x, a: y}}\n  s", "is there twice"),
    "header of ours": ("ok: 200}\n  s", 'headers: §{Content-Length: "9"}}\n  s', "leave it out"),
    "tag": ("service: ", "service: §!!python/object/apply:os.system ", "runs nothing"),
    "plain tag": ("burst: ", "burst: §!!str ", "leave the tag out"),
    "tab": ("    burst: 10", "§\tburst: 10", "use spaces"),
    "second document": ("promises:", "§---\npromises:", "a second YAML document"),
    "other YAML": ("# yaml", "%YAML 1.1\n§---\n# yaml", "a contract is YAML 1.2"),
    "unknown alias": ("kind: valkey", "kind: §*store", "no anchor"),
    "alias of itself": ("json: {topic", "json: &a {b: §*a, topic", "the value that it stands in"),
    "syntax": ("{kind: valkey}", "{kind: valkey\n  x§: y", "this is no YAML"),
    "invisible character": ("valkey", "val§\u2028key", "U+2028"),
    "no character": ("service: amodels-catalog", 'service: "§\\U99999999"', "is no character"),
    "half a character": ("amodels-catalog", '§"\\ud800"', "surrogate"),
    "NUL": ("amodels-catalog", '§"a\\0"', "NUL"),
    "too deep": ("code: 429", "code: " + "[" * 44 + "§[" + "]" * 45, "50 levels"),
    "too many values": ("code: 429", "code: [" + "1, " * 20_000 + "1]", "over 20,000 values"),
}


@pytest.mark.parametrize(("old", "new", "words"), RULES.values(), ids=RULES.keys())
def test_each_rule_is_told_with_its_place(tmp_path: Path, old: str, new: str, words: str) -> None:
    """The message holds the decisive words, at the line and column of ``§`` where one is given."""
    marked = changed(old, new)
    before, mark, _ = marked.partition("§")
    found = problems_of(tmp_path, marked.replace("§", ""))
    told = [problem for problem in found if words in problem.message]
    assert told, found
    if mark:
        place = (before.count("\n") + 1, len(before) - before.rfind("\n"))
        assert [(problem.line, problem.column) for problem in told] == [place]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://localhost:1", "only http"),
        ("ws://localhost:1", "only http"),
        ("localhost:8000", "only http"),
        (f"http://me:{SECRET}@localhost:1", "no credentials"),
        ("http://localhost:1/api", "no path"),
        ("http://localhost:1?a=b", "no path"),
        ("http://localhost:65536", "1 to 65535"),
        ("http://localhost:0", "1 to 65535"),
        ("http://localhost:x", "1 to 65535"),
        ("http://localhost:", "missing"),
        ("http://:80", "missing"),
        ("http://[::1:80", "brackets"),
        ("http://{env.TOKEN}:80", "brace"),
        ("http://local host", "space"),
    ],
)
def test_addresses_that_are_none(tmp_path: Path, url: str, words: str) -> None:
    """A service's address is http, host and port, and nothing more; credentials are not repeated."""
    start, end = GOOD.index("  command:"), GOOD.index("dependencies:")
    (problem,) = problems_of(tmp_path, f"{GOOD[:start]}  url: '{url}'\n{GOOD[end:]}")
    assert (problem.line, problem.column) == (5, 8)
    assert words in problem.message
    assert SECRET not in problem.message


@pytest.mark.parametrize(
    ("raw", "place", "words"),
    [
        (b"", (1, 1), "holds nothing"),
        (b"# only a comment\n", (1, 1), "holds nothing"),
        (b"- a\n- b\n", (1, 1), "a contract is a mapping"),
        (b"\n  just words\n", (2, 3), "a contract is a mapping"),
        (b"a: \xe9\n", (1, 4), "byte 0xe9 is not UTF-8"),
        (b"contract: 1\nservice: \xff\n", (2, 10), "byte 0xff is not UTF-8"),
        ("contract: 1\n".encode("utf-16"), (1, 1), "written in UTF-16"),
        ("contract: 1\n".encode("utf-32"), (1, 1), "written in UTF-32"),
        (b"\x7fELF\x02\x01\0\0", (1, 7), "binary"),
        (b"a: \x1b[31m\n", (1, 4), "U+001B"),
        (b"a: b\n" * (5 << 18), (None, None), "1 MiB"),
        (b"[" * 500_000, (1, 51), "50 levels"),
    ],
)
def test_files_that_are_no_contract(
    tmp_path: Path, raw: bytes, place: tuple[int | None, int | None], words: str
) -> None:
    """Whatever a file holds, there is one plain sentence about it."""
    with pytest.raises(ContractError) as caught:
        load_bytes(tmp_path, raw)
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == place
    assert words in problem.message


def test_an_alias_bomb_is_refused(tmp_path: Path) -> None:
    """Nine levels of nine aliases would be 387 million values; they are counted, never made."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    (problem,) = problems_of(tmp_path, "\n".join(lines))
    assert "over 20,000 values, aliases written out" in problem.message
    assert problem.line == 5


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file, a folder and a pipe are each called what they are, and nothing blocks."""
    os.mkfifo(tmp_path / "pipe")
    cases = {"absent": "no such file", ".": "a folder", "pipe": "no plain file"}
    for name, words in cases.items():
        with pytest.raises(ContractError, match=words):
            load(tmp_path / name, KINDS)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file(tmp_path: Path) -> None:
    """The system's reason is handed on."""
    path = tmp_path / "contract.yaml"
    path.write_text(GOOD, encoding="utf-8")
    path.chmod(0)
    with pytest.raises(ContractError, match="cannot be read: Permission denied"):
        load(path, KINDS)


def test_all_problems_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    """Sections do not hide each other's mistakes; each line can be jumped to."""
    text = GOOD.replace("valkey", "valky").replace("100/min", "100").replace("service:", "servic:")
    text = text.replace("uses: [search]", "uses: [serch]").replace("key: ip", "key: i")
    with pytest.raises(ContractError) as caught:
        load_text(tmp_path, text)
    lines = [problem.line for problem in caught.value.problems]
    assert lines == [2, 3, 10, 16, 22, 23]
    assert caught.value.lines()[1].startswith(f"{tmp_path}/contract.yaml:3:1: unknown key `servic`")


def test_a_problem_is_one_line_whatever_the_file_holds(tmp_path: Path) -> None:
    """A key of escapes and line breaks can neither forge another problem nor paint the terminal."""
    (problem, *_) = problems_of(tmp_path, changed("  env:", '  "a\\n\\e[31mx": 1\n  env:'))
    assert problem.message.isprintable()
    (problem, *_) = problems_of(tmp_path, changed("  env:", f'  "{"y" * 900_000}": 1\n  env:'))
    assert len(problem.message) < 1000


def test_values_of_the_environment_stay_out(tmp_path: Path) -> None:
    """Neither a problem beside it nor the loaded contract holds the value of a variable."""
    text = changed('"key-{n}"', '"{env.TOKEN}-{n}"')
    assert SECRET not in repr(load_text(tmp_path, text))
    bad = changed('"key-{n}"', '"{env.TOKEN}-{m}"')
    assert all(SECRET not in problem.message for problem in problems_of(tmp_path, bad))


@pytest.mark.parametrize("key", ["burst", "limit", "id", "says"])
def test_a_key_without_value_is_told_once(tmp_path: Path, key: str) -> None:
    """Whatever type was due, there is one problem, at the key."""
    lines = [
        line[: line.index(":") + 1] if f" {key}:" in line else line for line in GOOD.splitlines()
    ]
    (problem,) = problems_of(tmp_path, "\n".join(lines))
    assert problem.message == f"`{key}` has no value; write one, or leave the key out"
    assert problem.column == 5
