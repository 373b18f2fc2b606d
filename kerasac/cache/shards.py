"""Say what runs the shards of a long piece of work: this process, or whoever stands in for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol, TypeVar

Shard = TypeVar("Shard")
Result = TypeVar("Result")


class ShardMap(Protocol):
    """Calls a function on every shard, in any order, and yields what it returns.

    Shards and results are small and picklable: what is large is written to files of the machine that asked, so
    whatever stands in for this process runs there too.
    """

    def __call__(self, work: Callable[[Shard], Result], shards: Sequence[Shard]) -> Iterable[Result]:
        """Run the shards."""


def usable_cpus() -> int:
    """Return the number of CPUs that Slurm, taskset or the machine leave this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_process(work: Callable[[Shard], Result], shards: Sequence[Shard]) -> Iterator[Result]:
    """Run the shards in this process, one after the other."""
    return map(work, shards)


def in_threads(work: Callable[[Shard], Result], shards: Sequence[Shard]) -> Iterator[Result]:
    """Run the shards in threads of this process, one a CPU: for work that mostly waits for compiled code."""
    n_threads = usable_cpus()
    todo, running = iter(shards), set[Future[Result]]()
    with ThreadPoolExecutor(n_threads) as pool:
        while True:
            # No more are handed out than run, so that an error ends the work at once.
            running |= {
                pool.submit(work, shard) for _, shard in zip(range(n_threads - len(running)), todo, strict=False)
            }
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
