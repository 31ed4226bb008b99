"""What the API needs to know of each type, and which settings are refused."""

from __future__ import annotations

import pytest

from harness.faults.wire import TYPES, InvalidFault, attribute_types, attributes

TOXIPROXY = {
    "noop": set(),
    "latency": {"latency", "jitter"},
    "bandwidth": {"rate"},
    "slow_close": {"delay"},
    "timeout": {"timeout"},
    "reset_peer": {"timeout"},
    "slicer": {"average_size", "size_variation", "delay"},
    "limit_data": {"bytes"},
    "packet_loss": {"loss_rate", "correlation"},
}


@pytest.mark.parametrize("name", TOXIPROXY)
def test_attributes_are_toxiproxys(name: str) -> None:
    """A fault lists Toxiproxy's attributes and, until they are set, none of ours."""
    fault = TYPES[name](**({"average_size": 1} if name == "slicer" else {}))
    assert attributes(fault).keys() == TOXIPROXY[name]


def test_our_attributes_are_listed_once_they_are_set() -> None:
    """So a client of Toxiproxy never sees one that it did not send."""
    assert attributes(TYPES["latency"](normal=1)) == {"latency": 0, "jitter": 0, "normal": 1}


def test_numbers() -> None:
    """Shares are floats, all else are integers."""
    assert attribute_types(TYPES["slicer"]) == dict.fromkeys(TOXIPROXY["slicer"], int)
    assert attribute_types(TYPES["packet_loss"])["loss_rate"] is float


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("slicer", {}),
        ("slicer", {"average_size": -1}),
        ("bandwidth", {"rate": -1}),
        ("bandwidth", {"rate": 92_000_000_000_000_001}),
        ("latency", {"jitter": 1 << 62}),
        ("packet_loss", {"loss_rate": float("nan")}),
        ("corrupt", {"probability": 1.5}),
        ("corrupt", {"bits": 9, "block": 1}),
    ],
)
def test_refused(name: str, settings: dict[str, int]) -> None:
    """What would end Toxiproxy's server, or means nothing, is refused, and the message names it."""
    with pytest.raises(
        InvalidFault, match=f"{name} needs .*{next(iter(settings), 'average_size')}"
    ):
        TYPES[name](**settings)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("slicer", {"average_size": 1000, "size_variation": 1000}),
        ("slicer", {"average_size": 100, "size_variation": 150}),
        ("bandwidth", {"rate": 0}),
        ("latency", {"latency": -(1 << 63), "jitter": -5}),
        ("timeout", {"timeout": -1}),
        ("limit_data", {"bytes": -1}),
        ("packet_loss", {"loss_rate": 7.0, "correlation": -2.0}),
    ],
)
def test_odd_but_taken(name: str, settings: dict[str, int]) -> None:
    """What Toxiproxy's clients send and its server takes, ours takes too."""
    assert attributes(TYPES[name](**settings)).items() >= settings.items()
