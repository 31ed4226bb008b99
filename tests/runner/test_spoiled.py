"""What one promise leaves behind never reaches the next."""

from __future__ import annotations

from harness.runner.verify import Verification
from harness.runner.world import World
from harness.seeds import Seed
from harness.supervisor import Supervisor
from tests.quality.examine import reference


def test_a_world_of_calls_that_left_is_not_used_again() -> None:
    """Calls that left without an answer may use a budget at any time: nothing else is judged after them."""
    loaded = reference("sum")
    promise = next(each for each in loaded.contract.promises if each.id == "sum-bulkhead")
    with Supervisor() as supervisor, World(loaded, supervisor, Seed(1)) as world:
        Verification(world, promise, 60.0, lambda *_: None, smoke=True).run()
        assert not world.usable
