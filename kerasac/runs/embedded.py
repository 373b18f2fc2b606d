"""Make the embedded default: a simulated genome, ingested, and the experiment on it."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import yaml

from kerasac import __version__
from kerasac.cache import digest, entry
from kerasac.config import Experiment, apply_overrides, make_experiment
from kerasac.genome.simulate import Simulation, genome_files, simulate
from kerasac.store.ingest import ingest

logger = logging.getLogger(__name__)

_TEMPLATE = Path(__file__).parents[1] / "templates" / "simulated.yaml"


def embedded_experiment(overrides: tuple[str, ...] = (), simulation: Simulation | None = None) -> Experiment:
    """Return the experiment on the simulated genome, which is made on the spot and kept in the cache."""
    folder = simulated_genome(simulation or Simulation())
    document = apply_overrides(yaml.safe_load(_TEMPLATE.read_text()), overrides)
    return make_experiment(document, base=folder, origin="the embedded default")


def simulated_genome(simulation: Simulation) -> Path:
    """Return the folder of a simulated genome with its array ``signal.tdb``, from the cache or made now."""
    key = digest({"simulation": repr(simulation), "version": __version__})
    return entry(f"simulated/{key}", partial(_make, simulation))


def _make(simulation: Simulation, folder: Path) -> None:
    logger.info("simulating a genome, once")
    simulate(simulation, folder)
    files = genome_files(folder)
    ingest(files.metadata, files.attributes, files.chrom_sizes, folder / "signal.tdb")
