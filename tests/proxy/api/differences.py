"""Every intended difference between our control plane and Toxiproxy 2.12.0, each with its reason.

The golden table and the model name the difference that each of their departures shows; a departure without
one fails, and so does one of these that nothing shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Test = TypeVar("Test")

DIFFERENCES = {
    "server-header": "answers say who we are; the version stays Toxiproxy's, as clients compare it",
    "decoder-text": "what follows `bad request body:` is the decoder's, and varies with Go's version too",
    "lookup-text": "the resolver is the system's: which server it asked is not known",
    "populate-empty": "`proxies` is an empty list on success: the Ruby and Node clients fail on null",
    "both-streams": "stream `both` is ours",
    "more-types": "packet_loss and our own toxics are there",
    "harmful-attributes": "values that would crash the real server, now or with the first byte, are refused",
    "all-or-nothing": "an update that is answered 400 changes nothing",
    "slash-in-name": "%2F in a path is part of a name, so that such a proxy can be addressed",
    "dot-name": "a proxy called `.` or `..` could never be addressed, so it cannot be created",
    "control-character": "names with control characters are refused: they have no place in URLs and logs",
    "long-name": "names have at most 1,024 bytes",
    "wildcards-equal": "0.0.0.0:P, :P and [::]:P are one: sending another form cuts no connections",
    "outside-upstream": "proxies lead out of this machine only where `--allow` says so",
    "rebound-host": "requests for a host name that is somebody's on the web are refused",
    "foreign-origin": "requests of web pages are refused, not only those of browsers that say so",
    "own-paths": "/events and /proxies/{name}/counters are ours",
    "own-fields": "`mode`, `when` and, where they are asked for, `toxics` of a proxy are read",
    "live-metrics": "bytes are counted as they pass, and more is counted",
    "head-length": "a 405 to a HEAD has its Content-Length, 0",
    "reset-goes-on": "a proxy that cannot be started does not keep a reset from the others",
    "body-limit": "bodies of more than 8 MiB are refused",
    "old-http": "an answer to HTTP/1.0 calls itself HTTP/1.1, which these clients read as well",
    "start-fails": "a port that is taken, or a config that cannot be used, ends the start",
    "content-length": "large answers have a Content-Length too, and no chunks",
}
SHOWN = {"server-header"}  # by every row of the golden table


def shows(*differences: str) -> Callable[[Test], Test]:
    """This test shows these."""
    assert set(differences) <= DIFFERENCES.keys()
    SHOWN.update(differences)
    return lambda test: test
