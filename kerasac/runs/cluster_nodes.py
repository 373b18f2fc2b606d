"""Look at a run's folder and inputs from every machine of the cluster before work is sent there."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from kerasac import __version__
from kerasac.cache import read_small, remove_small, shown, url_of, write_small
from kerasac.errors import RemoteError, RunError

# Ray is imported where it is used: a process that needs no cluster need not take half a second for it.

PATIENCE_S = 60.0  # for a machine to start a worker and answer
_SEEN_WITHIN_S = 10.0  # network file systems show a new file late
_ENDS = 65_536  # bytes at each end of a file that are compared
_WAY_OUT = (
    "put it on a file system that every machine mounts at this path, read inputs from s3:// or https://, which each "
    "machine fetches itself, and write runs to s3://"
)

logger = logging.getLogger(__name__)


class Node(NamedTuple):
    """A machine of the cluster, by what people and Ray call it."""

    name: str
    id: str


class _Seen(NamedTuple):
    """What a machine sees: the probe's text, and facts of each input; None where there is nothing."""

    version: str
    probe: str | None
    error: str  # of reading the probe or writing its own
    inputs: dict[str, str | None]


def check_paths_on_nodes(run_folder: Path, inputs: Iterable[Path] = ()) -> None:
    """See that all other machines of the open Ray session have the run's folder, or its URL, and its inputs.

    A file written here must be read there, and one written there must be read here. Inputs must be the same size, and
    the same at both ends; of a folder, the same names. URLs of inputs are left out: each machine fetches them. Does
    nothing where there is one machine.

    Raises
    ------
    RunError
        Names the machine, the path and the way out.
    """
    others = other_nodes()
    if not others:
        return
    wanted = {str(path.absolute()): None for path in inputs if url_of(path) is None}
    expected = {path: _facts(Path(path)) for path in wanted}
    logger.info("looking at %s and %d inputs from %d other machines", shown(run_folder), len(expected), len(others))
    is_local = url_of(run_folder) is None
    folder = run_folder.absolute() if is_local else run_folder
    made = is_local and not folder.exists()
    with _probe(folder, others) as (probe, text):
        for node, seen in zip(others, _ask(others, str(probe), list(expected)), strict=True):
            _check_version(node, seen)
            _check_folder(node, seen, folder, probe, text)
            _check_inputs(node, seen, expected)
    if made:
        with contextlib.suppress(OSError):
            folder.rmdir()


def check_experiment_on_nodes(experiment: BaseModel, run_folder: Path) -> None:
    """Check the folder, or URL, and every path that an experiment names; see :func:`check_paths_on_nodes`."""
    check_paths_on_nodes(run_folder, paths_of(experiment))


def paths_of(spec: Any) -> tuple[Path, ...]:
    """Return the paths that a spec and those in it hold, each once."""
    return tuple(dict.fromkeys(_paths(spec)))


def other_nodes() -> list[Node]:
    """Return the live machines of the open Ray session but this one."""
    import ray

    here = ray.get_runtime_context().get_node_id()
    alive = [node for node in ray.nodes() if node["Alive"] and node["NodeID"] != here]
    return sorted(
        Node(f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})", node["NodeID"]) for node in alive
    )


def wait_for_nodes(wanted: int, *, within_s: float) -> None:
    """Wait until the open Ray session has as many machines.

    Raises
    ------
    RunError
        When it has not in time.
    """
    until = time.monotonic() + within_s
    while (found := len(other_nodes()) + 1) < wanted:
        if time.monotonic() > until:
            raise RunError(
                f"{found} of {wanted} machines have joined the Ray cluster in {within_s:.0f} s; see what `ray start` "
                "says on the others, or ask for fewer (--wait-nodes)"
            )
        time.sleep(0.5)


def request_gpus(wanted: int) -> None:
    """Ask the cluster's autoscaler for machines with so many GPUs, and to keep them; 0 takes that back.

    How many units run side by side is decided when a command starts, so it must not start without them.
    """
    from ray.autoscaler.sdk import request_resources

    request_resources(bundles=[{"GPU": 1}] * wanted)


def wait_for_gpus(wanted: int, *, within_s: float) -> None:
    """Wait until the open Ray session has as many GPUs.

    Raises
    ------
    RunError
        When it has not in time.
    """
    import ray

    until = time.monotonic() + within_s
    while (found := ray.cluster_resources().get("GPU", 0)) < wanted:
        if time.monotonic() > until:
            raise RunError(
                f"the Ray cluster has {found:g} of {wanted} GPUs after {within_s:.0f} s; raise --wait, or how many "
                "workers the cluster may have (max_workers, maxReplicas), or ask for fewer (--gpus)"
            )
        time.sleep(1)


@contextlib.contextmanager
def _probe(folder: Path, nodes: Sequence[Node]) -> Iterator[tuple[Path, str]]:
    """Write a file that no other machine can have seen, and remove what nodes wrote beside it."""
    text = secrets.token_hex(8)
    probe = folder / f".probe-{text}"
    try:
        write_small(probe, text)
    except (OSError, RemoteError) as error:
        raise RunError(
            f"cannot write to the run folder {shown(folder)} ({_reason(error)}); choose another --out"
        ) from error
    try:
        yield probe, text
    finally:
        for path in (probe, *(_answer_to(probe, node.id) for node in nodes)):
            remove_small(path)


def _answer_to(probe: Path, node: str) -> Path:
    """Return where a machine writes what it read."""
    return probe.with_name(f"{probe.name}-{node}")


def _reason(error: OSError | RemoteError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _ask(nodes: Sequence[Node], probe: str, inputs: list[str]) -> list[_Seen]:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    # No CPU is asked for: those of a machine may all be promised.
    look = ray.remote(num_cpus=0, max_retries=0)(_look)
    asked = [
        look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)).remote(
            probe, node.id, inputs
        )
        for node in nodes
    ]
    ray.wait(asked, num_returns=len(asked), timeout=PATIENCE_S)
    return [_answer(node, answer) for node, answer in zip(nodes, asked, strict=True)]


def _answer(node: Node, answer: Any) -> _Seen:
    import ray

    try:
        return _Seen(*ray.get(answer, timeout=1))
    except ray.exceptions.GetTimeoutError:
        raise RunError(
            f"{node.name} has not answered in {PATIENCE_S:.0f} s; is it overloaded? `ray status` says"
        ) from None
    except ray.exceptions.RayError as error:
        cause = str(error).strip().splitlines()[-1]
        raise RunError(
            f"{node.name} cannot run kerasac-ray ({cause}); install the same kerasac-ray {__version__} there"
        ) from error


def _look(probe: str, node: str, inputs: list[str]) -> tuple[str, str | None, str, dict[str, str | None]]:
    """Run on another machine: read the probe, write one of its own, and look at the inputs."""
    path, text, error = Path(probe), None, ""
    try:
        text = _read_in_time(path)
        if text is not None:
            write_small(_answer_to(path, node), text)
    except (OSError, RemoteError) as refused:
        error = _reason(refused)
    return __version__, text, error, {name: _facts(Path(name)) for name in inputs}


def _read_in_time(path: Path) -> str | None:
    """Read a small file once it is seen here; None when it is not in time."""
    until = time.monotonic() + _SEEN_WITHIN_S
    while (text := read_small(path)) is None and time.monotonic() < until:
        time.sleep(0.5)
    return text


def _check_version(node: Node, seen: _Seen) -> None:
    if seen.version != __version__:
        raise RunError(
            f"{node.name} has kerasac-ray {seen.version}, this machine {__version__}; install the same on all"
        )


def _check_folder(node: Node, seen: _Seen, folder: Path, probe: Path, text: str) -> None:
    name = shown(folder)
    if seen.error:
        raise RunError(f"{node.name} cannot write to the run folder {name} ({seen.error}); give it the right to")
    if seen.probe != text:
        raise RunError(f"{node.name} does not see what is written to the run folder {name} here; {_WAY_OUT}")
    if _read_in_time(_answer_to(probe, node.id)) is None:
        raise RunError(f"what {node.name} writes to the run folder {name} is not seen here; {_WAY_OUT}")


def _check_inputs(node: Node, seen: _Seen, expected: dict[str, str | None]) -> None:
    for path, facts in expected.items():
        if seen.inputs[path] is None and facts is not None:
            raise RunError(f"{node.name} does not have {path}; {_WAY_OUT}")
        if seen.inputs[path] != facts:
            raise RunError(f"{path} is another file on {node.name} than here; {_WAY_OUT}")


def _facts(path: Path) -> str | None:
    """Return what must be equal on all machines, None where nothing is; reads no more than the ends of a file."""
    if path.is_dir():
        return " ".join(["folder", *sorted(inner.name for inner in path.iterdir() if not inner.name.startswith("."))])
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            ends = hashlib.sha256(file.read(_ENDS))
            file.seek(max(0, size - _ENDS))
            ends.update(file.read(_ENDS))
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"unreadable: {error.strerror}"
    return f"{size} bytes {ends.hexdigest()[:16]}"


def _paths(value: Any) -> Iterator[Path]:
    if isinstance(value, Path):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _paths(getattr(value, name))
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _paths(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _paths(inner)
