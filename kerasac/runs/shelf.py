"""Hand units and their prepared experiments to trials, wherever they run: each experiment is sent once."""

from __future__ import annotations

import time
from typing import Any, Self

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from kerasac.errors import RunError
from kerasac.runs.tasks import Task
from kerasac.runs.unit import Unit
from kerasac.steps.prepared import Prepared

_LOOK_EVERY_S = 5.0  # whether the actor still knows what it was told
_PATIENCE_S = 120.0  # of a trial whose unit it does not know, as it was killed a moment ago

_taken: dict[str, Prepared] = {}  # by this process: units of one experiment often follow each other
_Known = dict[str, tuple[Unit, list[Any]]]


class Shelf:
    """Holds prepared experiments in Ray's object store; made and filled by the driver, read by trials.

    An actor finds what is asked for by name, as what a study tries may not be known when its trials are described. It
    lives beside the driver, so that it outlives every other machine; one that is killed, for want of memory perhaps, is
    started again and told everything anew (:meth:`refill`).
    """

    def __init__(self) -> None:
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": here}
        self._actor = ray.remote(**options)(_Finder).remote()
        self._put: dict[str, Any] = {}
        self._known: _Known = {}
        self._asked: Any = None
        self._looked_at = time.monotonic()

    def put(self, task: Task) -> None:
        """Make a task's unit and experiment available."""
        name = task.unit.configuration
        if name not in self._put:
            self._put[name] = ray.put(task.prepared)
        # In a list, or Ray would hand on the experiment in place of its reference.
        self._known[task.unit.title] = task.unit, [self._put[name]]
        ray.get(self._actor.put.remote({task.unit.title: self._known[task.unit.title]}))

    def refill(self) -> None:
        """See now and then, without waiting, that the actor knows everything, and tell it what it lacks."""
        if self._asked is None:
            if time.monotonic() - self._looked_at > _LOOK_EVERY_S:
                self._asked, self._looked_at = self._actor.n_known.remote(), time.monotonic()
        elif ray.wait([self._asked], timeout=0)[0]:
            if ray.get(self._asked) < len(self._known):
                self._actor.put.remote(self._known)
            self._asked = None

    def take(self, title: str) -> tuple[Unit, Prepared]:
        """Return a unit and its experiment.

        Raises
        ------
        RunError
            When it is not there, and does not come.
        """
        until = time.monotonic() + _PATIENCE_S
        while (found := ray.get(self._actor.take.remote(title))) is None:
            if time.monotonic() > until:
                raise RunError(f"nothing says what {title} is, {_PATIENCE_S:.0f} s long; run the command again")
            time.sleep(0.5)
        unit, (reference,) = found
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
        return {"_actor": self._actor}


class _Finder:
    """The actor that knows where everything is."""

    def __init__(self) -> None:
        self._known: _Known = {}

    def put(self, known: _Known) -> None:
        self._known |= known

    def n_known(self) -> int:
        return len(self._known)

    def take(self, title: str) -> tuple[Unit, list[Any]] | None:
        return self._known.get(title)
