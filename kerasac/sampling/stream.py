"""Stream batches of planned windows to a trainer, in its own process or through Ray Data samplers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from kerasac.sampling.batches import Array, Batch, WindowSource, batch_sizes, rebatch
from kerasac.sampling.plan import Windows, concatenate

logger = logging.getLogger(__name__)

# A Ray Data block costs about 20 ms whatever its size, so blocks are large; 4096 windows of 2114 bases in and
# 1000 × 2 counts out are 17 MB.
BLOCK_ROWS = 4096
RUN_AHEAD_BYTES = 512 * 1024**2  # decoded blocks waiting for one trainer
SAMPLER_CPUS = 0.25  # what a sampler asks of Ray: it works in bursts


def stream_in_process(
    source: WindowSource, epoch: Callable[[int], Windows], epochs: Sequence[int], batch_size: int
) -> Iterator[Batch]:
    """Yield the batches of these epochs, read in this process, one batch at a time."""
    for number in epochs:
        windows = epoch(number)
        low = 0
        for size in batch_sizes(len(windows), batch_size):
            yield source.batch(windows.take(slice(low, low + size)))
            low += size


def stream_through_ray(
    source: WindowSource,
    epoch: Callable[[int], Windows],
    epochs: Sequence[int],
    batch_size: int,
    *,
    samplers: int,
) -> Iterator[Batch]:
    """Yield the same batches, read by ``samplers`` Ray Data actors that run ahead of the trainer.

    One stream spans all epochs, so actors and their caches stay warm; blocks keep the plan's order, so the
    batches equal those of :func:`stream_in_process`.
    """
    if not epochs:
        return
    tables = [epoch(number) for number in epochs]
    sizes = [size for table in tables for size in batch_sizes(len(table), batch_size)]
    blocks = _sampled_blocks(source, concatenate(tables), samplers)
    for raw in rebatch(blocks, iter(sizes)):
        yield source.finish(raw)


class Sampler:
    """A Ray Data actor that turns rows of a plan into raw windows."""

    def __init__(self, source: WindowSource) -> None:
        self.source = source

    def __call__(self, rows: dict[str, Array]) -> dict[str, Array]:
        """Read the windows of a block of plan rows."""
        return self.source.read(Windows(rows["center"], rows["reverse"], rows["is_peak"]))


def _sampled_blocks(source: WindowSource, plan: Windows, samplers: int) -> Iterator[dict[str, Array]]:
    import pandas as pd
    import ray.data

    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.execution_options.resource_limits = ray.data.ExecutionResources(object_store_memory=RUN_AHEAD_BYTES)
    context.enable_progress_bars = False
    columns = {"center": plan.center, "reverse": plan.reverse, "is_peak": plan.is_peak}
    starts = range(0, len(plan), BLOCK_ROWS)
    tables = [pd.DataFrame({k: v[low : low + BLOCK_ROWS] for k, v in columns.items()}) for low in starts]
    # from_blocks, not from_arrow: the latter starts a task, which hangs inside a full placement group.
    dataset = ray.data.from_blocks(tables).map_batches(
        Sampler,
        fn_constructor_args=(source,),
        batch_size=None,
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(size=samplers),
        num_cpus=SAMPLER_CPUS,
    )
    for block in dataset.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=1):
        yield {key: _dense(values) for key, values in block.items()}


def _dense(values: Any) -> Array:
    """Return a dense, perhaps read-only, array of what Ray Data hands over."""
    return np.asarray(values)
