"""Cut long work into shards, each a file that any process can make, and any later one go on from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, eq=False, kw_only=True)
class ShardedJob(ABC):
    """Work on items in an order, ``shard_items`` to a shard; it travels to every worker.

    ``folder`` holds the finished shards.
    """

    folder: Path
    shard_items: int

    @property
    @abstractmethod
    def n_items(self) -> int:
        """Number of items: windows, or variants."""

    @abstractmethod
    def do(self, shard: int) -> int:
        """Do a shard into its file, which appears when it is whole; returns the number of its items."""

    @abstractmethod
    def digest(self) -> str:
        """Return 16 hex digits that change with whatever decides the results."""

    @property
    def suffix(self) -> str:
        """Ending of the files of shards."""
        return "h5"

    @property
    def n_shards(self) -> int:
        """Number of shards."""
        return -(-self.n_items // self.shard_items)

    def part(self, shard: int) -> Path:
        """Return the file of a finished shard."""
        return self.folder / f"shard-{shard:06d}.{self.suffix}"

    def parts(self) -> list[Path]:
        """Return the files of all shards, in order."""
        return [self.part(shard) for shard in range(self.n_shards)]

    def rows(self, shard: int) -> slice:
        """Return the places of a shard's items."""
        low = shard * self.shard_items
        return slice(low, min(low + self.shard_items, self.n_items))

    def n_in(self, shard: int) -> int:
        """Return the number of items of a shard."""
        rows = self.rows(shard)
        return int(rows.stop - rows.start)

    def missing(self) -> list[int]:
        """Return the shards that are still to be done."""
        return [shard for shard in range(self.n_shards) if not self.part(shard).exists()]
