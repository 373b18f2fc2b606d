"""Hand units and their prepared experiments to trials, wherever they run: each experiment is sent once."""

from __future__ import annotations

from typing import Any, Self

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from kerasac.runs.tasks import Task
from kerasac.runs.unit import Unit
from kerasac.steps.prepared import Prepared

_taken: dict[str, Prepared] = {}  # by this process: units of one experiment often follow each other


class Shelf:
    """Holds prepared experiments in Ray's object store; made and filled by the driver, read by trials.

    An actor finds what is asked for by name, as what a study tries may not be known when its trials are described.
    """

    def __init__(self) -> None:
        # Beside the driver, so that it outlives every other machine.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._actor = ray.remote(num_cpus=0, scheduling_strategy=here)(_Finder).remote()
        self._put: dict[str, Any] = {}

    def put(self, task: Task) -> None:
        """Make a task's unit and experiment available."""
        name = task.unit.configuration
        if name not in self._put:
            self._put[name] = ray.put(task.prepared)
        # In a list, or Ray would hand on the experiment in place of its reference.
        ray.get(self._actor.put.remote(task.unit.title, task.unit, [self._put[name]]))

    def take(self, title: str) -> tuple[Unit, Prepared]:
        """Return a unit and its experiment."""
        unit, (reference,) = ray.get(self._actor.take.remote(title))
        key = reference.hex()
        if key not in _taken:
            _taken.clear()
            _taken[key] = ray.get(reference)
        return unit, _taken[key]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        ray.kill(self._actor)

    def __getstate__(self) -> dict[str, Any]:
        return {"_actor": self._actor, "_put": {}}


class _Finder:
    """The actor that knows where everything is."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Unit, list[Any]]] = {}

    def put(self, title: str, unit: Unit, reference: list[Any]) -> None:
        self._known[title] = unit, reference

    def take(self, title: str) -> tuple[Unit, list[Any]]:
        return self._known[title]
