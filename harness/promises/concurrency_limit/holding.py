"""Which dependency's requests can be held, and which operation has no limit but the service's own."""

from __future__ import annotations

from harness.promises.base import Surroundings
from harness.promises.concurrency_limit.words import ConcurrencyLimit


def witness_of(operation: str, around: Surroundings) -> str | None:
    """The first witness that the operation uses."""
    spec = around.operations.get(operation)
    for name in spec.uses if spec is not None else ():
        dependency = around.dependencies.get(name)
        if dependency is not None and dependency.kind == "witness":
            return name
    return None


def control_of(promise: ConcurrencyLimit, around: Surroundings) -> str | None:
    """An operation that uses the same witness and is in no promise of this kind, best in none at all."""
    limited = {
        name
        for other in (*around.promises, promise)
        if isinstance(other, ConcurrencyLimit)
        for name in other.operation
    }
    dependency = witness_of(promise.operation[0], around)
    others = [
        name
        for name in around.operations
        if dependency is not None and name not in limited and witness_of(name, around) == dependency
    ]
    bare = [name for name in others if not any(name in each.operation for each in around.promises)]
    return next(iter(bare or others), None)
