"""Look at the machine that an experiment would run on: CPUs, GPUs, memory, disk and versions."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import ray

from kerasac.cache import nearest_folder
from kerasac.errors import KerasacError
from kerasac.models.backend import gpu_count, prepare_backend
from kerasac.models.registry import build_model
from kerasac.runs.launch import UnitAllotment
from kerasac.runs.session import open_ray
from kerasac.runs.trial import versions
from kerasac.steps.findings import Finding
from kerasac.steps.prepared import Prepared
from kerasac.store.choice import available_memory

# Bytes a model parameter takes on the disk: 32-bit weights, thrice in each of three checkpoints (Adam keeps two
# moments), once in the saved model and once in MLflow's copy.
_BYTES_A_PARAMETER = 4 * (3 * 3 + 2)
_COPIES = 2  # of the predictions: in the run's folder and in MLflow's
_VALUE_BYTES = 4


def look_at_machine(prepared: Prepared, run_folder: Path) -> tuple[list[Finding], list[tuple[str, str]]]:
    """Return what is wrong, and facts: how units share the machine, the model's size, memory, disk and versions.

    Opens Ray, and imports TensorFlow in one of its workers, where trainings run.
    """
    findings: list[Finding] = []
    open_ray()
    resources = ray.cluster_resources()
    compute = prepared.experiment.compute
    gpus = int(resources.get("GPU", 0))
    asked = 1 if gpus and compute.gpus != 0 else 0
    seen, n_parameters = ray.get(ray.remote(num_cpus=0, num_gpus=asked)(_in_worker).remote(prepared, asked > 0))
    facts = [("CPUs, GPUs", f"Ray has {resources.get('CPU', 0):g} CPUs and {gpus} GPUs; TensorFlow sees {seen}")]
    if asked and not seen:
        findings.append(
            Finding(
                "error",
                "compute.gpus",
                f"Ray has {gpus} GPUs, TensorFlow sees none; install tensorflow[and-cuda] and a matching driver, or "
                "set compute.gpus to 0",
            )
        )
    n_units = len(prepared.folds) * len(prepared.experiment.seeds)
    n_parallel = 1
    try:
        allotment = UnitAllotment(compute, n_units, resources, decoded=prepared.source.in_memory)
        facts.append(("units share it", allotment.describe()))
        n_parallel = allotment.max_parallel
    except KerasacError as error:
        findings.append(Finding("error", "compute", str(error)))
    facts.append(("model", f"{prepared.experiment.model.architecture}, {n_parameters:,} parameters"))
    found, more = _room(prepared, n_parameters, n_units, n_parallel, run_folder)
    listed = ", ".join(f"{name} {version}" for name, version in versions().items())
    return findings + found, [*facts, *more, ("versions", listed)]


def _in_worker(prepared: Prepared, with_gpus: bool) -> tuple[int, int]:
    """Return how many GPUs TensorFlow sees, and the number of the model's parameters."""
    prepare_backend(gpus=with_gpus)
    model = build_model(prepared.experiment.model.architecture, prepared.contract, prepared.parameters)
    return gpu_count(), int(model.count_params())


def _room(
    prepared: Prepared, n_parameters: int, n_units: int, n_parallel: int, run_folder: Path
) -> tuple[list[Finding], list[tuple[str, str]]]:
    """Estimate memory and disk, and compare them with what is free."""
    findings = []
    plan = prepared.plan(prepared.folds[0], prepared.experiment.seeds[0])
    decoded, validation = _decoded_bytes(prepared), len(plan.valid()) * _window_bytes(prepared)
    memory, free_memory = decoded + n_parallel * validation, available_memory()
    disk = n_units * (n_parameters * _BYTES_A_PARAMETER + _COPIES * len(plan.test()) * _prediction_bytes(prepared))
    free_disk = shutil.disk_usage(nearest_folder(run_folder.absolute())).free
    facts = [
        (
            "memory",
            f"{_size(decoded)} decoded tracks and sequence, shared; {_size(validation)} validation windows a unit; "
            f"{_size(free_memory)} free",
        ),
        ("disk", f"at most about {_size(disk)} for the run folder; {_size(free_disk)} free in it"),
    ]
    if memory > free_memory:
        findings.append(
            Finding(
                "warning", "memory", f"about {_size(memory)} are needed beside the models; lower sampling.valid_size"
            )
        )
    if disk > free_disk:
        findings.append(
            Finding("error", "disk", f"about {_size(disk)} are needed in {run_folder}; choose another --out")
        )
    return findings, facts


def _decoded_bytes(prepared: Prepared) -> int:
    folders = {*prepared.source.folders(), *prepared.held_out.folders()}
    return sum(path.stat().st_size for folder in folders for path in folder.iterdir())


def _window_bytes(prepared: Prepared) -> int:
    return sum(math.prod(array.shape) * array.dtype.itemsize for array in prepared.source.signature().values())


def _prediction_bytes(prepared: Prepared) -> int:
    """Return the bytes of a window's labels and predictions."""
    values = sum(port.n_tracks * (port.width_bp if port.role == "profile" else 1) for port in prepared.contract.outputs)
    return 2 * values * _VALUE_BYTES


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"
