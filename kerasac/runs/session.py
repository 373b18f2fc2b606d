"""Open one Ray session a process, quiet enough for the one view of progress."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator

from kerasac.errors import RunError

QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.25",  # else every report can block two seconds
    "RAY_TRAIN_ENABLE_STATE_TRACKING": "0",
    "RAY_TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # Tune's own CSV, JSON and TensorBoard files
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}


@contextlib.contextmanager
def ray_session() -> Iterator[dict[str, float]]:
    """Join the Ray session of this process, or open one and close it; yields the cluster's resources.

    Raises
    ------
    RunError
        When no cluster answers at ``RAY_ADDRESS``.
    """
    with closing_ray():
        open_ray()
        import ray

        yield ray.cluster_resources()


@contextlib.contextmanager
def closing_ray() -> Iterator[None]:
    """Close the Ray session that is opened within, if one is."""
    was_open = _is_open()
    try:
        yield
    finally:
        if not was_open and _is_open():
            import ray

            ray.shutdown()


def _is_open() -> bool:
    """Say whether this process has a Ray session, without the half second of importing Ray to find out."""
    return "ray" in sys.modules and bool(sys.modules["ray"].is_initialized())


def open_ray() -> None:
    """Open a Ray session unless this process has one: on the cluster at ``RAY_ADDRESS``, or on this machine alone."""
    os.environ.update({key: value for key, value in QUIET.items() if key not in os.environ})
    if _is_open():
        return
    import ray

    address = os.environ.get("RAY_ADDRESS")
    # A cache folder named here is meant for all machines; without one, each has its own.
    named = {key: value for key, value in os.environ.items() if key.startswith("KERASAC_")}
    try:
        ray.init(
            address=address or "local",  # else Ray joins whatever cluster it finds on this machine
            num_cpus=_narrower_cpus() if address is None else None,
            include_dashboard=False if address is None else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=True,
            runtime_env={"env_vars": QUIET | named},
        )
    except ConnectionError as error:
        raise RunError(
            f"no Ray cluster answers at {address}; start one with `ray start --head`, or unset RAY_ADDRESS"
        ) from error
    _hush()


def _narrower_cpus() -> int | None:
    """Return the cores that a Slurm job or taskset leaves this process; None where Ray's own count is right."""
    if not hasattr(os, "sched_getaffinity"):  # macOS
        return None
    allowed = len(os.sched_getaffinity(0))
    return allowed if allowed < (os.cpu_count() or 1) else None  # Ray knows the limits of containers


def _hush() -> None:
    """Keep Ray's libraries from logging over the one view of progress."""
    for name in ("ray", "ray.tune", "ray.train", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
