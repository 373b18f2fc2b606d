"""Do the shards of a job in this process, or on Ray actors with a GPU or some CPUs each."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from typing import Any

from kerasac.cache import usable_cpus
from kerasac.errors import KerasacError, RunError
from kerasac.models.backend import prepare_backend
from kerasac.models.quiet_start import load_keras_quietly
from kerasac.runs.session import closing_ray, open_ray
from kerasac.steps.sharded import ShardedJob

CPUS_EACH = 4  # of an actor without a GPU: more threads than these gain a BPNet little
_RETRIES = 2  # of a shard whose process died

logger = logging.getLogger(__name__)


def run_shards(job: ShardedJob, shards: Sequence[int], *, workers: int | None) -> Iterator[int]:
    """Do shards, yielding the number of items of each as it is finished.

    ``workers`` actors do them, 1 is this process; by default one a GPU of the Ray cluster, or one for every
    :data:`CPUS_EACH` of its CPUs, and this process where that makes one.

    Raises
    ------
    RunError
        When an actor died again and again, or Ray has no room for so many.
    """
    if not shards:
        return
    if workers == 1 or (workers is None and not os.environ.get("RAY_ADDRESS") and usable_cpus() < 2 * CPUS_EACH):
        load_keras_quietly(threads=usable_cpus(), gpus=True)
        yield from (job.do(shard) for shard in shards)
        return
    with closing_ray():
        yield from _on_actors(job, shards, workers)


def _on_actors(job: ShardedJob, shards: Sequence[int], workers: int | None) -> Iterator[int]:
    open_ray()
    import ray

    actors = _start(min(len(shards), workers) if workers else None, len(shards))
    shared = ray.put(job)
    pool = ray.util.ActorPool(actors)
    try:
        yield from pool.map_unordered(lambda actor, shard: actor.do.remote(shared, shard), list(shards))
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, KerasacError):
            raise error.cause from error
        raise
    except ray.exceptions.ActorDiedError as error:
        raise RunError(
            f"a worker died {_RETRIES + 1} times over one shard, perhaps for want of memory; finished shards are kept, "
            f"the same command goes on: with fewer --workers each has more. Ray says: {str(error).splitlines()[0]}"
        ) from error
    finally:
        for actor in actors:
            ray.kill(actor)


def _start(workers: int | None, n_shards: int) -> list[Any]:
    """Start the actors; each takes a GPU where there are some, else its part of the CPUs."""
    import ray

    resources = ray.cluster_resources()
    gpus, cpus = int(resources.get("GPU", 0)), int(resources.get("CPU", 1))
    wanted = workers or min(n_shards, gpus or max(1, cpus // CPUS_EACH))
    if wanted > (gpus or cpus):
        have = f"{gpus} GPUs" if gpus else f"{cpus} CPUs"
        raise RunError(f"--workers {wanted}, but Ray has {have}; each worker takes one")
    threads = max(1, cpus // wanted)
    logger.info("%d workers with %s each", wanted, "a GPU" if gpus else f"{threads} threads")
    actor = ray.remote(max_restarts=_RETRIES, max_task_retries=_RETRIES)(_Worker)
    placed = actor.options(num_gpus=1, num_cpus=min(1, cpus / wanted)) if gpus else actor.options(num_cpus=threads)
    return [placed.remote(threads, gpus > 0) for _ in range(wanted)]


class _Worker:
    """An actor that does shards one after the other; its models stay loaded."""

    def __init__(self, threads: int, gpus: bool) -> None:
        logging.getLogger("kerasac").setLevel(logging.ERROR)  # the caller says what there is to say
        prepare_backend(threads, gpus=gpus)

    def do(self, job: ShardedJob, shard: int) -> int:
        return job.do(shard)
