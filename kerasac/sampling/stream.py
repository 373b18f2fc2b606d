"""Stream batches of planned windows to a trainer, in its own process or through Ray Data samplers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np

from kerasac.sampling.batches import Array, Source, batch_sizes, rebatch
from kerasac.sampling.plan import Windows, concatenate

logger = logging.getLogger(__name__)

# A Ray Data block costs about 20 ms whatever its size, so blocks are large; 4096 windows of 2114 bases in and
# 1000 × 2 counts out are 17 MB.
RAY_ROWS = 4096
BLOCK_ROWS = 1024  # read at a time in this process: what is read stays in its cache until it is used
ARRAY_ROWS = 32_768  # the same from the array, where more windows at a time share more tiles; about 135 MB
# Samplers take seconds to start, so epochs are planned in stretches. What bounds these: to plan windows with a min and
# max reads the array, while the trainer waits, perhaps for epochs that it never reaches; 4 million windows are 42 MB.
STRETCH_S, STRETCH_ROWS = 10.0, 4_194_304
RUN_AHEAD_BYTES = 512 * 1024**2  # decoded blocks waiting for one trainer
SAMPLER_CPUS = 0.25  # what a sampler asks of Ray: it works in bursts


def stream_in_process(
    source: Source, epoch: Callable[[int], Windows], epochs: Sequence[int], batch_size: int
) -> Generator[dict[str, Array], None, None]:
    """Yield the raw batches of these epochs (:meth:`Source.read`), read in this process."""
    rows = BLOCK_ROWS if source.in_memory else ARRAY_ROWS
    for number in epochs:
        windows = epoch(number)
        sizes = batch_sizes(len(windows), batch_size)
        # Whole batches a block, so that a batch is a view of one.
        step = max(1, rows // batch_size) * batch_size
        blocks = (source.read(windows.take(slice(low, low + step))) for low in range(0, len(windows), step))
        yield from _signed(source, rebatch(blocks, iter(sizes)))


def stream_through_ray(
    source: Source,
    epoch: Callable[[int], Windows],
    epochs: Sequence[int],
    batch_size: int,
    *,
    samplers: int,
) -> Generator[dict[str, Array], None, None]:
    """Yield the same batches, read by ``samplers`` Ray Data actors that run ahead of the trainer.

    Actors and their caches stay for a stretch of epochs; a stretch is planned when all batches before it were taken.
    Blocks keep the plan's order, so the batches equal those of :func:`stream_in_process`. Close a stream that is not
    read to its end: its actors stay until then.
    """
    for tables in _stretches(epoch, epochs):
        sizes = [size for table in tables for size in batch_sizes(len(table), batch_size)]
        with closing(_sampled_blocks(source, concatenate(tables), samplers)) as blocks:
            yield from _signed(source, rebatch(blocks, iter(sizes)))


def _stretches(epoch: Callable[[int], Windows], epochs: Sequence[int]) -> Iterator[list[Windows]]:
    """Yield the plans of some epochs at a time, in order: each time at least one, and as many as the bounds allow."""
    tables: list[Windows] = []
    started = time.monotonic()
    for number in epochs:
        tables.append(epoch(number))
        if time.monotonic() - started >= STRETCH_S or sum(map(len, tables)) >= STRETCH_ROWS:
            yield tables
            tables, started = [], time.monotonic()
    if tables:
        yield tables


def _signed(source: Source, batches: Iterator[dict[str, Array]]) -> Iterator[dict[str, Array]]:
    """Give every batch the dtypes of the source's signature: blocks may have come in narrower ones."""
    dtypes = {name: signature.dtype for name, signature in source.signature().items()}
    for batch in batches:
        yield {name: values.astype(dtypes[name], copy=False) for name, values in batch.items()}


class Sampler:
    """A Ray Data actor that turns rows of a plan into raw windows."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __call__(self, rows: dict[str, Array]) -> dict[str, Array]:
        """Read the windows of a block of plan rows."""
        return self.source.read(Windows(rows["center"], rows["reverse"], rows["is_peak"]))


def _sampled_blocks(source: Source, plan: Windows, samplers: int) -> Generator[dict[str, Array], None, None]:
    import pandas as pd
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)  # one view of progress is enough
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.execution_options.resource_limits = ray.data.ExecutionResources(object_store_memory=RUN_AHEAD_BYTES)
    context.enable_progress_bars = False
    columns = {"center": plan.center, "reverse": plan.reverse, "is_peak": plan.is_peak}
    rows = RAY_ROWS if source.in_memory else ARRAY_ROWS
    starts = range(0, len(plan), rows)
    tables = [pd.DataFrame({k: v[low : low + rows] for k, v in columns.items()}) for low in starts]
    # from_blocks, not from_arrow: the latter starts a task, which hangs inside a full placement group.
    dataset = ray.data.from_blocks(tables).map_batches(
        Sampler,
        fn_constructor_args=(source,),
        batch_size=None,
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(size=min(samplers, len(tables))),
        num_cpus=SAMPLER_CPUS,
    )
    for block in dataset.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=1):
        yield {key: _dense(values) for key, values in block.items()}


def _dense(values: Any) -> Array:
    """Return a dense, perhaps read-only, array of what Ray Data hands over."""
    return np.asarray(values)
