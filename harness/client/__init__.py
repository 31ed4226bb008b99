"""Our own HTTP/1.1 client: bursts, halves, chosen source addresses, all in one thread.

:class:`Request` says what to send and how, :class:`Client` plays a list of them and answers with
the facts (:class:`harness.history.Call`). It never follows, retries or judges anything. With a
:class:`FlightClient` calls may also stay under way.
"""

from harness.client.client import Client
from harness.client.flights import FlightClient
from harness.client.request import Request

__all__ = ["Client", "FlightClient", "Request"]
