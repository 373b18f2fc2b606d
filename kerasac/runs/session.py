"""Open one Ray session a process, quiet enough for the one view of progress."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

from kerasac.errors import RunError
from kerasac.runs.cluster_address import check_address
from kerasac.runs.cluster_token import token_environment

# The only variables of the user's that go to other machines: Ray keeps those of a runtime environment in plain
# text, and shows them on its pages, so none that may hold a password is among them.
SHARED = ("KERASAC_CACHE", "KERASAC_CACHE_GB")
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
    """Join the Ray session of this process, or open one (see :func:`open_ray`) and close it; yields its resources."""
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
    """Open a Ray session unless this process has one: on the cluster at ``RAY_ADDRESS``, or on this machine alone.

    Alone it has no dashboard, and a token that only this user can read.

    Raises
    ------
    RunError
        When no cluster answers at ``RAY_ADDRESS``, refuses the token, or does not have this machine.
    """
    os.environ.update({key: value for key, value in QUIET.items() if key not in os.environ})
    if _is_open():
        return
    # A cache folder named here is meant for all machines; without one, each has its own.
    variables = QUIET | {key: os.environ[key] for key in SHARED if key in os.environ}
    address = os.environ.get("RAY_ADDRESS")
    if address in (None, "", "local"):
        _start(variables)
    else:
        _join(str(address), variables)
    _hush()


def _start(variables: dict[str, str]) -> None:
    token_environment(create=True)  # Ray would make a file that everybody can read
    import ray

    ray.init(
        address="local",  # else Ray joins whatever cluster it finds on this machine
        num_cpus=narrower_cpus(),
        include_dashboard=False,
        **_settings(variables),
    )


def _join(address: str, variables: dict[str, str]) -> None:
    if address != "auto":
        check_address(address)
    import ray

    try:
        ray.init(address=address, **_settings(variables))
    except ConnectionError as error:
        raise RunError(
            f"cannot join the Ray cluster at {address}; is it still there, and its token that of RAY_AUTH_TOKEN_PATH "
            "(with RAY_AUTH_MODE=token)?"
        ) from error
    except RuntimeError as error:
        if "node info" not in str(error):
            raise
        raise RunError(
            f"this machine is none of the Ray cluster's at {address}, which alone can run commands on it; work there, "
            f"join it (`ray start --address={address}`), or send the command with `kerasac-ray launch job`"
        ) from error


def _settings(variables: dict[str, str]) -> dict[str, Any]:
    return {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "configure_logging": True,
        "runtime_env": {"env_vars": variables},
    }


def narrower_cpus() -> int | None:
    """Return the cores that a Slurm job or taskset leaves this process; None where Ray's own count is right."""
    if not hasattr(os, "sched_getaffinity"):  # macOS
        return None
    allowed = len(os.sched_getaffinity(0))
    return allowed if allowed < (os.cpu_count() or 1) else None  # Ray knows the limits of containers


def _hush() -> None:
    """Keep Ray's libraries from logging over the one view of progress."""
    for name in ("ray", "ray.tune", "ray.train", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
