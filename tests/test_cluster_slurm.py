"""The Slurm script, run for real with programs that only note how they were called."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from kerasac.errors import ConfigError, RunError
from kerasac.runs.cluster_command import command_words
from kerasac.runs.cluster_slurm import SlurmJob, slurm_script, submit

REPOSITORY = Path(__file__).resolve().parents[1]
NOTE = '#!/bin/bash\necho "{name} $*" >> "$NOTES"\n'
# What each program does besides: srun starts what it is told to, once for all its nodes.
PROGRAMS = {
    "scontrol": 'if [[ $1 == show ]]; then printf "node1\\nnode2\\nnode3\\n"; fi\n',
    "getent": 'echo "127.0.1.1 STREAM $2"; echo "10.0.0.1 STREAM $2"\n',
    "srun": 'while [[ $1 == --* ]]; do shift; done\nexec "$@"\n',
    "ray": 'echo "token $RAY_AUTH_MODE $(stat -c "%s %a" "$RAY_AUTH_TOKEN_PATH")" >> "$NOTES"\nexec sleep 60\n',
    "kerasac-ray": 'for number in USR1 TERM; do trap "echo heard $number >> $NOTES; exit 0" $number; done\n'
    'echo started >> "$NOTES"; for _ in $(seq ${LASTS:-0}); do sleep 0.1; done; exit ${STATUS:-0}\n',
}


@dataclass
class Slurm:
    """A folder of programs, what they noted, and the job that is run."""

    folder: Path
    script: Path
    environment: dict[str, str]

    def start(self, **changes: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", str(self.script)],
            env=self.environment | changes,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, **changes: str) -> tuple[int, str]:
        process = self.start(**changes)
        output, _ = process.communicate(timeout=30)
        return process.returncode, output

    def notes(self, *programs: str) -> list[str]:
        path = self.folder / "notes"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if not programs or line.split()[0] in programs]

    def wait_for(self, note: str) -> None:
        until = time.monotonic() + 20
        while note not in self.notes():
            assert time.monotonic() < until, self.notes()
            time.sleep(0.05)

    @property
    def token_files(self) -> list[Path]:
        return list((self.folder / ".ray").glob("*"))


@pytest.fixture
def slurm(tmp_path: Path) -> Slurm:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in PROGRAMS.items():
        path = programs / name
        path.write_text(NOTE.format(name=name) + text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    script = tmp_path / "job.sh"
    command = ["cv", "my experiment.yaml", "--folds", "5"]
    script.write_text(slurm_script(SlurmJob(nodes=3, gpus=2), command, stop_after=True))
    environment = {
        "PATH": f"{programs}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "NOTES": str(tmp_path / "notes"),
        "SLURM_JOB_ID": "4321",
        "SLURM_JOB_NODELIST": "node[1-3]",
        "SLURM_JOB_NUM_NODES": "3",
        "SLURM_CPUS_PER_TASK": "8",
        "SLURM_GPUS_ON_NODE": "2",
        "SLURM_JOB_END_TIME": str(int(time.time()) + 7200),
    }
    return Slurm(tmp_path, script, environment)


def test_script_of_the_folder_is_what_launch_makes() -> None:
    made = slurm_script(SlurmJob(nodes=2, gpus=1), ["cv", "experiment.yaml"], stop_after=True)
    assert (REPOSITORY / "cluster/slurm/kerasac-ray.sbatch").read_text() == made, (
        "made anew by `kerasac-ray launch slurm --nodes 2 --gpus 1 --dry-run -- cv experiment.yaml`"
    )


def test_script_is_one_that_bash_can_read(slurm: Slurm) -> None:
    done = subprocess.run(["bash", "-n", str(slurm.script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_sbatch_reads_every_option_before_the_first_command(slurm: Slurm) -> None:
    lines = slurm.script.read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if line and not line.startswith("#"))
    assert [i for i, line in enumerate(lines) if line.startswith("#SBATCH") and i > first] == []
    options = [line.split()[1] for line in lines if line.startswith("#SBATCH")]
    for option in ("--nodes=3", "--gpus-per-node=2", "--cpus-per-task=8", "--signal=B:USR1@600", "--requeue"):
        assert option in options
    assert not [option for option in options if option.startswith("--array")]


def test_head_starts_first_and_workers_join_its_address_with_the_token(slurm: Slurm) -> None:
    status, output = slurm.run(LASTS="5")
    assert (status, output) == (0, "")
    head, workers = sorted(slurm.notes("srun"), key=lambda line: "--head" not in line)
    assert "--nodes=1 --ntasks=1 --nodelist=node1" in head
    assert "--cpus-per-task=8 --gpus-per-node=2 ray start --head --node-ip-address=10.0.0.1 --port=23210" in head
    assert "--nodes=2 --ntasks=2 --exclude=node1" in workers
    assert "ray start --address=10.0.0.1:23210" in workers
    assert all("--num-cpus=8 --num-gpus=2 --temp-dir=/tmp/ray-4321" in line for line in (head, workers))
    assert slurm.notes("token") == ["token token 64 600"] * 2
    assert slurm.token_files == [], "the token goes with the job"


def test_no_token_is_on_a_command_line(slurm: Slurm) -> None:
    slurm.run(LASTS="5")
    assert not [line for line in slurm.notes() if any(len(word) >= 32 and word.isalnum() for word in line.split())]


def test_command_is_launched_on_the_cluster_and_told_when_to_stop(slurm: Slurm) -> None:
    slurm.run(LASTS="2")
    (line,) = slurm.notes("kerasac-ray")
    launched = "kerasac-ray launch address --address 10.0.0.1:23210 --wait-nodes 3 --wait 300"
    assert line.startswith(f"{launched} -- cv my experiment.yaml --folds 5 --stop-after ")
    seconds = int(line.rsplit(maxsplit=1)[1].removesuffix("s"))
    assert 7200 - 300 - 20 < seconds <= 7200 - 300
    assert slurm.notes("scontrol") == ["scontrol show hostnames node[1-3]"], "a finished run is not queued again"


def test_one_node_has_no_workers_and_no_gpu_is_asked_for(slurm: Slurm) -> None:
    status, _ = slurm.run(SLURM_JOB_NUM_NODES="1", SLURM_GPUS_ON_NODE="", LASTS="3")
    (head,) = slurm.notes("srun")
    assert status == 0
    assert "--gpus-per-node" not in head
    assert "--num-gpus=0" in head


@pytest.mark.parametrize("wanted", [3, 130])
def test_status_of_the_command_is_the_jobs_and_a_failure_is_not_queued_again(slurm: Slurm, wanted: int) -> None:
    status, _ = slurm.run(STATUS=str(wanted))
    assert status == wanted
    assert not [line for line in slurm.notes("scontrol") if "requeue" in line]


def test_signal_of_the_end_reaches_the_command_and_the_job_is_queued_again(slurm: Slurm) -> None:
    process = slurm.start(LASTS="200")
    slurm.wait_for("started")
    process.send_signal(signal.SIGUSR1)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "queued again" in output
    assert "heard USR1" in slurm.notes()
    assert slurm.notes("scontrol")[-1] == "scontrol requeue 4321"
    assert slurm.token_files == []


def test_end_of_time_without_a_signal_is_noticed(slurm: Slurm) -> None:
    status, _ = slurm.run(SLURM_JOB_END_TIME=str(int(time.time()) + 400))
    assert status == 0
    assert slurm.notes("scontrol")[-1] == "scontrol requeue 4321"


def test_cancelled_job_stops_its_command_and_stays_away(slurm: Slurm) -> None:
    process = slurm.start(LASTS="200")
    slurm.wait_for("started")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert "heard TERM" in slurm.notes()
    assert not [line for line in slurm.notes("scontrol") if "requeue" in line]


def test_job_that_never_gets_further_is_not_queued_for_ever(slurm: Slurm) -> None:
    status, output = slurm.run(SLURM_JOB_END_TIME=str(int(time.time()) + 400), SLURM_RESTART_COUNT="100")
    assert status == 1
    assert "100 restarts" in output


def test_missing_program_is_named_before_anything_starts(slurm: Slurm) -> None:
    (slurm.folder / "bin" / "kerasac-ray").unlink()
    status, output = slurm.run()
    assert status == 2
    assert "kerasac-ray is not on the PATH" in output
    assert slurm.notes() == []


def test_setup_runs_where_variables_may_be_unset(slurm: Slurm) -> None:
    text = slurm_script(SlurmJob(setup='echo "set up $UNSET" >> "$NOTES"'), ["cv"], stop_after=False)
    slurm.script.write_text(text)
    status, _ = slurm.run(SLURM_JOB_NUM_NODES="1")
    assert status == 0
    assert slurm.notes()[0].strip() == "set up"
    assert "--stop-after" not in slurm.notes("kerasac-ray")[0]


def test_words_of_the_command_stay_one_word_each() -> None:
    script = slurm_script(SlurmJob(), ["cv", "a b.yaml", "--set", "name=$(rm x)'@TIME@"], stop_after=False)
    line = next(line for line in script.splitlines() if line.startswith("command=("))
    done = subprocess.run(
        ["bash", "-c", f'{line}; printf "%s\\n" "${{command[@]}}"'], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["cv", "a b.yaml", "--set", "name=$(rm x)'@TIME@"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SlurmJob(partition="gpu\n#SBATCH --x"), "no name that Slurm takes"),
        (lambda: SlurmJob(account="a b"), "no name that Slurm takes"),
        (lambda: SlurmJob(memory="lots"), "write 64G"),
        (lambda: SlurmJob(time="10m"), "ask for 20 minutes or more"),
        (lambda: SlurmJob(time="12"), "add its unit"),
        (lambda: command_words([], {"cv"}), "no command is given"),
        (lambda: command_words(["cvv"], {"cv"}), "did you mean 'cv'"),
    ],
)
def test_what_cannot_be_meant_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cv", "--out", "https://host/run"], "cannot be written to https://host/run: a web server takes no files"),
        (["predict", "--out=s3://b/all.h5"], "predict cannot write to s3://b/all.h5, as cv and tune can"),
    ],
)
def test_url_that_a_command_cannot_write_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(RunError, match=said):
        command_words(words, {"cv", "predict"})


@pytest.mark.parametrize("words", [["--out", "s3://b/run"], ["--out=s3://b/run"]])
def test_run_may_be_written_to_a_bucket(words: list[str]) -> None:
    assert command_words(["cv", *words], {"cv"}) == ["cv", *words]


@pytest.mark.parametrize(("time", "written"), [("12h", "12:00:00"), ("1.5d", "1-12:00:00"), ("90m", "01:30:00")])
def test_time_is_written_as_slurm_does(time: str, written: str) -> None:
    assert SlurmJob(time=time).slurm_time == written


def fake_sbatch(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "sbatch"
    path.write_text(f"#!/bin/bash\ncat > {folder}/given\n{text}\n")
    path.chmod(0o700)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_script_is_submitted_and_the_number_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_sbatch(tmp_path, 'echo "77;cluster"', monkeypatch)
    assert submit("#!/bin/bash\n") == "77"
    assert (tmp_path / "given").read_text() == "#!/bin/bash\n"


def test_what_slurm_says_of_a_refused_job_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_sbatch(tmp_path, "echo 'invalid partition: x' >&2; exit 1", monkeypatch)
    with pytest.raises(RunError, match="invalid partition: x"):
        submit("#!/bin/bash\n")


def test_machine_without_slurm_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunError, match="sbatch is not on the PATH"):
        submit("")
