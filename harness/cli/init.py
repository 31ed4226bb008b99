"""``stormproof init``: a first contract, from a running service's OpenAPI document and its answers."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.markup import escape

from harness.cli.looking import Look, Looker
from harness.client.tls import Trust
from harness.contract.load import load
from harness.contract.request import check_url
from harness.errors import ContractError, CouldNotRun, HarnessError, UsageError
from harness.identify.document import JSON_MAX_BYTES, NoDocument, read_document
from harness.identify.draft import Knowledge, Seen, draft
from harness.identify.hints import hints_in_headers
from harness.identify.openapi import Described, Description, describe
from harness.promises import words
from harness.targets import AttachedTarget

_PLACES = (
    "/openapi.json",
    "/openapi.yaml",
    "/swagger.json",
    "/api/openapi.json",
    "/docs-json",
    "/v3/api-docs",
)
_LOOKS_MAX = 4
_ANSWER_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The command line of ``init``.

    Attributes:
        url: where the service runs.
        output: the contract that is written.
        openapi: path or URL of its document; None: the usual places are looked at.
        trust: certificates (PEM) that an https service is checked against.
        allow: hosts outside loopback.
        force: overwrite what is there.
    """

    url: str
    output: Path
    openapi: str | None = None
    trust: Path | None = None
    allow: tuple[str, ...] = ()
    force: bool = False


def init(wanted: Wanted) -> int:
    """Write a contract; nothing is asked before it is clear that it can be written.

    Raises:
        HarnessError: what was asked for cannot be (exit code 4).
    """
    url = _checked(wanted.url)
    _check_output(wanted)
    console = Console(stderr=True, highlight=False)
    target = _attached(url, wanted.allow, wanted.trust)
    looker = Looker(target, urlsplit(url).netloc)
    try:
        source, found = _document(wanted, url, looker, console)
        known = _knowledge(wanted, url, source, found, looker)
    finally:
        looker.close()
    text = draft(known)
    _write(wanted, text)
    _tell(wanted, known, text, console)
    return 0


def _checked(url: str) -> str:
    try:
        return check_url(url)
    except ValueError as error:
        raise UsageError(f"{url!r}: {error}") from error


def _check_output(wanted: Wanted) -> None:
    if wanted.output.is_dir():
        raise UsageError(f"{wanted.output} is a folder: name a file in it, as in contract.yaml")
    if wanted.output.exists() and not wanted.force:
        raise UsageError(f"{wanted.output} is there already: give --force, or another --output")
    if not wanted.output.parent.is_dir():
        raise UsageError(f"there is no folder {wanted.output.parent}")


def _attached(url: str, allow: Collection[str], trust: Path | None) -> AttachedTarget:
    """The service, found to answer."""
    host = urlsplit(url).hostname or ""
    file = None if trust is None else Trust(name=host, file=trust)
    if trust is not None and not url.startswith("https:"):
        raise UsageError("--trust goes with an https address")
    target = AttachedTarget(url, allow=allow, trust=file)
    target.start()
    return target


def _document(
    wanted: Wanted, url: str, looker: Looker, console: Console
) -> tuple[str | None, Description | None]:
    """The document, and where it was found; a place that only looks like one is told and passed."""
    if wanted.openapi is not None:
        try:
            raw, source = _named(wanted, url, looker)
            return source, describe(read_document(raw))
        except NoDocument as error:
            raise HarnessError(f"{wanted.openapi}: {error}") from error
    for place in _PLACES:
        look = looker.get(place, JSON_MAX_BYTES)
        if look is None or look.status != 200:
            continue
        try:
            return place, describe(read_document(_whole(look)))
        except NoDocument as error:
            console.print(f"{place} is passed over: {escape(str(error))}", soft_wrap=True)
    return None, None


def _whole(look: Look) -> bytes:
    if not look.is_whole:
        raise NoDocument(f"it is larger than {JSON_MAX_BYTES >> 20} MiB, or never ends")
    return look.body


def _named(wanted: Wanted, url: str, looker: Looker) -> tuple[bytes, str]:
    """The document that the command line names: a file, or an address on an allowed host."""
    named = wanted.openapi or ""
    if not re.match(r"https?://", named):
        return _file(Path(named)), Path(named).name
    parts = urlsplit(named)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    base = _checked(f"{parts.scheme}://{parts.netloc}")
    if base == url:
        look = looker.must_get(path, JSON_MAX_BYTES)
    else:
        other = Looker(_attached(base, wanted.allow, wanted.trust), parts.netloc)
        try:
            look = other.must_get(path, JSON_MAX_BYTES)
        finally:
            other.close()
    if look.status != 200:
        raise CouldNotRun(f"{named} was answered with {look.status}")
    return _whole(look), path


def _file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(JSON_MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(raw) > JSON_MAX_BYTES:
        raise UsageError(f"{path} is larger than {JSON_MAX_BYTES >> 20} MiB")
    return raw


def _knowledge(
    wanted: Wanted, url: str, source: str | None, found: Description | None, looker: Looker
) -> Knowledge:
    host = urlsplit(url).hostname or "service"
    trust = None if wanted.trust is None else os.path.relpath(wanted.trust, wanted.output.parent)
    if found is None or not found.operations:
        root = Described(name="root", call="GET /")
        seen = _seen([root], looker)
        return Knowledge(
            service=host, url=url, trust=trust, source=source, operations=[root], seen=seen
        )
    harmless = [operation for operation in found.operations if operation.is_harmless]
    harmless.sort(key=lambda operation: operation.refusal_headers is None)
    return Knowledge(
        service=found.title or host,
        url=url,
        trust=trust,
        source=source,
        operations=found.operations,
        left_out=found.left_out,
        clients=found.clients,
        hints=found.hints,
        seen=_seen(harmless[:_LOOKS_MAX], looker),
    )


def _seen(operations: list[Described], looker: Looker) -> list[Seen]:
    """One call of each, as long as calls are left."""
    seen = []
    for operation in operations:
        look = looker.get(operation.call.removeprefix("GET "), _ANSWER_BYTES)
        if look is not None:
            seen.append(
                Seen(
                    operation=operation.name,
                    status=look.status,
                    hints=hints_in_headers(look.headers),
                )
            )
    return seen


def _write(wanted: Wanted, text: str) -> None:
    """Never over what is there, unless that was asked for."""
    try:
        with wanted.output.open("w" if wanted.force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{wanted.output} is there already: give --force") from None
    except OSError as error:
        raise UsageError(f"{wanted.output} cannot be written: {error.strerror or error}") from error


def _tell(wanted: Wanted, known: Knowledge, text: str, console: Console) -> None:
    """What was written, what is left to do, and whether it can be used as it is."""
    where = known.source or "no OpenAPI document was found: only what was seen"
    count = len(known.operations)
    console.print(
        f"wrote {escape(str(wanted.output))}: {count} operation{'s' * (count != 1)}, "
        f"{len(known.clients)} identities ({escape(where)}); search it for FILL IN, "
        f"{text.count('FILL IN')} places",
        soft_wrap=True,
    )
    try:
        promises = load(wanted.output, words()).contract.promises
    except ContractError as error:
        console.print("it has to be finished by hand:", soft_wrap=True)
        for line in error.lines():
            console.print(f"  {escape(line)}", soft_wrap=True)
        return
    if promises:
        console.print(f"next: stormproof plan {escape(str(wanted.output))}", soft_wrap=True)
    else:
        console.print("next: write a promise; the example at its end shows how", soft_wrap=True)
