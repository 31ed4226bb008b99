"""Injects faults into the processes of a world, proves their effect, and undoes them."""

from harness.nemesis.effect import Effect, NotInEffect, Refused, UndoFailed
from harness.nemesis.nemesis import Injected, Nemesis
from harness.nemesis.scene import Held, Scene, Subject

__all__ = [
    "Effect",
    "Held",
    "Injected",
    "Nemesis",
    "NotInEffect",
    "Refused",
    "Scene",
    "Subject",
    "UndoFailed",
]
