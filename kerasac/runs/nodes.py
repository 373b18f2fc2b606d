"""Decode on the machines that train: each once, with all of its CPUs."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kerasac.cache import ShardMap, in_process, in_threads, usable_cpus
from kerasac.errors import RunError
from kerasac.runs.session import open_ray

if TYPE_CHECKING:
    from kerasac.sampling.batches import Source

# Ray is imported where it is used: half a second, which a command that works in threads need not take.

# A shard is about 32 million cells, a quarter of a second: less work is done before Ray and its workers have started.
MIN_SHARDS = 48
THREADS_DO = 4  # CPUs that threads of one process keep busy; with more, workers are worth their start

logger = logging.getLogger(__name__)


@contextmanager
def node_shards(workers: int | None = None, *, short: ShardMap = in_process) -> Iterator[ShardMap]:
    """Yield what runs shards on Ray actors of this machine, one a CPU, and short work by ``short``, in this process.

    Where ``short`` is threads, so is all work on a machine of :data:`THREADS_DO` CPUs or fewer.

    Ray is opened by the first long work and left open (:func:`kerasac.runs.session.closing_ray`); the actors end with
    the context. With ``workers`` all work is run by as many actors; 1 is this process.
    """
    actors: list[Any] = []

    def run(work: Callable[[Any], Any], shards: Sequence[Any]) -> Iterator[Any]:
        if workers == 1:
            return in_process(work, shards)
        if workers is None and (len(shards) < MIN_SHARDS or (short is in_threads and usable_cpus() <= THREADS_DO)):
            return iter(short(work, shards))
        if not actors:
            open_ray()
            actors.extend(_start_actors(workers))
        return _on_actors(actors, work, shards)

    try:
        yield run
    finally:
        _stop_actors(actors)


def _start_actors(workers: int | None) -> list[Any]:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    node = ray.get_runtime_context().get_node_id()
    cpus = next(found["Resources"].get("CPU", 1) for found in ray.nodes() if found["NodeID"] == node)
    # No CPU is asked for: the machine's may all be promised to trials, of which one is waiting for this.
    placed = ray.remote(num_cpus=0, max_restarts=0)(_Worker).options(
        scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
    )
    return [placed.remote(_environment()) for _ in range(workers or max(1, int(cpus)))]


def _stop_actors(actors: Sequence[Any]) -> None:
    if actors:
        import ray

        for actor in actors:
            ray.kill(actor)


def _on_actors(actors: Sequence[Any], work: Callable[[Any], Any], shards: Sequence[Any]) -> Iterator[Any]:
    """Yield results as they come; an error of a shard is raised as it was there."""
    import ray

    pool = ray.util.ActorPool(actors)
    try:
        yield from pool.map_unordered(lambda actor, shard: actor.run.remote(work, shard), list(shards))
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.ActorDiedError as error:
        raise RunError(
            "a Ray worker of this machine died, perhaps for want of memory; free some and run the command again, "
            f"or work in one process (--workers 1, compute.reader: blocks). Ray says: {str(error).splitlines()[0]}"
        ) from error


def decode_on_other_nodes(source: Source) -> None:
    """See that every other machine of the cluster has what trainings read in its own cache, whole.

    A machine that joins later decodes when its first trial asks.

    Raises
    ------
    KerasacError
        Of the first machine that cannot: it lacks room, or the array at this path.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = ray.get_runtime_context().get_node_id()
    others = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["NodeID"] != here]
    if not others:
        return
    logger.info("decoding on %d other machines", len(others))
    ensure = ray.remote(num_cpus=0)(_ensure_there)
    affinity = [NodeAffinitySchedulingStrategy(node, soft=False) for node in others]
    try:
        ray.get([ensure.options(scheduling_strategy=where).remote(source) for where in affinity])
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error


def _ensure_there(source: Source) -> None:
    with node_shards() as shards:
        source.ensure(shards, verify=True)


class _Worker:
    """An actor that runs shards one after the other."""

    def __init__(self, environment: dict[str, str]) -> None:
        os.environ.update(environment)
        logging.getLogger("kerasac").setLevel(logging.ERROR)  # the caller says what there is to say, once

    def run(self, work: Callable[[Any], Any], shard: Any) -> Any:
        return work(shard)


def _environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key.startswith("KERASAC_")}
