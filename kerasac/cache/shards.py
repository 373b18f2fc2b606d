"""Say what runs the shards of a long piece of work: this process, or whoever stands in for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
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


def in_process(work: Callable[[Shard], Result], shards: Sequence[Shard]) -> Iterator[Result]:
    """Run the shards in this process, one after the other."""
    return map(work, shards)
