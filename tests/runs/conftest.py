"""One Ray session for all tests that need one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def ray_cluster(_own_cache: None) -> Iterator[dict[str, float]]:
    """A Ray session of this machine that says it has four CPUs and two GPUs."""
    import os

    import ray

    from kerasac.runs.launch import QUIET, ray_session

    with pytest.MonkeyPatch.context() as patch:
        for key, value in QUIET.items():
            patch.setenv(key, value)
        patch.setenv("PYTHONDONTWRITEBYTECODE", "")
        ray.init(
            num_cpus=4,
            num_gpus=2,
            include_dashboard=False,
            log_to_driver=False,
            runtime_env={"env_vars": {**QUIET, "KERASAC_CACHE": os.environ["KERASAC_CACHE"]}},
        )
        with ray_session() as resources:
            yield resources
        ray.shutdown()
