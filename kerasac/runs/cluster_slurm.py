"""Write the script of a Slurm job that runs one command on all of its nodes, and submit it."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kerasac.errors import ConfigError, RunError
from kerasac.runs.stopping import parse_duration

MARGIN_S = 600  # from Slurm's signal to the end of the job
_LATE_S = 300  # before the end the command stops by itself, should the signal be lost
_SHORTEST_S = 2 * MARGIN_S
_TEMPLATE = Path(__file__).parents[1] / "templates" / "slurm.sh"
# Slurm's own names: no space, quote or newline can come into the script.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,:@+-]*")
_MEMORY = re.compile(r"\d+[KMGT]?")


@dataclass(frozen=True)
class SlurmJob:
    """What a job asks for. ``cpus``, ``gpus`` and ``memory`` are of each node; ``time`` as Slurm writes it."""

    nodes: int = 1
    cpus: int = 8
    gpus: int = 0
    time: str = "12:00:00"
    memory: str | None = None
    partition: str | None = None
    account: str | None = None
    name: str = "kerasac-ray"
    setup: str | None = None

    def __post_init__(self) -> None:
        for option, value in (("partition", self.partition), ("account", self.account), ("name", self.name)):
            if value is not None and _NAME.fullmatch(value) is None:
                raise ConfigError(f"--{option} {value!r} is no name that Slurm takes; use letters, digits and . _ -")
        if self.memory is not None and _MEMORY.fullmatch(self.memory) is None:
            raise ConfigError(f"--memory {self.memory!r} is no amount that Slurm takes; write 64G or 64000M")
        if self.seconds < _SHORTEST_S:
            raise ConfigError(
                f"--time {self.time} is too short: the job stops {MARGIN_S // 60} minutes before its end; ask for "
                f"{_SHORTEST_S // 60} minutes or more"
            )

    @property
    def seconds(self) -> int:
        """The job's time."""
        return int(parse_duration(self.time))

    @property
    def slurm_time(self) -> str:
        """The job's time as days-hours:minutes:seconds, whatever it was written as."""
        minutes, seconds = divmod(self.seconds, 60)
        hours, minutes = divmod(minutes, 60)
        days, hours = divmod(hours, 24)
        return f"{days}-{hours:02}:{minutes:02}:{seconds:02}" if days else f"{hours:02}:{minutes:02}:{seconds:02}"


def slurm_script(job: SlurmJob, command: Sequence[str], *, stop_after: bool) -> str:
    """Return the script; with ``stop_after`` the command is also told when the job ends."""
    filled = {
        "NAME": job.name,
        "NODES": str(job.nodes),
        "CPUS": str(job.cpus),
        "OPTIONS": "\n".join(_options(job)),
        "TIME": job.slurm_time,
        "MARGIN": str(MARGIN_S),
        "SETUP": job.setup or "# source venv/bin/activate",
        "COMMAND": shlex.join(command),
        "SECONDS": str(job.seconds),
        "STOP_AFTER": _STOP_AFTER if stop_after else "# This command knows no time limit; the signal stops it.",
    }
    script = _TEMPLATE.read_text(encoding="utf-8")
    return re.sub(r"@([A-Z_]+)@", lambda found: filled[found[1]], script)


def submit(script: str) -> str:
    """Give a script to sbatch; returns the number of the job.

    Raises
    ------
    RunError
        When this machine has no Slurm, or Slurm refuses the job.
    """
    try:
        done = subprocess.run(["sbatch", "--parsable"], input=script, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise RunError(
            "sbatch is not on the PATH; run this on a login node of a Slurm cluster, or see the script with --dry-run"
        ) from error
    if done.returncode:
        raise RunError(f"Slurm refuses the job: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip().partition(";")[0]


_STOP_AFTER = f"""# Should the signal be lost, the command stops by itself {_LATE_S // 60} minutes before the end.
command+=(--stop-after "$((end - $(date +%s) - {_LATE_S}))s")"""


def _options(job: SlurmJob) -> list[str]:
    """Return a line each; those that are not asked for stay as comments, to be edited."""
    asked = [
        ("gpus-per-node", job.gpus or None, "1"),
        ("mem", job.memory, "64G"),
        ("partition", job.partition, "gpu"),
        ("account", job.account, "lab"),
    ]
    return [
        f"#SBATCH --{name}={value}" if value is not None else f"##SBATCH --{name}={example}"
        for name, value, example in asked
    ]
