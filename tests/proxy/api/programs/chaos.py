"""Drives every action and probe of chaostoolkit-toxiproxy against the server that is named."""

from __future__ import annotations

import sys

from chaostoxi.proxy import actions, probes  # type: ignore[import-not-found]
from chaostoxi.toxic import actions as toxics  # type: ignore[import-not-found]


def main(url: str) -> None:
    """From an empty server back to an empty one."""
    where = {"configuration": {"toxiproxy_url": url}}
    assert actions.create_proxy("chaos", "localhost", 1, **where)
    assert int(probes.get_proxy_attribute("chaos", "listen", **where).rpartition(":")[2]) > 0
    assert probes.proxy_exist("chaos", **where)
    assert not probes.proxy_exist("nobody", **where)
    assert actions.modify_proxy("chaos", upstream_address="localhost:2", **where)
    assert probes.get_proxy_attribute("chaos", "upstream", **where) == "localhost:2"
    assert actions.disable_proxy("chaos", **where)
    assert probes.get_proxy_attribute("chaos", "enabled", **where) is False
    assert actions.enable_proxy("chaos", **where)
    assert toxics.create_toxic("chaos", "plain", "noop", **where)
    assert toxics.create_latency_toxic("chaos", "late", 10, **where)
    assert toxics.create_bandwith_degradation_toxic("chaos", "narrow", 100, **where)
    assert toxics.create_slow_connection_close_toxic("chaos", "slow", 10, **where)
    assert toxics.create_timeout_toxic("chaos", "timed", 10, **where)
    assert toxics.create_slicer_toxic("chaos", "sliced", 100, 10, 1, **where)
    assert toxics.create_limiter_toxic("chaos", "limited", 100, **where)
    assert toxics.delete_toxic("chaos", "limited", **where)
    actions.reset(**where)
    assert probes.get_proxy_attribute("chaos", "toxics", **where) == []
    actions.delete_proxy("chaos", **where)
    assert not probes.proxy_exist("chaos", **where)
    print("every method did as it should")


if __name__ == "__main__":
    main(sys.argv[1])
