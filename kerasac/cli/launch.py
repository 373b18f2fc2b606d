"""kerasac-ray launch: run a command on this machine's own Ray, on a cluster, as a Slurm job, or as a Ray job."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

LOCALHOST = "127.0.0.1"
Command = Annotated[
    list[str],
    typer.Argument(metavar="-- COMMAND...", help="Command of kerasac-ray, e.g. cv experiment.yaml; or a program."),
]
# What follows the first word of the command belongs to it.
_WORDS = {"allow_interspersed_args": False}

launch_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Run a command on this machine's own Ray (local), on a cluster (address), as a Slurm job, or as a Ray job.",
)


@launch_app.command(context_settings=_WORDS)
def local(
    command: Command,
    cpus: Annotated[int | None, typer.Option(min=1, help="CPUs for Ray; default: this machine's.")] = None,
    gpus: Annotated[int | None, typer.Option(min=0, help="GPUs for Ray; default: this machine's.")] = None,
    dashboard: Annotated[bool, typer.Option("--dashboard", help="Open Ray's dashboard (needs ray[default]).")] = False,
    dashboard_host: Annotated[
        str, typer.Option(help="Address it listens on; others than 127.0.0.1 are open to the network.")
    ] = LOCALHOST,
) -> None:
    """Start a Ray head with a token on this machine, run the command on it, and stop it."""
    from kerasac.runs.cluster_command import command_words, passing_on_signals, program_words
    from kerasac.runs.cluster_local import local_head, use_token

    known = _known()
    words = command_words(command, known)
    wanted = dashboard or dashboard_host != LOCALHOST
    with passing_on_signals() as signals:
        use_token()
        with local_head(cpus=cpus, gpus=gpus, dashboard=wanted, dashboard_host=dashboard_host) as head:
            _tell(f"Ray head at {head.address}, for as long as the command runs")
            if head.dashboard is not None:
                _tell_of_dashboard(head.dashboard, dashboard_host)
            status = signals.run(program_words(words, known), {"RAY_ADDRESS": head.address})
    raise typer.Exit(status)


@launch_app.command(context_settings=_WORDS)
def address(
    command: Command,
    at: Annotated[
        str,
        typer.Option(
            "--address", envvar="RAY_ADDRESS", help="Head of the cluster, HOST:PORT. This machine must be in it."
        ),
    ],
    gpus: Annotated[int, typer.Option(min=0, help="Ask the autoscaler for so many GPUs, and wait for them.")] = 0,
    wait_nodes: Annotated[int, typer.Option(min=1, help="Wait until the cluster has so many machines.")] = 1,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait, for the head, GPUs and machines.")] = 0,
    check: Annotated[
        list[Path],
        typer.Option(exists=True, help="File or folder that every machine must see at the same path; repeatable."),
    ] = [],  # noqa: B006
) -> None:
    """Run the command on a Ray cluster that this machine belongs to.

    The cluster's token is taken from RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token.
    """
    from kerasac.runs.cluster_command import command_words, passing_on_signals, program_words
    from kerasac.runs.cluster_local import joined

    known = _known()
    words = command_words(command, known)
    with (
        passing_on_signals() as signals,
        joined(at, wait_nodes=wait_nodes, gpus=gpus, wait_s=wait, paths=check) as environment,
    ):
        status = signals.run(program_words(words, known), environment)
    raise typer.Exit(status)


@launch_app.command(context_settings=_WORDS)
def slurm(
    command: Command,
    nodes: Annotated[int, typer.Option(min=1, help="Machines.")] = 1,
    cpus: Annotated[int, typer.Option(min=1, help="CPUs of each.")] = 8,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs of each.")] = 0,
    time: Annotated[str, typer.Option(help="Time of the job, e.g. 12h or 2-12:00:00.")] = "12:00:00",
    memory: Annotated[str | None, typer.Option(help="Memory of each, e.g. 64G.")] = None,
    partition: Annotated[str | None, typer.Option(help="Slurm's partition.")] = None,
    account: Annotated[str | None, typer.Option(help="Slurm's account.")] = None,
    name: Annotated[str, typer.Option(help="Name of the job.")] = "kerasac-ray",
    setup: Annotated[
        str | None, typer.Option(help="Shell line before anything else, e.g. 'source venv/bin/activate'.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the script; submit nothing.")] = False,
) -> None:
    """Submit the command as a Slurm job that starts Ray on its machines, and goes on after its time is up."""
    from kerasac.runs.cluster_command import command_words
    from kerasac.runs.cluster_slurm import SlurmJob, slurm_script, submit

    words = command_words(command, _known())
    job = SlurmJob(nodes, cpus, gpus, time, memory, partition, account, name, setup)
    script = slurm_script(job, words, stop_after=_takes_stop_after(words[0]) and not _has_stop_after(words))
    if dry_run:
        typer.echo(script, nl=False)
        return
    number = submit(script)
    typer.echo(number)
    _tell(f"job {number}: `squeue -j {number}` shows it, {name}-{number}.log what it says; `scancel {number}` ends it")


@launch_app.command(context_settings=_WORDS)
def job(
    command: Command,
    at: Annotated[str, typer.Option("--address", help="Dashboard of the cluster, http://HOST:8265.")],
    working_dir: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Small folder to copy to the cluster and run in."),
    ] = None,
    follow: Annotated[bool, typer.Option(help="Print what the job prints, and end as it ends.")] = True,
) -> None:
    """Send the command to a Ray cluster as a job; it runs on the head, with the head's kerasac-ray and paths."""
    from kerasac.runs.cluster_command import command_words, remote_words
    from kerasac.runs.cluster_jobs import follow_job, submit_job

    known = _known()
    words = remote_words(command_words(command, known, elsewhere=True), known)
    number = submit_job(at, words, working_dir=working_dir, say=_tell)
    stop = f"`ray job stop --address {at} {number}`"
    if not follow:
        typer.echo(number)
        _tell(f"the job runs; {stop} ends it")
        return
    _tell(f"job {number}; Ctrl-C leaves it running, {stop} ends it")
    try:
        status = follow_job(at, number, write=lambda text: typer.echo(text, nl=False))
    except KeyboardInterrupt:
        _tell(f"the job {number} goes on; {stop} ends it")
        status = 130
    raise typer.Exit(status)


def _known() -> Collection[str]:
    """Return the names of kerasac-ray's commands."""
    from kerasac.cli.main import app

    return typer.main.get_group(app).commands


def _takes_stop_after(name: str) -> bool:
    from kerasac.cli.main import app

    command = typer.main.get_group(app).commands.get(name)
    return command is not None and any("--stop-after" in option.opts for option in command.params)


def _has_stop_after(words: Collection[str]) -> bool:
    """Whether the command has a time limit of its own, as --stop-after 6h or --stop-after=6h."""
    return any(word.partition("=")[0] == "--stop-after" for word in words)


def _tell_of_dashboard(page: str, host: str) -> None:
    _tell(f"Ray's dashboard: {page}; it asks for the token, which `ray get-auth-token` shows")
    if host != LOCALHOST:
        _tell(
            f"warning: the dashboard listens on {host}, where others can reach it; who has the token can run code "
            "here, and it travels unencrypted"
        )


def _tell(message: str) -> None:
    typer.echo(message, err=True)
