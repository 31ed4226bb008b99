"""Five-letter histories: ``hhwx; e h;``.

``h`` one is inside (the oldest who waits, else a new call), ``w`` a new call waits, ``x`` a new call
is refused, ``e`` the oldest held ends ok, ``g`` the client of the oldest held goes away, ``a`` the
witness answers the oldest whose user is gone, ``l`` the oldest waiter leaves, ``t`` the user of the
oldest held is told "timeout", ``c`` the service closes the connection of the oldest whose user is
gone, ``k`` the oldest who left while waiting is inside, ``r`` the oldest waiter is refused,
``m`` the clock moves a second, ``;`` the target is at rest. ``K:`` changes the key.
"""

from __future__ import annotations

from dataclasses import replace

from harness.models.slots import End, Rest, Rests, Stay, Visit, crowds
from harness.promises.concurrency_limit.book import Book, Break, Terms, spans
from harness.promises.concurrency_limit.check import breaks
from harness.units import NS_PER_S


class Written:
    """A history that is being written; every letter is a microsecond later."""

    def __init__(self, text: str, *, rested: bool = True) -> None:
        self.visits: list[Visit] = []
        self.rests: list[Rest] = []
        self.now_ns = 0
        self.target_ns = 0
        self.key = "a"
        for place, letter in enumerate(text):
            self.now_ns += 1_000
            if text[place + 1 : place + 2] == ":":
                self.key = letter
            elif letter not in " :":
                getattr(self, f"_{letter}" if letter != ";" else "_rest")()
        if rested:
            self.now_ns += 1_000
            self._rest()

    def _rest(self) -> None:
        self.rests.append(Rest(self.now_ns, self.target_ns))

    def _m(self) -> None:
        self.target_ns += NS_PER_S

    def _new(self) -> None:
        visit = Visit(
            call=len(self.visits),
            key=self.key,
            sent_ns=self.now_ns - 100,
            sent_target_ns=self.target_ns,
        )
        self.visits.append(visit)

    def _change(self, number: int, **values: object) -> None:
        self.visits[number] = replace(self.visits[number], **values)  # type: ignore[arg-type]

    def _end(self, number: int, end: End, way: str) -> None:
        self._change(number, ended_ns=self.now_ns, ended_target_ns=self.target_ns, end=end, way=way)

    def _first(self, *, held: bool, here: bool) -> int | None:
        """The oldest with or without arrival that is held, whose user is here or gone."""
        for number, visit in enumerate(self.visits):
            is_held = bool(visit.stays) and visit.stays[0].to_ns is None
            if visit.key == self.key and is_held == held and (visit.ended_ns is None) == here:
                return number
        return None

    def _oldest(self, *, held: bool, here: bool = True) -> int:
        found = self._first(held=held, here=here)
        assert found is not None, "nobody is there for this letter"
        return found

    def _h(self) -> None:
        number = self._first(held=False, here=True)
        if number is None:
            self._new()
            number = len(self.visits) - 1
        self._change(number, stays=(Stay(from_ns=self.now_ns),))

    def _w(self) -> None:
        self._new()

    def _x(self) -> None:
        self._new()
        self._end(len(self.visits) - 1, "refused", "refusal")

    def _answer(self, number: int) -> None:
        stay = self.visits[number].stays[0]
        self._change(number, stays=(replace(stay, to_ns=self.now_ns),))

    def _e(self) -> None:
        number = self._oldest(held=True)
        self._answer(number)
        self._end(number, "answered", "ok")

    def _g(self) -> None:
        self._end(self._oldest(held=True), "left", "client gone")

    def _a(self) -> None:
        self._answer(self._oldest(held=True, here=False))

    def _c(self) -> None:
        number = self._oldest(held=True, here=False)
        stay = self.visits[number].stays[0]
        self._change(number, stays=(replace(stay, to_ns=self.now_ns, by_target=True),))

    def _k(self) -> None:
        number = next(v.call for v in self.visits if v.end == "left" and not v.stays)
        self._change(number, stays=(Stay(from_ns=self.now_ns),))

    def _l(self) -> None:
        self._end(self._oldest(held=False), "left", "client gone")

    def _t(self) -> None:
        self._end(self._oldest(held=True), "answered", "timeout")

    def _r(self) -> None:
        self._end(self._oldest(held=False), "refused", "refusal")


def book(
    text: str, terms: Terms, *, width: int = 0, narrow: bool = False, rested: bool = True
) -> Book:
    """A history of one limit; the service can do as many at once as were seen inside, or ``width``."""
    written = Written(text, rested=rested)
    rests = Rests(written.rests)
    found = Book(terms=terms, visits=written.visits, rests=rests, looks=rests, narrow=narrow)
    seen = max((len(crowd.visits) for crowd in crowds(spans(found))), default=0)
    return replace(found, width=max(width, seen))


def halves(text: str, terms: Terms, **more: int | bool) -> list[str]:
    """Which halves break, each once, the first proof first."""
    found: list[Break] = breaks(book(text, terms, **more))  # type: ignore[arg-type]
    return list(dict.fromkeys(each.half for each in found))
