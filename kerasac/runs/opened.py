"""Open what a cross-validation left, to go on from its finished units."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from kerasac.cache import ShardMap, in_process
from kerasac.config import Experiment
from kerasac.errors import RunError
from kerasac.genome.folds import SPLITS, Fold
from kerasac.runs.run_at_url import fetched
from kerasac.runs.unit import MARKER, Unit, is_done, read_marker
from kerasac.steps.card import run_experiment
from kerasac.steps.prepare import prepare
from kerasac.steps.prepared import Prepared
from kerasac.steps.summary import unit_order
from kerasac.steps.unit_names import unit_name


@dataclass(frozen=True)
class OpenedRun:
    """A run folder's experiment and its finished units, in the order of folds and seeds; or one of its units.

    ``unfinished`` names the units that a whole run should have and that are not finished.
    """

    folder: Path
    experiment: Experiment
    units: tuple[Unit, ...]
    unfinished: tuple[str, ...] = ()

    def prepare(self, shards: ShardMap = in_process) -> Prepared:
        """Open the experiment's data as a training does.

        Raises
        ------
        RunError
            When they are no longer what the units were trained on.
        KerasacError
            When a file is missing or damaged.
        """
        prepared = prepare(self.experiment, shards)
        for unit in self.units:
            if read_marker(unit.folder).get("fingerprint") != prepared.fingerprint():
                raise RunError(
                    f"{unit.folder} was not trained on what {self.folder / 'experiment.yaml'} names now: its array, "
                    "sequence or a BED file changed since, or it is of an older version; put the old files back, or "
                    "train again"
                )
        return prepared


def open_run(path: Path) -> OpenedRun:
    """Open a run's folder, or the folder of one of its units; of a URL, the run is fetched to the cache first.

    Raises
    ------
    RunError
        When it is neither, or holds no finished unit.
    """
    path = fetched(path)
    if not path.is_dir():
        raise RunError(f"{path} is no folder of a run; name the --out of a cross-validation, or <run>/fold-0/seed-1234")
    path = path.resolve()
    one = (path / MARKER).is_file()
    run = path.parent.parent if one else path
    if not (run / "experiment.yaml").is_file():
        raise RunError(f"{run} holds no experiment.yaml, so it is not the folder of a run; name a run's --out")
    found = [path] if one else sorted(run.glob("fold-*/seed-*"), key=lambda unit: unit_order(unit_name(unit)))
    units = tuple(_unit(folder, run) for folder in found if is_done(folder))
    if not units:
        raise RunError(f"{path} has no finished unit; run `kerasac-ray cv` on its experiment until one is")
    experiment = run_experiment(run)
    return OpenedRun(run, experiment, units, () if one else _unfinished(run, experiment, units))


def _unfinished(run: Path, experiment: Experiment, units: tuple[Unit, ...]) -> tuple[str, ...]:
    """Name the units that the fold table and the seeds promise, or that were begun, and that are not finished."""
    table = run / "folds.json"
    folds = json.loads(table.read_text(encoding="utf-8")) if table.is_file() else ()
    promised = {f"fold-{fold}/seed-{seed}" for fold in folds for seed in experiment.seeds}
    begun = {unit_name(folder) for folder in run.glob("fold-*/seed-*")}
    return tuple(sorted((promised | begun) - {unit.name for unit in units}, key=unit_order))


def _unit(folder: Path, run: Path) -> Unit:
    fold, seed = (int(part.name.partition("-")[2]) for part in (folder.parent, folder))
    split = read_marker(folder)["split"]
    return Unit(Fold(fold, *(tuple(split[name]) for name in SPLITS)), seed, str(run))
