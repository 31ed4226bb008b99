"""Proxies and toxics as a server shows them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

__all__ = ["ProxyState", "ToxicState"]


@dataclass(frozen=True, slots=True)
class ToxicState:
    """A toxic.

    Attributes:
        attributes: every one that its type has.
    """

    name: str
    type: str
    stream: str
    toxicity: float
    attributes: Mapping[str, float]

    @classmethod
    def read(cls, shape: Mapping[str, Any]) -> Self:
        """From its JSON; what is not known is passed over."""
        return cls(
            name=shape["name"],
            type=shape["type"],
            stream=shape.get("stream", "downstream"),
            toxicity=shape.get("toxicity", 1.0),
            attributes=dict(shape.get("attributes") or {}),
        )


@dataclass(frozen=True, slots=True)
class ProxyState:
    """A proxy.

    Attributes:
        listen: ``host:port`` or ``[host]:port``, as bound if it is enabled.
        toxics: upstream ones first.
    """

    name: str
    listen: str
    upstream: str
    enabled: bool
    toxics: tuple[ToxicState, ...] = ()

    @classmethod
    def read(cls, shape: Mapping[str, Any]) -> Self:
        """From its JSON; what is not known is passed over.

        >>> ProxyState.read({"name": "a", "listen": "[::]:7", "upstream": "b:1", "enabled": True}).port
        7
        """
        return cls(
            name=shape["name"],
            listen=shape["listen"],
            upstream=shape["upstream"],
            enabled=shape["enabled"],
            toxics=tuple(ToxicState.read(one) for one in shape.get("toxics") or ()),
        )

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.listen.rpartition(":")[2])
