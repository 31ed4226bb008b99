"""Random histories of the control plane: both servers show what the model says after each step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.proxy.api.model import Model, Refused
from tests.proxy.api.servers import NO_REAL, ours, quoted, real, real_binary, with_ports

if TYPE_CHECKING:
    from tests.proxy.api.servers import Server

EXAMPLES = 12
STEPS = 40
PHASES = (
    Phase.generate,
)  # to make a history smaller takes minutes, as ports have to be found anew
NAMES = st.sampled_from(["a", "a", "b", "b", "c é"])
HOSTS = st.sampled_from(["127.0.0.1", "localhost", "0.0.0.0", "", "[::1]", "[::]"])
PORTS = st.sampled_from(["{p1}", "{p1}", "{p2}", "{busy}", "0"])
FORMS = st.builds(lambda host, port: f"{host}:{port}", HOSTS, PORTS)
LISTENS = st.one_of(FORMS, FORMS, FORMS, st.sampled_from(["", "nope"]))
UPSTREAMS = st.sampled_from(["localhost:1", "localhost:2"])
ENABLED = st.sampled_from([True, False, None])
TOXICS = st.sampled_from(["t1", "t1", "t2", "noop_downstream"])
VALUES = st.sampled_from([0, 5, -3, 10**12, "x"])
GIVEN = st.fixed_dictionaries(
    {}, optional={"listen": LISTENS, "upstream": UPSTREAMS, "enabled": ENABLED}
)
ATTRIBUTES = st.none() | st.dictionaries(
    st.sampled_from(["latency", "jitter", "timeout", "other"]), VALUES
)
TOXICITY = st.sampled_from([0, 0.5, 1, 2])


class Machine(RuleBasedStateMachine):
    """Asks all servers the same, and compares each with its own model."""

    servers: tuple[Server, ...] = ()

    @initialize()
    def clear(self) -> None:
        """Everybody starts with two proxies and a toxic each."""
        self.pairs = [(server, Model(is_real=server.is_real)) for server in self.servers]
        for server, model in self.pairs:
            server.clear()
            model.occupy("127.0.0.1:{busy}")
        body: list[dict[str, Any]] = [
            {"name": "a", "upstream": "localhost:1", "listen": "localhost:{p1}"},
            {"name": "b", "upstream": "localhost:1", "listen": "localhost:{p2}", "enabled": False},
        ]
        self.compare("POST", "/populate", body, lambda model: model.populate(body))
        for name in ("a", "b"):
            self.add_toxic(name=name, toxic="t1", kind="latency")

    def compare(
        self, method: str, path: str, body: Any, said: Callable[[Model], tuple[int, str]]
    ) -> None:
        """One request to each."""
        for server, model in self.pairs:
            try:
                wanted = said(model)
            except Refused as refused:
                wanted = model.error(refused)
            answer = server.ask(method, path, body)
            assert (answer.status, answer.body) == wanted, (server.is_real, method, path, body)

    @invariant()
    def shows_the_same(self) -> None:
        """Everything is as the model has it."""
        for server, model in getattr(self, "pairs", ()):
            assert server.ask("GET", "/proxies").body == model.index(), server.is_real

    @rule(name=NAMES, given=GIVEN, upstream=UPSTREAMS | st.none())
    def create(self, name: str, given: dict[str, Any], upstream: str | None) -> None:
        """Most are well-formed."""
        body = {"name": name, "upstream": upstream} | given
        self.compare("POST", "/proxies", body, lambda model: model.create(body))

    @rule(name=NAMES, given=GIVEN, method=st.sampled_from(["POST", "PATCH"]))
    def update(self, name: str, given: dict[str, Any], method: str) -> None:
        """All fields may be absent."""
        path = f"/proxies/{quoted(name)}"
        self.compare(method, path, given, lambda model: model.update(name, given))

    @rule(name=NAMES, enabled=st.booleans())
    def toggle(self, name: str, enabled: bool) -> None:
        """As most clients do."""
        self.update(name, {"enabled": enabled}, "POST")

    @rule(name=NAMES, listen=FORMS)
    def move(self, name: str, listen: str) -> None:
        """To another address, or another form of the same."""
        self.update(name, {"listen": listen}, "PATCH")

    @rule(name=st.sampled_from(["c é", "c é", "b"]))
    def delete(self, name: str) -> None:
        """Whether it is there or not."""
        self.compare("DELETE", f"/proxies/{quoted(name)}", None, lambda model: model.delete(name))

    @rule(items=st.lists(st.tuples(NAMES, UPSTREAMS | st.just(""), GIVEN), max_size=3))
    def populate(self, items: list[tuple[str, str, dict[str, Any]]]) -> None:
        """Names may come twice."""
        body = [{"name": name, "upstream": upstream} | given for name, upstream, given in items]
        self.compare("POST", "/populate", body, lambda model: model.populate(body))

    @rule()
    def reset(self) -> None:
        """Where one cannot be started, the real server leaves some as they were, in no order."""
        for server, model in self.pairs:
            answer = server.ask("POST", "/reset")
            try:
                wanted = model.reset()
            except Refused as refused:
                wanted = model.error(refused)
                if not model.ours("reset-goes-on"):
                    assert answer.status == 500
                    model.adopt(server.ask("GET", "/proxies").json)
                    continue
            assert (answer.status, answer.body) == wanted

    @rule(
        name=NAMES,
        toxic=st.none() | TOXICS,
        kind=st.sampled_from(["noop", "latency", "latency", "timeout", "nope"]),
        stream=st.sampled_from(["upstream", "downstream", "UpStream", None, "nope"]),
        attributes=ATTRIBUTES,
        toxicity=TOXICITY | st.none(),
    )
    def add_toxic(self, name: str, **given: Any) -> None:
        """Names may be taken, streams be wrong."""
        body = {key: value for key, value in given.items() if value is not None}
        body = {
            {"toxic": "name", "kind": "type"}.get(key, key): value for key, value in body.items()
        }
        path = f"/proxies/{quoted(name)}/toxics"
        self.compare("POST", path, body, lambda model: model.add_toxic(name, body))

    @rule(name=NAMES, toxic=TOXICS, attributes=ATTRIBUTES, toxicity=TOXICITY | st.none())
    def update_toxic(self, name: str, toxic: str, **given: Any) -> None:
        """Attributes may be none of its own, or none at all."""
        body = {key: value for key, value in given.items() if value is not None}
        path = f"/proxies/{quoted(name)}/toxics/{toxic}"
        self.compare("PATCH", path, body, lambda model: model.update_toxic(name, toxic, body))

    @rule(name=NAMES, toxic=TOXICS)
    def delete_toxic(self, name: str, toxic: str) -> None:
        """Whether it is there or not."""
        path = f"/proxies/{quoted(name)}/toxics/{toxic}"
        self.compare("DELETE", path, None, lambda model: model.delete_toxic(name, toxic))


def examine(servers: tuple[Server, ...], examples: int) -> None:
    """Play that many random histories against these servers."""
    machine = type("Histories", (Machine,), {"servers": servers})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=STEPS, phases=PHASES)
    )


def main(count: int) -> None:
    """The long proof: ``count`` histories, against the real server too where it is."""
    binary = real_binary()
    with ExitStack() as stack:
        servers = [stack.enter_context(ours("--proxy-metrics"))]
        if binary is not None:
            servers.append(stack.enter_context(real(binary)))
        for server in servers:
            stack.enter_context(with_ports(server))
        examine(tuple(servers), count)
    print(
        f"control plane: {count} histories, {'with' if binary else NO_REAL + '; without'} the real server"
    )


def test_ours_is_as_the_model(our_server: Server) -> None:
    """Proxies and toxics are shown, after each of many steps, as the model says."""
    examine((our_server,), EXAMPLES)


def test_the_model_is_as_the_real_server(our_server: Server, real_server: Server) -> None:
    """The same of both servers: where they differ, the model names the difference."""
    examine((our_server, real_server), EXAMPLES)
