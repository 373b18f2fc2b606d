"""Run modisco-lite on a file of contributions, in a process of its own."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from kerasac import __version__
from kerasac.cache import digest, file_facts, usable_cpus, whole_file, with_ending
from kerasac.errors import InterpretError
from kerasac.interpret.contributions import Contributions
from kerasac.interpret.motifs.extra import need
from kerasac.interpret.motifs.patterns import GROUPS

logger = logging.getLogger(__name__)

Say = Callable[[str], None]

LEAST_SEQLETS = 100  # of a sign: with fewer, modisco makes no pattern of it
_WINDOW_BP = 400
_JOB = "kerasac_job"
_BLOCK = 1024  # windows read at a time
_COMMAND = "from modiscolite.cli import cli; cli()"
_LAST_LINES = 8  # of what modisco said, in an error


@dataclass(frozen=True)
class ModiscoSpec:
    """What modisco is asked for.

    ``window_bp`` bases in the middle of each window are searched, by default 400, or all where there are fewer. Of each
    sign the first ``max_seqlets`` are used, of windows in an order that ``seed`` decides: modisco goes through them as
    they lie in the file, which may be the order of the genome. ``threads`` of None are all CPUs of this process.
    """

    window_bp: int | None = None
    max_seqlets: int = 20_000
    seed: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("window", self.window_bp), ("max-seqlets", self.max_seqlets), ("threads", self.threads)):
            if value is not None and value < 1:
                raise InterpretError(f"--{name} is {value}; give 1 or more")


def modisco(
    contributions: Contributions, source: Path, out: Path, spec: ModiscoSpec, *, say: Say, overwrite: bool = False
) -> bool:
    """Write modisco-lite's HDF5 of a file of contributions; returns whether it was there already.

    Rows of windows in ``seqlets/example_idx`` are those of ``source``. What modisco says goes to ``<out>.log`` and,
    line by line, to ``say``.

    Raises
    ------
    InterpretError
        When a package is missing, the window is wider than the file's, contributions are not finite, modisco fails, or
        ``out`` holds other results and ``overwrite`` is not set.
    """
    need("modiscolite")
    window_bp = spec.window_bp or min(_WINDOW_BP, contributions.width_bp)
    if window_bp > contributions.width_bp:
        raise InterpretError(
            f"--window {window_bp} is wider than the windows of {source}, {contributions.width_bp} bases"
        )
    job = digest({**file_facts(source), "window": window_bp, "seqlets": spec.max_seqlets, "seed": spec.seed})
    if _made_by(out) == job:
        return True
    if out.exists() and not overwrite:
        raise InterpretError(f"{out} is of other contributions or settings; choose another --out, or --overwrite")
    rows = np.random.default_rng([spec.seed]).permutation(len(contributions))
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".modisco-") as folder, whole_file(out) as beside:
        _write_input(contributions, Path(folder), rows, window_bp)
        say(f"{len(rows):,} windows of {window_bp} bases")
        _run(_arguments(spec, window_bp), Path(folder), beside.resolve(), with_ending(out, "log"), spec, say)
        _set_rows(beside, rows, job)
    return False


def _made_by(path: Path) -> str | None:
    """Return the job that a file of modisco was made by; None where there is none, or it is not ours."""
    if not path.is_file() or not h5py.is_hdf5(path):
        return None
    with h5py.File(path, "r") as file:
        found = file.attrs.get(_JOB)
    return None if found is None else str(found)


def _write_input(contributions: Contributions, folder: Path, rows: npt.NDArray[np.int64], window_bp: int) -> None:
    """Write what modisco reads, (n, 4, window_bp): the middle of each window, the window ``rows[i]`` as the i-th."""
    shape = (len(rows), 4, window_bp)
    kept = np.lib.format.open_memmap(folder / "contributions.npy", "w+", np.float32, shape)
    letters = np.lib.format.open_memmap(folder / "sequences.npy", "w+", np.int8, shape)
    start = contributions.width_bp // 2 - window_bp // 2
    middle = slice(start, start + window_bp)
    place = np.argsort(rows)
    is_zero = True
    for low in range(0, len(rows), _BLOCK):
        block = slice(low, min(low + _BLOCK, len(rows)))
        scores = contributions.hypothetical(block)[:, middle]
        odd = np.flatnonzero(~np.isfinite(scores).all(axis=(1, 2)))
        if len(odd):
            raise InterpretError(f"contributions of window {low + odd[0]} are not finite numbers; make the file again")
        bases = contributions.one_hot(block)[:, middle]
        is_zero = is_zero and not (scores * bases).any()
        kept[place[block]] = scores.transpose(0, 2, 1)
        letters[place[block]] = bases.transpose(0, 2, 1)
    if is_zero:
        raise InterpretError(f"all contributions in the middle {window_bp} bases are 0; there is no motif in them")
    kept.flush()
    letters.flush()


def _arguments(spec: ModiscoSpec, window_bp: int) -> list[str]:
    inputs = ["-s", "sequences.npy", "-a", "contributions.npy"]
    return [*inputs, "-n", str(spec.max_seqlets), "-w", str(window_bp), "-v"]


def _run(arguments: list[str], folder: Path, out: Path, log: Path, spec: ModiscoSpec, say: Say) -> None:
    """Run ``modisco motifs``, which writes ``out``; when this process is interrupted, all that it started ends too."""
    n = str(spec.threads or usable_cpus())
    limits = dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), n)
    process = subprocess.Popen(
        [sys.executable, "-c", _COMMAND, "motifs", *arguments, "-o", str(out)],
        cwd=folder,
        env={**os.environ, **limits, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # it forks: the whole group can be ended
    )
    said: list[str] = []
    try:
        with log.open("w", encoding="utf-8") as kept:
            for line in _lines(process):
                kept.write(f"{line}\n")
                kept.flush()
                said.append(line)
                logger.info("modisco: %s", line)
                say(line)
        process.wait()
    finally:
        _end(process)
    if process.returncode or not out.exists():
        last = "\n".join(said[-_LAST_LINES:])
        raise InterpretError(f"modisco-lite ended with status {process.returncode}; {log} has all it said:\n{last}")


def _lines(process: subprocess.Popen[str]) -> Iterator[str]:
    """Yield what a process says, line by line; of lines that a progress bar writes over, each."""
    assert process.stdout is not None, "it is piped"
    for line in process.stdout:  # universal newlines end lines at carriage returns too
        if line.strip():
            yield line.rstrip()


def _end(process: subprocess.Popen[str]) -> None:
    """End a process that is still there, and what it forked."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _set_rows(path: Path, rows: npt.NDArray[np.int64], job: str) -> None:
    """Make windows' numbers those of the file of contributions, in patterns and in what they are made of."""

    def renumber(name: str, item: Any) -> None:
        if name.endswith("seqlets/example_idx"):
            item[...] = rows[item[...]]

    with h5py.File(path, "r+") as file:
        for group in GROUPS:
            if group in file:
                file[group].visititems(renumber)
        file.attrs[_JOB] = job
        file.attrs["kerasac_version"] = __version__
