"""Start a Ray head on this machine for the time of one command, and join clusters that are there."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from kerasac.errors import RunError
from kerasac.runs.cluster_address import Answer, ask, check_address
from kerasac.runs.cluster_nodes import check_paths_on_nodes, request_gpus, wait_for_gpus, wait_for_nodes
from kerasac.runs.cluster_token import token_environment
from kerasac.runs.session import narrower_cpus, ray_session

LOCALHOST = "127.0.0.1"
_STARTS_IN_S = 60.0
_ENDS_IN_S = 45.0  # Ray drains for up to 30 seconds
_PORTS = range(20_000, 32_000)  # above those of Ray's workers, below those that the system gives to anybody


@dataclass(frozen=True)
class Head:
    """A Ray head of this machine: where it listens, and where its dashboard does, if it has one."""

    address: str
    dashboard: str | None


@contextlib.contextmanager
def local_head(
    *, cpus: int | None = None, gpus: int | None = None, dashboard_host: str = LOCALHOST, dashboard: bool = False
) -> Iterator[Head]:
    """Run a Ray head while the block runs; ends what it started, and nothing else of this machine.

    The token must be in the environment (:func:`use_token`).

    Raises
    ------
    RunError
        When the head does not start; its last lines are in the message.
    """
    if dashboard and not has_dashboard():
        raise RunError("this Ray has no dashboard; pip install 'ray[default]', or leave --dashboard away")
    port, client, agent, page = _free_ports(4)
    folder = Path(
        tempfile.mkdtemp(prefix="kerasac-ray-")
    )  # short: Ray's sockets lie in it, and their paths have limits
    words = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--disable-usage-stats"),
        *(f"--port={port}", f"--ray-client-server-port={client}", f"--dashboard-agent-listen-port={agent}"),
        *("--min-worker-port=0", "--max-worker-port=0", f"--temp-dir={folder}"),
        *(f"--include-dashboard={str(dashboard).lower()}", f"--dashboard-host={dashboard_host}"),
        f"--dashboard-port={page}",
        *_counts(cpus if cpus is not None else narrower_cpus(), gpus),
    ]
    log = folder / "head.log"
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
            )
        try:
            address = f"{LOCALHOST}:{port}"
            _wait_until_it_answers(process, address, log)
            yield Head(address, f"http://{dashboard_host}:{page}" if dashboard else None)
        finally:
            _end(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def use_token() -> None:
    """Turn token authentication on for this process and those it starts; makes the user's token if there is none."""
    os.environ.update(token_environment(create=True))


@contextlib.contextmanager
def joined(
    address: str, *, wait_nodes: int, gpus: int, wait_s: float, paths: Sequence[Path]
) -> Iterator[dict[str, str]]:
    """See that a cluster answers, and has the machines, GPUs and paths; yields the variables that lead to it.

    The autoscaler, where there is one, keeps the GPUs while the block runs.

    Raises
    ------
    RunError
        Says what is missing.
    """
    os.environ.update(token_environment())
    check_address(address, wait_s=wait_s)
    environment = {"RAY_ADDRESS": address}
    os.environ.update(environment)
    try:
        if wait_nodes > 1 or gpus or paths:
            with ray_session():
                _get_ready(wait_nodes, gpus, wait_s, paths)
        yield environment
    finally:
        if gpus:
            with contextlib.suppress(RunError), ray_session():
                request_gpus(0)


def _get_ready(wait_nodes: int, gpus: int, wait_s: float, paths: Sequence[Path]) -> None:
    if gpus:
        request_gpus(gpus)
        wait_for_gpus(gpus, within_s=wait_s)
    wait_for_nodes(wait_nodes, within_s=wait_s)
    for path in paths:
        check_paths_on_nodes(path if path.is_dir() else path.parent, [path] if path.is_file() else [])


def has_dashboard() -> bool:
    """Whether Ray is installed with what its dashboard needs."""
    return all(find_spec(name) is not None for name in ("aiohttp_cors", "colorful", "opencensus"))


def _counts(cpus: int | None, gpus: int | None) -> list[str]:
    """Return what Ray is told of the machine; what is None it counts itself."""
    return [f"--num-{name}={count}" for name, count in (("cpus", cpus), ("gpus", gpus)) if count is not None]


def _free_ports(count: int) -> list[int]:
    """Return ports that are free now, other ones for each process that asks."""
    found: list[int] = []
    offset = os.getpid() * 7 % len(_PORTS)
    for port in (*_PORTS[offset:], *_PORTS[:offset]):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise RunError(f"no {count} ports are free between {_PORTS.start} and {_PORTS.stop}; end other programs")


def _wait_until_it_answers(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    until = time.monotonic() + _STARTS_IN_S
    while ask(address) is not Answer.YES:
        if process.poll() is not None or time.monotonic() > until:
            said = "\n".join(log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-8:])
            raise RunError(f"the Ray head did not start; it said:\n{said}")
        time.sleep(0.3)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the head; what is left of its session after that is ended too."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
        try:
            process.wait(timeout=_ENDS_IN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.killpg(process.pid, signal.SIGKILL)  # start_new_session made it the leader of a group
