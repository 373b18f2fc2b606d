"""List runs and studies that are unfinished, with the commands that go on with them, and go on."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from kerasac.errors import RunError
from kerasac.runs.heartbeat import PROGRAM, Command
from kerasac.runs.status import RunStatus, find_runs, read_status
from kerasac.runs.stopping import duration_text

_GOING_ON = ("cv", "tune")  # the commands that may be run again from what a folder says


class Unfinished(NamedTuple):
    """A run or a study that can go on, and how; no command when the folder does not know it."""

    status: RunStatus
    command: Command | None

    @property
    def line(self) -> str:
        """The command for a shell that is in the current folder."""
        if self.command is None:
            return "run again what made it"
        cwd = self.command.cwd
        there = "" if not cwd or Path(cwd) == Path.cwd() else f"cd {shlex.quote(cwd)} && "
        return f"{there}{self.command}"


def unfinished(folders: Sequence[Path]) -> list[Unfinished]:
    """Return what is unfinished among and below folders, and does not run."""
    found = [read_status(folder) for folder in find_runs(folders)]
    return [
        Unfinished(status, command_of(status))
        for status in found
        if status.driver is None and status.state != "finished"
    ]


def command_of(status: RunStatus) -> Command | None:
    """Return the command that goes on with a run or a study.

    That is the one that made it. Where it is not known (or was no command of ours but a script), a run goes on from
    the experiment in its folder.
    """
    known = status.heartbeat.command if status.heartbeat is not None else _of_provenance(status.folder)
    if known is not None and known.is_ours and known.argv[1:2] and known.argv[1] in _GOING_ON:
        return known
    if status.kind == "run":
        folder = status.folder.resolve()
        return Command((PROGRAM, "cv", str(folder / "experiment.yaml"), "--out", str(folder)), "")
    return None


def go_on(one: Unfinished) -> int:
    """Run the command that goes on, in the folder where it was given; returns its exit status.

    Raises
    ------
    RunError
        When the command is not known, or its folder is gone.
    """
    if one.command is None:
        raise RunError(f"{one.status.folder} does not say what made it; run that command again")
    cwd = one.command.cwd or None
    if cwd is not None and not Path(cwd).is_dir():
        raise RunError(
            f"the folder {cwd}, where {one.status.folder} was started, is gone; run `{one.command}` elsewhere"
        )
    return subprocess.run([sys.executable, "-m", "kerasac", *one.command.argv[1:]], cwd=cwd, check=False).returncode


def state_text(status: RunStatus) -> str:
    """Return in words what a run or a study is doing, or how it ended."""
    if status.driver is not None:
        since = f", {duration_text(status.heartbeat.updated - status.heartbeat.began)}" if status.heartbeat else ""
        return f"{status.state} ({status.driver}{since})"
    if status.state == "failed":
        return f"{len(status.errors)} failed"
    if status.state == "stopped":
        return f"stopped by {status.stop_reason}"
    if status.state == "interrupted" and status.heartbeat is not None and status.heartbeat.ended is None:
        return f"interrupted, last heard of {duration_text(status.heartbeat.age_s)} ago"
    return status.state


def _of_provenance(folder: Path) -> Command | None:
    path = folder / "provenance.json"
    if not path.exists():
        return None
    facts = json.loads(path.read_text(encoding="utf-8"))
    words = shlex.split(facts.get("command", ""))
    if not words:
        return None
    is_ours = Path(words[0]).name == PROGRAM or words[0].endswith("kerasac/__main__.py")
    return Command((PROGRAM if is_ours else words[0], *words[1:]), str(facts.get("cwd", "")))
