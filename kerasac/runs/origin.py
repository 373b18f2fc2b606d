"""Write what a run is and where it came from, and refuse a folder that holds another one."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from kerasac.cache import file_facts, write_whole
from kerasac.config import Experiment
from kerasac.errors import RunError
from kerasac.genome.fold_files import write_folds
from kerasac.runs.trial import versions
from kerasac.runs.unit import MARKER, read_marker
from kerasac.steps.prepared import UNIT_INDEPENDENT, Prepared


def check_folder(prepared: Prepared, run_folder: Path) -> None:
    """Raise RunError when the folder holds results of another experiment, another array or other folds.

    All units there count, not only those asked for now: the summary is over all of them.
    """
    fingerprint = prepared.fingerprint()
    splits = {f"fold-{fold.index}": fold.as_dict() for fold in prepared.folds}
    for path in sorted(run_folder.glob(f"fold-*/seed-*/{MARKER}")):
        unit, fold = path.parent, path.parent.parent.name
        marker = read_marker(unit)
        if fold in splits and marker.get("split") != splits[fold]:
            raise RunError(
                f"{unit} was made with other chromosomes in its splits; choose another --out, or remove {run_folder}"
            )
        if marker.get("fingerprint") != fingerprint:
            changed = _changes(prepared.experiment, run_folder)
            raise RunError(
                f"{unit} was made by another experiment ({changed}); choose another --out, or remove {run_folder}"
            )


def write_origin(prepared: Prepared, run_folder: Path) -> None:
    """Write what the run is and where it came from."""
    write_whole(run_folder / "experiment.yaml", prepared.experiment.to_yaml())
    write_folds(run_folder / "folds.json", prepared.folds)
    write_whole(run_folder / "provenance.json", json.dumps(_provenance(prepared), indent=1, default=str) + "\n")


def _provenance(prepared: Prepared) -> dict[str, Any]:
    experiment = prepared.experiment
    regions, negatives = experiment.sampling.regions, experiment.sampling.negatives
    files: list[Path | None] = [
        experiment.genome.fasta,
        experiment.genome.blacklist,
        experiment.score.peaks,
        regions.bed if regions else None,
        negatives.bed if negatives else None,
        *experiment.folds.files,
    ]
    return {
        "command": " ".join(sys.argv),
        "versions": versions(),
        "git_commit": _git_commit((experiment.store or experiment.genome.fasta).parent),
        "fingerprint": prepared.fingerprint(),
        **prepared.origin(),
        "inputs": [file_facts(path) for path in dict.fromkeys(files) if path is not None],
        "left_out": dict(prepared.left_out),
    }


def _git_commit(folder: Path) -> str | None:
    """Return the commit of the experiment's repository, if it is in one."""
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False
        )
        return done.stdout.strip() or None
    return None


def _changes(experiment: Experiment, run_folder: Path) -> str:
    """Say which keys differ from the experiment that the folder holds."""
    path = run_folder / "experiment.yaml"
    before = yaml.safe_load(path.read_text()) if path.exists() else {}
    after = experiment.as_dict()
    flat_before, flat_after = _flat(before), _flat(after)
    changed = [
        f"{key}: {flat_before.get(key)} → {flat_after.get(key)}"
        for key in dict.fromkeys((*flat_before, *flat_after))
        if flat_before.get(key) != flat_after.get(key) and key.split(".")[0] not in UNIT_INDEPENDENT
    ]
    return "; ".join(changed[:4]) or "the array or a BED file changed since, or it is of an older version"


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        items = [(str(key), inner) for key, inner in value.items()]
    elif isinstance(value, list):
        items = [(str(i), inner) for i, inner in enumerate(value)]
    else:
        return {prefix: value}
    return {k: v for key, inner in items for k, v in _flat(inner, f"{prefix}.{key}" if prefix else key).items()}
