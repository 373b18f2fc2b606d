"""One Ray session for all tests that need one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console
from tiny import three_folds

if TYPE_CHECKING:
    from kerasac.runs.crossval import CrossValidation


@pytest.fixture(scope="session")
def ray_cluster(_own_cache: None) -> Iterator[dict[str, float]]:
    """A Ray session of this machine that says it has four CPUs and two GPUs."""
    import os

    import ray

    from kerasac.runs.session import QUIET, ray_session

    with pytest.MonkeyPatch.context() as patch:
        for key, value in QUIET.items():
            patch.setenv(key, value)
        patch.setenv("PYTHONDONTWRITEBYTECODE", "")
        patch.setenv("RAY_worker_niceness", "0")  # other tests run beside these
        patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)  # a unit that ran in this process has hidden the GPUs
        ray.init(
            address="local",  # not whatever else runs on this machine
            num_cpus=4,
            num_gpus=2,
            include_dashboard=False,
            log_to_driver=False,
            runtime_env={"env_vars": {**QUIET, "KERASAC_CACHE": os.environ["KERASAC_CACHE"]}},
        )
        with ray_session() as resources:
            yield resources
        ray.shutdown()


@pytest.fixture(scope="session")
def run(ray_cluster: dict[str, float], tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> CrossValidation:
    """A finished cross-validation of three tiny folds; what a test changes it copies first."""
    from kerasac.runs.crossval import cross_validate

    folder = tmp_path_factory.mktemp("runs") / "tiny"
    return cross_validate(three_folds(tiny_folder), folder, console=Console(quiet=True))


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without runs, whose making takes seconds."""
    from mlflow import MlflowClient

    from kerasac.runs.tracking_store import STORE, local_uri

    folder = tmp_path_factory.mktemp("store")
    MlflowClient(local_uri(folder)).search_experiments()
    return folder / STORE
