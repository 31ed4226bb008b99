# ruff: noqa: E501 (a table: one row a request)
"""The golden table: what a request is answered, byte for byte, by Toxiproxy 2.12.0 and by us.

Ports are written ``{p1}``. Where ours is to differ, ``ours`` has our answer and ``why`` names the reason.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

Given = tuple[str, str, Any]


@dataclass(frozen=True)
class Said:
    """A status, a kind of answer (see :data:`KINDS`) and a body; ``*`` at its end: how it begins."""

    status: int
    kind: str
    body: str = ""


@dataclass(frozen=True)
class Row:
    """One request and its answers.

    Attributes:
        asked: method and path.
        given: requests that come before.
        then: a path, and what a GET of it answers afterwards.
        stays: the real server can never delete what the row creates.
    """

    name: str
    asked: str
    body: Any
    said: Said
    ours: Said | None = None
    why: str = ""
    given: tuple[Given, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    then: tuple[str, str] | None = None
    stays: bool = False


KINDS: dict[str, dict[str, str]] = {
    "json": {"content-type": "application/json", "id": "yes"},
    "version": {"content-type": "application/json;charset=utf-8", "id": "yes"},
    "text": {
        "content-type": "text/plain; charset=utf-8",
        "x-content-type-options": "nosniff",
        "id": "yes",
    },
    "unmatched": {
        "content-type": "text/plain; charset=utf-8",
        "x-content-type-options": "nosniff",
    },
    "bad": {"content-type": "text/plain; charset=utf-8"},
    "empty": {},
    "done": {"id": "yes"},
    "moved": {"location": "yes"},
}


def proxy(
    name: str, listen: str, *, enabled: bool = True, upstream: str = "localhost:1", toxics: str = ""
) -> str:
    """A proxy as answers show it."""
    return (
        f'{{"name":"{name}","listen":"{listen}","upstream":"{upstream}",'
        f'"enabled":{json.dumps(enabled)},"Logger":{{}},"toxics":[{toxics}]}}'
    )


def toxic(
    kind: str, attributes: str, *, stream: str = "downstream", name: str = "", toxicity: str = "1"
) -> str:
    """A toxic as answers show it."""
    return (
        f'{{"attributes":{{{attributes}}},"name":"{name or f"{kind}_{stream}"}","type":"{kind}",'
        f'"stream":"{stream}","toxicity":{toxicity}}}'
    )


def failed(status: int, text: str) -> Said:
    """An error of the API."""
    end = "" if text.endswith("*") else f'","status":{status}}}\n'
    return Said(status, "text", f'{{"error":"{text}{end}')


def refused(text: str) -> Said:
    """A body that cannot be read."""
    return failed(400, f"bad request body: {text}")


def made(body: str) -> Said:
    """201."""
    return Said(201, "json", body)


def fine(body: str) -> Said:
    """200."""
    return Said(200, "json", body)


DONE = Said(204, "done")
NOT_FOUND = Said(404, "unmatched", "404 page not found\n")
NOT_ALLOWED = Said(405, "empty")
WEB = ("POST", "/proxies", {"name": "web", "upstream": "localhost:1", "listen": "127.0.0.1:{p1}"})
OFF = (
    "POST",
    "/proxies",
    {"name": "off", "upstream": "localhost:1", "listen": "localhost:{p2}", "enabled": False},
)
SLOW = (
    "POST",
    "/proxies/web/toxics",
    {"type": "latency", "name": "slow", "attributes": {"latency": 9}},
)
SLOW_SHAPE = toxic("latency", '"latency":9,"jitter":0', name="slow")
WEB_SHAPE = proxy("web", "127.0.0.1:{p1}")
BUSY = "listen tcp 127.0.0.1:{busy}: bind: address already in use"


def create(listen: str | None = None, **more: Any) -> dict[str, Any]:
    """The body of a create."""
    given = {"name": "new", "upstream": "localhost:1"} | more
    return given if listen is None else given | {"listen": listen}


TRANSPORT = [
    Row("version", "GET /version", None, Said(200, "version", '{"version": "2.12.0"}\n')),
    Row("unknown path", "GET /nothing", None, NOT_FOUND),
    Row("trailing slash", "GET /proxies/", None, NOT_FOUND),
    Row("nested too deep", "GET /proxies/web/toxics/slow/more", None, NOT_FOUND, given=(WEB, SLOW)),
    Row("wrong method", "PUT /proxies", None, NOT_ALLOWED),
    Row("unheard-of method", "BREW /version", None, NOT_ALLOWED),
    Row("options", "OPTIONS /proxies/web", None, NOT_ALLOWED),
    Row("head", "HEAD /version", None, NOT_ALLOWED, Said(405, "empty"), "head-length"),
    Row("doubled slash", "GET //proxies", None, Said(301, "moved", "/proxies")),
    Row("dots", "POST /proxies/../version?x=1", "{}", Said(301, "moved", "/version?x=1")),
    Row("escaped dots", "GET /proxies/%2e%2E/version", None, Said(301, "moved", "/version")),
    Row("dots and a slash", "GET /./proxies/a/../", None, Said(301, "moved", "/proxies/")),
    Row("bad escape", "GET /proxies/%zz", None, Said(400, "bad", "400 Bad Request")),
    Row("browser", "GET /version", None, Said(403, "text", "User agent not allowed\n"),
        headers=(("User-Agent", "Mozilla/5.0 (X11)"),)),
    Row("browser by another name", "GET /version", None, Said(200, "version", '{"version": "2.12.0"}\n'),
        headers=(("User-Agent", "mozilla/5.0"),)),
    Row("browser nowhere", "GET /nothing", None, NOT_FOUND, headers=(("User-Agent", "Mozilla/5.0"),)),
    Row("rebound host", "GET /version", None, Said(200, "version", '{"version": "2.12.0"}\n'),
        Said(403, "text", "Host not allowed: start the proxy with --allow evil.example\n"), "rebound-host",
        headers=(("Host", "evil.example:8474"),)),
    Row("container's host", "GET /version", None, Said(200, "version", '{"version": "2.12.0"}\n'),
        headers=(("Host", "toxiproxy:8474"),)),
    Row("page's origin", "GET /version", None, Said(200, "version", '{"version": "2.12.0"}\n'),
        Said(403, "text", "Origin not allowed\n"), "foreign-origin",
        headers=(("Origin", "https://evil.example"),)),
    Row("own origin", "GET /version", None, Said(200, "version", '{"version": "2.12.0"}\n'),
        headers=(("Host", "localhost:8474"), ("Origin", "http://localhost:8474"))),
    Row("events", "GET /events?follow=false&after=9999999", None, NOT_FOUND,
        Said(200, "events"), "own-paths"),
]  # fmt: skip

CREATE = [
    Row("empty body", "POST /proxies", "", refused("EOF")),
    Row("blank body", "POST /proxies", " \n", refused("EOF")),
    Row("half a body", "POST /proxies", '{"name":', refused("unexpected EOF")),
    Row("no JSON", "POST /proxies", "nope", refused("invalid character 'o' in literal null (expecting 'u')"),
        refused("invalid character 'n' looking for beginning of value"), "decoder-text"),
    Row("no key", "POST /proxies", "{nope}", refused("invalid character 'n' looking for beginning of object key string")),
    Row("an array", "POST /proxies", "[]", refused("json: cannot unmarshal array into Go value of type toxiproxy.Proxy")),
    Row("a number for a name", "POST /proxies", '{"name":5}',
        refused("json: cannot unmarshal number into Go struct field Proxy.name of type string")),
    Row("a text for enabled", "POST /proxies", '{"enabled":"no"}',
        refused("json: cannot unmarshal string into Go struct field Proxy.enabled of type bool")),
    Row("NaN", "POST /proxies", '{"name":NaN}', refused("invalid character 'N' looking for beginning of value")),
    Row("nested deep", "POST /proxies", "[" * 20_000, refused("*")),
    Row("no name", "POST /proxies", {}, failed(400, "missing required field: name")),
    Row("empty name", "POST /proxies", {"name": "", "upstream": "localhost:1"}, failed(400, "missing required field: name")),
    Row("no upstream", "POST /proxies", {"name": "a"}, failed(400, "missing required field: upstream")),
    Row("created", "POST /proxies", create("127.0.0.1:{p1}"), made(proxy("new", "127.0.0.1:{p1}"))),
    Row("localhost", "POST /proxies", create("localhost:{p1}"), made(proxy("new", "127.0.0.1:{p1}"))),
    Row("wildcard", "POST /proxies", create("0.0.0.0:{p1}"), made(proxy("new", "[::]:{p1}"))),
    Row("no host", "POST /proxies", create(":{p1}"), made(proxy("new", "[::]:{p1}"))),
    Row("IPv6", "POST /proxies", create("[::1]:{p1}"), made(proxy("new", "[::1]:{p1}"))),
    Row("created disabled", "POST /proxies", create("localhost:{p1}", enabled=False),
        made(proxy("new", "localhost:{p1}", enabled=False))),
    Row("nulls are defaults", "POST /proxies", create("127.0.0.1:{p1}", enabled=None, Logger=None),
        made(proxy("new", "127.0.0.1:{p1}"))),
    Row("keys of any case, twice, unknown, and more behind", "POST /proxies",
        '{"NAME":"old","name":"new","UpStream":"localhost:1","li\\u017ften":"127.0.0.1:{p1}","x":[1]} and more',
        made(proxy("new", "127.0.0.1:{p1}"))),
    Row("letters", "POST /proxies", create("127.0.0.1:{p1}", name="<é&\u2028☃>"),
        made(proxy("\\u003cé\\u0026\\u2028☃\\u003e", "127.0.0.1:{p1}"))),
    Row("half a pair", "POST /proxies", '{"name":"\\ud800","upstream":"localhost:1","enabled":false}',
        made(proxy("\ufffd", "", enabled=False))),
    Row("twice", "POST /proxies", create(name="web"), failed(409, "proxy already exists"), given=(WEB,)),
    Row("a busy port", "POST /proxies", create("127.0.0.1:{busy}"), failed(500, BUSY)),
    Row("a busy port of all", "POST /proxies", create(":{busy}"), failed(500, "listen tcp :{busy}: bind: address already in use")),
    Row("another's address", "POST /proxies", create("192.0.2.1:80"),
        failed(500, "listen tcp 192.0.2.1:80: bind: cannot assign requested address")),
    Row("no port", "POST /proxies", create("nope"), failed(500, "listen tcp: address nope: missing port in address")),
    Row("too high a port", "POST /proxies", create("127.0.0.1:99999"), failed(500, "listen tcp: address 99999: invalid port")),
    Row("an unknown port", "POST /proxies", create("127.0.0.1:nope"), failed(500, "listen tcp: lookup tcp/nope: unknown port")),
    Row("bare IPv6", "POST /proxies", create("::1:80"), failed(500, "listen tcp: address ::1:80: too many colons in address")),
    Row("an open bracket", "POST /proxies", create("[::1:80"), failed(500, "listen tcp: address [::1:80: missing ']' in address")),
    Row("a bracket inside", "POST /proxies", create("a[b:80"), failed(500, "listen tcp: address a[b:80: unexpected '[' in address")),
    Row("nobody's host", "POST /proxies", create("nobody.invalid:80"), failed(500, "listen tcp: lookup nobody.invalid*"),
        failed(500, "listen tcp: lookup nobody.invalid: no such host"), "lookup-text"),
    Row("outside", "POST /proxies", create("127.0.0.1:{p1}", upstream="192.0.2.1:80"),
        made(proxy("new", "127.0.0.1:{p1}", upstream="192.0.2.1:80")),
        failed(403, "upstream 192.0.2.1:80 is outside this machine: start the proxy with --allow 192.0.2.1"),
        "outside-upstream"),
    Row("a slash", "POST /proxies", create("127.0.0.1:{p1}", name="a/b"), made(proxy("a/b", "127.0.0.1:{p1}")), stays=True),
    Row("a dot", "POST /proxies", create(name="..", enabled=False), made(proxy("..", "", enabled=False)),
        failed(400, "proxy name .. cannot be addressed in a URL: use another"), "dot-name", stays=True),
    Row("a control character", "POST /proxies", create(name="a\x07", enabled=False),
        made(proxy("a\\u0007", "", enabled=False)),
        failed(400, "proxy name holds a control character: use none"), "control-character"),
    Row("toxics within", "POST /proxies?toxics=true", create("127.0.0.1:{p1}", toxics=[{"type": "noop"}]),
        made(proxy("new", "127.0.0.1:{p1}")), made(proxy("new", "127.0.0.1:{p1}", toxics=toxic("noop", ""))), "own-fields"),
    Row("toxics within, not asked for", "POST /proxies", create("127.0.0.1:{p1}", toxics=[{"type": "noop"}]),
        made(proxy("new", "127.0.0.1:{p1}"))),
]  # fmt: skip

PROXIES = [
    Row("none", "GET /proxies", None, fine("{}")),
    Row("sorted", "GET /proxies", None,
        fine(f'{{"off":{proxy("off", "localhost:{p2}", enabled=False)},"web":{WEB_SHAPE}}}'), given=(WEB, OFF)),
    Row("one", "GET /proxies/web", None, fine(proxy("web", "127.0.0.1:{p1}", toxics=SLOW_SHAPE)), given=(WEB, SLOW)),
    Row("escaped name", "GET /proxies/w%65b", None, fine(WEB_SHAPE), given=(WEB,)),
    Row("nobody", "GET /proxies/nobody", None, failed(404, "proxy not found")),
    Row("a slash in the path", "GET /proxies/a%2Fb", None, NOT_FOUND, fine(proxy("a/b", "", enabled=False)), "slash-in-name",
        given=(("POST", "/proxies", create(name="a/b", enabled=False)),), stays=True),
    Row("counters", "GET /proxies/web/counters", None, NOT_FOUND, fine('{"counters":{"accepted":0,*'), "own-paths", given=(WEB,)),
    Row("disabled", "POST /proxies/web", {"enabled": False}, fine(proxy("web", "127.0.0.1:{p1}", enabled=False)), given=(WEB,)),
    Row("enabled", "PATCH /proxies/off", {"enabled": True}, fine(proxy("off", "127.0.0.1:{p2}")), given=(OFF,)),
    Row("nothing changed", "PATCH /proxies/web", {}, fine(WEB_SHAPE), given=(WEB,)),
    Row("name stays", "PATCH /proxies/web", {"name": "other"}, fine(WEB_SHAPE), given=(WEB,)),
    Row("moved", "PATCH /proxies/web", {"listen": "localhost:{p3}"}, fine(proxy("web", "127.0.0.1:{p3}")), given=(WEB,)),
    Row("redirected", "PATCH /proxies/web", {"upstream": "localhost:2"},
        fine(proxy("web", "127.0.0.1:{p1}", upstream="localhost:2", toxics=SLOW_SHAPE)), given=(WEB, SLOW)),
    Row("an empty upstream", "PATCH /proxies/web", {"upstream": ""}, fine(proxy("web", "127.0.0.1:{p1}", upstream="")), given=(WEB,)),
    Row("moved while off", "PATCH /proxies/off", {"listen": "localhost:{p3}"},
        fine(proxy("off", "localhost:{p3}", enabled=False)), given=(OFF,)),
    Row("another form of all addresses", "PATCH /proxies/web", {"listen": "0.0.0.0:{p1}"},
        fine(proxy("web", "0.0.0.0:{p1}", enabled=False)), fine(proxy("web", "[::]:{p1}", enabled=False)), "wildcards-equal",
        given=(("POST", "/proxies", WEB[2] | {"listen": ":{p1}"}), ("PATCH", "/proxies/web", {"enabled": False}))),
    Row("moved to a busy port", "PATCH /proxies/web", {"listen": "127.0.0.1:{busy}"}, failed(500, BUSY), given=(WEB,),
        then=("/proxies/web", proxy("web", "127.0.0.1:{busy}", enabled=False))),
    Row("moved nowhere", "PATCH /proxies/web", {"listen": "nope"}, failed(500, "address nope: missing port in address"),
        given=(WEB,), then=("/proxies/web", WEB_SHAPE)),
    Row("moved to nobody", "PATCH /proxies/web", {"listen": "nobody.invalid:80"}, failed(500, "lookup nobody.invalid*"),
        failed(500, "lookup nobody.invalid: no such host"), "lookup-text", given=(WEB,), then=("/proxies/web", WEB_SHAPE)),
    Row("update of nobody", "PATCH /proxies/nobody", "nope", failed(404, "proxy not found")),
    Row("update unread", "PATCH /proxies/web", '{"enabled":0}',
        refused("json: cannot unmarshal number into Go struct field Proxy.enabled of type bool"), given=(WEB,)),
    Row("mode", "PATCH /proxies/web", {"mode": "refuse"}, fine(WEB_SHAPE), fine(WEB_SHAPE[:-1] + ',"mode":"refuse"}'),
        "own-fields", given=(WEB,)),
    Row("deleted", "DELETE /proxies/web", None, DONE, given=(WEB,), then=("/proxies", "{}")),
    Row("deleted nobody", "DELETE /proxies/nobody", None, failed(404, "proxy not found")),
    Row("reset", "POST /reset", None, DONE, given=(WEB, SLOW, OFF),
        then=("/proxies", f'{{"off":{proxy("off", "127.0.0.1:{p2}")},"web":{WEB_SHAPE}}}')),
    Row("metrics", "POST /metrics", None, Said(200, "metrics", "# HELP promhttp_metric_handler_errors_total *")),
]  # fmt: skip

TOXICS = [
    Row("no toxics", "GET /proxies/web/toxics", None, fine("[]"), given=(WEB,)),
    Row("toxics of nobody", "GET /proxies/nobody/toxics", None, failed(404, "proxy not found")),
    Row("toxics of both streams", "GET /proxies/web/toxics", None,
        fine(f'[{toxic("noop", "", stream="upstream")},{SLOW_SHAPE}]'),
        given=(WEB, SLOW, ("POST", "/proxies/web/toxics", {"type": "noop", "stream": "upstream"}))),
    Row("latency", "POST /proxies/web/toxics", {"type": "latency", "attributes": {"latency": 100, "jitter": 5}},
        fine(toxic("latency", '"latency":100,"jitter":5')), given=(WEB,)),
    Row("bandwidth", "POST /proxies/web/toxics", {"type": "bandwidth", "stream": "upstream"},
        fine(toxic("bandwidth", '"rate":0', stream="upstream")), given=(WEB,)),
    Row("slow_close", "POST /proxies/web/toxics", {"type": "slow_close"}, fine(toxic("slow_close", '"delay":0')), given=(WEB,)),
    Row("timeout", "POST /proxies/web/toxics", {"type": "timeout"}, fine(toxic("timeout", '"timeout":0')), given=(WEB,)),
    Row("reset_peer", "POST /proxies/web/toxics", {"type": "reset_peer"}, fine(toxic("reset_peer", '"timeout":0')), given=(WEB,)),
    Row("limit_data", "POST /proxies/web/toxics", {"type": "limit_data"}, fine(toxic("limit_data", '"bytes":0')), given=(WEB,)),
    Row("slicer", "POST /proxies/web/toxics", {"type": "slicer", "attributes": {"average_size": 1000, "size_variation": 1000}},
        fine(toxic("slicer", '"average_size":1000,"size_variation":1000,"delay":0')), given=(WEB,)),
    Row("slicer of nothing", "POST /proxies/web/toxics", {"type": "slicer"},
        fine(toxic("slicer", '"average_size":0,"size_variation":0,"delay":0')),
        failed(400, "invalid attributes: slicer needs average_size \\u003e= 1*"), "harmful-attributes", given=(WEB,)),
    Row("negative bandwidth", "POST /proxies/web/toxics", {"type": "bandwidth", "attributes": {"rate": -1}},
        fine(toxic("bandwidth", '"rate":-1')), failed(400, "invalid attributes: bandwidth needs*"), "harmful-attributes", given=(WEB,)),
    Row("enormous bandwidth", "POST /proxies/web/toxics", {"type": "bandwidth", "attributes": {"rate": 92 * 10**15 + 10**15}},
        fine(toxic("bandwidth", '"rate":93000000000000000')), failed(400, "invalid attributes: bandwidth needs*"),
        "harmful-attributes", given=(WEB,)),
    Row("enormous jitter", "POST /proxies/web/toxics", {"type": "latency", "attributes": {"jitter": 2**62}},
        fine(toxic("latency", f'"latency":0,"jitter":{2**62}')), failed(400, "invalid attributes: latency needs*"),
        "harmful-attributes", given=(WEB,)),
    Row("nulls", "POST /proxies/web/toxics",
        '{"type":"latency","name":null,"stream":null,"toxicity":null,"attributes":null}',
        fine(toxic("latency", '"latency":0,"jitter":0')), given=(WEB,)),
    Row("attributes twice", "POST /proxies/web/toxics",
        '{"type":"latency","attributes":{"latency":1},"ATTRIBUTES":{"Jitter":2}}',
        fine(toxic("latency", '"latency":1,"jitter":2')), given=(WEB,)),
    Row("an empty name", "POST /proxies/web/toxics", {"type": "noop", "name": ""}, fine(toxic("noop", "")), given=(WEB,)),
    Row("stream as it is written", "POST /proxies/web/toxics", {"type": "noop", "stream": "UpStream"},
        fine(toxic("noop", "", stream="UpStream")), given=(WEB,)),
    *(
        Row(f"toxicity {sent}", "POST /proxies/web/toxics", f'{{"type":"noop","toxicity":{sent}}}',
            fine(toxic("noop", "", toxicity=shown)), given=(WEB,))
        for sent, shown in (("0.33333333333", "0.33333334"), ("1e-7", "1e-7"), ("-0.0", "-0"), ("1E21", "1e+21"), ("123456.7", "123456.7"))
    ),
    Row("too large a toxicity", "POST /proxies/web/toxics", '{"type":"noop","toxicity":1e50}',
        refused("json: cannot unmarshal number 1e50 into Go struct field ToxicWrapper.toxicity of type float32"), given=(WEB,)),
    *(
        Row(f"latency of {sent}", "POST /proxies/web/toxics", f'{{"type":"latency","attributes":{{"latency":{sent}}}}}',
            refused(f"json: cannot unmarshal {told} into Go struct field LatencyToxic.attributes.latency of type int64"),
            given=(WEB,))
        for sent, told in (("100.0", "number 100.0"), ("1e3", "number 1e3"), ('"5"', "string"), ("true", "bool"),
                           ("99999999999999999999", "number 99999999999999999999"))
    ),
    Row("attributes of no kind", "POST /proxies/web/toxics", '{"type":"latency","attributes":5}',
        refused("json: cannot unmarshal number into Go struct field ToxicWrapper.attributes of type toxics.NoopToxic"),
        refused("json: cannot unmarshal number into Go struct field ToxicWrapper.attributes of type object"), "decoder-text",
        given=(WEB,)),
    Row("no type", "POST /proxies/web/toxics", {}, failed(400, "invalid toxic type"), given=(WEB,)),
    Row("a type in capitals", "POST /proxies/web/toxics", {"type": "Latency"}, failed(400, "invalid toxic type"), given=(WEB,)),
    Row("a bad stream before a bad type", "POST /proxies/web/toxics", {"type": "nope", "stream": ""},
        failed(400, "stream was invalid, can be either upstream or downstream"), given=(WEB,)),
    Row("both streams", "POST /proxies/web/toxics", {"type": "noop", "stream": "both"},
        failed(400, "stream was invalid, can be either upstream or downstream"), fine(toxic("noop", "", stream="both")),
        "both-streams", given=(WEB,)),
    Row("packet_loss", "POST /proxies/web/toxics", {"type": "packet_loss", "attributes": {"loss_rate": 0.1}},
        failed(400, "invalid toxic type"), fine(toxic("packet_loss", '"loss_rate":0.1,"correlation":0')), "more-types", given=(WEB,)),
    Row("for some connections", "POST /proxies/web/toxics", {"type": "noop", "when": {"first": 2, "last": 3}},
        fine(toxic("noop", "")),
        fine(toxic("noop", "")[:-1] + ',"when":{"first":2,"last":3,"every":1,"from_ms":0,"until_ms":0}}'), "own-fields", given=(WEB,)),
    Row("a name that is taken, on the other stream", "POST /proxies/web/toxics",
        {"type": "noop", "name": "slow", "stream": "upstream", "attributes": {}}, failed(409, "toxic already exists"), given=(WEB, SLOW)),
    Row("a toxic", "GET /proxies/web/toxics/slow", None, fine(SLOW_SHAPE), given=(WEB, SLOW)),
    Row("no such toxic", "GET /proxies/web/toxics/nope", None, failed(404, "toxic not found"), given=(WEB,)),
    Row("update merges", "POST /proxies/web/toxics/slow",
        {"attributes": {"jitter": 3}, "toxicity": 0.5, "name": "x", "type": "noop", "stream": "upstream"},
        fine(toxic("latency", '"latency":9,"jitter":3', name="slow", toxicity="0.5")), given=(WEB, SLOW)),
    Row("update by PATCH", "PATCH /proxies/web/toxics/slow", {"attributes": {"latency": 0}},
        fine(toxic("latency", '"latency":0,"jitter":0', name="slow")), given=(WEB, SLOW)),
    Row("update of nothing", "PATCH /proxies/web/toxics/slow", '{"attributes":null}', fine(SLOW_SHAPE), given=(WEB, SLOW)),
    Row("update of no toxic", "PATCH /proxies/web/toxics/nope", "nope", failed(404, "toxic not found"), given=(WEB,)),
    Row("half an update, answered", "PATCH /proxies/web/toxics/slow", {"attributes": {"latency": 1, "jitter": "x"}},
        refused("json: cannot unmarshal string into Go struct field LatencyToxic.attributes.jitter of type int64"), given=(WEB, SLOW)),
    Row("toxic deleted", "DELETE /proxies/web/toxics/slow", None, DONE, given=(WEB, SLOW), then=("/proxies/web/toxics", "[]")),
    Row("no toxic deleted", "DELETE /proxies/web/toxics/nope", None, failed(404, "toxic not found"), given=(WEB,)),
]  # fmt: skip

NEW_SHAPE = proxy("new", "127.0.0.1:{p2}")
POPULATE = [
    Row("populated", "POST /populate", [create("localhost:{p2}")], made(f'{{"proxies":[{NEW_SHAPE}]}}')),
    Row("populated with nothing", "POST /populate", [], made('{"proxies":null}'), made('{"proxies":[]}'), "populate-empty"),
    Row("populated with null", "POST /populate", "null", made('{"proxies":null}'), made('{"proxies":[]}'), "populate-empty"),
    Row("populated with an object", "POST /populate", {},
        Said(400, "json", '{"error":"bad request body: json: cannot unmarshal object into Go value of type []*'),
        Said(400, "json", '{"error":"bad request body: json: cannot unmarshal object into Go value of type []Proxy",'
             '"status":400,"proxies":null}'), "decoder-text"),
    Row("one without name", "POST /populate", [create("localhost:{p2}"), {"upstream": "x"}],
        Said(400, "json", '{"error":"missing required field: name at proxy 2","status":400,"proxies":null}'), then=("/proxies", "{}")),
    Row("one without upstream", "POST /populate", [{"name": "x"}],
        Said(400, "json", '{"error":"missing required field: upstream at proxy 1","status":400,"proxies":null}')),
    Row("one of null", "POST /populate", "[null]",
        Said(400, "json", '{"error":"missing required field: name at proxy 1","status":400,"proxies":null}')),
    Row("left as it is", "POST /populate", [WEB[2] | {"listen": "localhost:{p1}", "enabled": False}],
        made(f'{{"proxies":[{proxy("web", "127.0.0.1:{p1}", toxics=SLOW_SHAPE)}]}}'), given=(WEB, SLOW)),
    Row("replaced", "POST /populate", [WEB[2] | {"upstream": "localhost:2"}],
        made(f'{{"proxies":[{proxy("web", "127.0.0.1:{p1}", upstream="localhost:2")}]}}'), given=(WEB, SLOW)),
    Row("replaced, as its name was never resolved", "POST /populate", [OFF[2] | {"enabled": True}],
        made(f'{{"proxies":[{proxy("off", "127.0.0.1:{p2}")}]}}'), given=(OFF,)),
    Row("stopped in the middle", "POST /populate", [create("localhost:{p2}"), WEB[2] | {"listen": "127.0.0.1:{busy}"}, OFF[2] | {"name": "x"}],
        Said(500, "json", f'{{"error":"{BUSY}","status":500,"proxies":[{NEW_SHAPE}]}}'), given=(WEB,),
        then=("/proxies", f'{{"new":{NEW_SHAPE},"web":{proxy("web", "127.0.0.1:{p1}", enabled=False)}}}')),
    Row("replaced by nowhere", "POST /populate", [WEB[2] | {"listen": "nope"}],
        Said(500, "json", '{"error":"address nope: missing port in address","status":500,"proxies":null}'), given=(WEB,),
        then=("/proxies/web", WEB_SHAPE)),
    Row("toxics in populate", "POST /populate?toxics=1", [create("localhost:{p2}", toxics=[{"type": "noop"}])],
        made(f'{{"proxies":[{NEW_SHAPE}]}}'), made(f'{{"proxies":[{proxy("new", "127.0.0.1:{p2}", toxics=toxic("noop", ""))}]}}'),
        "own-fields"),
]  # fmt: skip

KINDS |= {
    "events": {"content-type": "application/x-ndjson", "id": "yes"},
    "metrics": {
        "content-type": "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
        "id": "yes",
    },
}
ROWS = [*TRANSPORT, *CREATE, *PROXIES, *TOXICS, *POPULATE]
