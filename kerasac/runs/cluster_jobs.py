"""Send a command to a Ray cluster as a job, follow what it prints, and end as it ended."""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kerasac.errors import ConfigError, RunError
from kerasac.runs.cluster_token import token_environment, token_is_off
from kerasac.runs.session import SHARED

_HERE = ("localhost", "127.0.0.1", "::1")


def submit_job(
    address: str, command: Sequence[str], *, working_dir: Path | None = None, say: Callable[[str], None]
) -> str:
    """Send the words of a command to the job server at ``http://HOST:PORT``; returns the job's id.

    The command runs on the head with the head's kerasac-ray; its paths are those of the cluster. ``working_dir`` is
    copied there and is where it runs.

    Raises
    ------
    RunError
        When nobody answers, the token is refused, or the folder cannot be sent.
    """
    if (warning := plain_text_warning(address)) is not None:
        say(warning)
    client = _client(address)
    words = [*_variables(), *command]
    runtime = {"working_dir": str(working_dir)} if working_dir is not None else {}
    try:
        return str(client.submit_job(entrypoint=shlex.join(words), runtime_env=runtime))
    except (RuntimeError, ValueError) as error:
        raise RunError(f"the cluster at {address} does not take the job: {_last_line(error)}") from error


def follow_job(address: str, job: str, *, write: Callable[[str], None]) -> int:
    """Write what a job prints until it ends; returns its exit status, 0 when it succeeded.

    Raises
    ------
    RunError
        When the job could not be started, or was stopped.
    """
    client = _client(address)

    async def follow() -> None:
        async for lines in client.tail_job_logs(job):
            write(lines)

    asyncio.run(follow())
    info = client.get_job_info(job)
    status = str(info.status.value)
    if status == "SUCCEEDED":
        return 0
    code = info.driver_exit_code
    if status == "FAILED" and code:
        return int(code) if code > 0 else 128 - int(code)
    raise RunError(f"the job {job} ended as {status}: {info.message or 'no message'}")


def plain_text_warning(address: str) -> str | None:
    """Return what to say of an address to which the token would go unencrypted; None of this machine's own."""
    parts = urlsplit(address)
    if parts.scheme != "http" or parts.hostname in _HERE or token_is_off():
        return None
    return (
        f"warning: the token goes to {parts.hostname} unencrypted; better `ssh -L 8265:localhost:8265 "
        f"{parts.hostname}`, and --address http://localhost:8265"
    )


def _client(address: str) -> Any:
    """Return Ray's client, which has asked the server who it is."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            f"the address {address!r} is not of the form http://HOST:8265, where the dashboard of a Ray cluster is; "
            "for HOST:6379 use `kerasac-ray launch address`"
        )
    os.environ.update(token_environment())
    import ray
    import requests
    from ray.job_submission import JobSubmissionClient

    for name in ("ray", JobSubmissionClient.__module__):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        return JobSubmissionClient(address)
    except ray.exceptions.AuthenticationError as error:
        raise RunError(
            f"the cluster at {address} refuses the token; copy the head's to a file (chmod 600), and set "
            "RAY_AUTH_TOKEN_PATH to that"
        ) from error
    except (ConnectionError, requests.exceptions.RequestException) as error:
        raise RunError(f"no Ray job server answers at {address}; is the dashboard there, and the port open?") from error
    except RuntimeError as error:
        raise RunError(f"what answers at {address} is no Ray job server: {_last_line(error)}") from error


def _variables() -> list[str]:
    """Return a start of the command that sets those of this user's variables that are meant for all machines.

    Not by the job's runtime environment: Ray refuses a variable that the command's own session names too.
    """
    named = [f"{key}={os.environ[key]}" for key in SHARED if key in os.environ]
    return ["env", *named] if named else []


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
