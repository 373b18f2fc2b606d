"""What `kerasac-ray launch` asks the library for, and what it says."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from kerasac.cli.main import app
from kerasac.errors import ConfigError, RunError
from kerasac.runs import cluster_jobs, cluster_local
from kerasac.runs.cluster_command import passing_on_signals, program_words
from kerasac.runs.cluster_local import Head


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["launch", *arguments])


@pytest.fixture(autouse=True)
def _own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ADDRESS", "KERASAC_CACHE"):
        monkeypatch.setenv(name, "")  # so that what a command sets is taken back
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


# --- local


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A head that is none; what it was asked for."""
    asked: dict[str, Any] = {}

    @contextlib.contextmanager
    def start(**options: Any) -> Iterator[Head]:
        asked.update(options, token=os.environ["RAY_AUTH_TOKEN_PATH"])
        page = f"http://{options['dashboard_host']}:20004" if options["dashboard"] else None
        yield Head("127.0.0.1:20001", page)
        asked["ended"] = True

    monkeypatch.setattr(cluster_local, "local_head", start)
    return asked


def test_local_runs_the_command_on_its_head_and_ends_as_it(head: dict[str, Any], tmp_path: Path) -> None:
    code = (
        "import os, sys, pathlib; pathlib.Path(sys.argv[1]).write_text(os.environ['RAY_ADDRESS'] + ' '"
        " + os.environ['RAY_AUTH_MODE'] + ' ' + str('RAY_AUTH_TOKEN' in os.environ)); sys.exit(5)"
    )
    done = invoke("local", "--cpus", "2", "--", sys.executable, "-c", code, str(tmp_path / "said"))
    assert done.exit_code == 5
    assert (tmp_path / "said").read_text() == "127.0.0.1:20001 token False"
    assert head["ended"] is True
    assert (head["cpus"], head["gpus"], head["dashboard"], head["dashboard_host"]) == (2, None, False, "127.0.0.1")
    token = (tmp_path / ".ray" / "auth_token").read_text()
    assert token not in done.output


def test_options_after_the_command_belong_to_it(head: dict[str, Any]) -> None:
    done = invoke("local", sys.executable, "-c", "import sys; sys.exit(len(sys.argv))", "--cpus", "3")
    assert done.exit_code == 3
    assert head["cpus"] is None


def test_dashboard_is_on_this_machine_alone_unless_told_otherwise(head: dict[str, Any]) -> None:
    here = invoke("local", "--dashboard", "--", "true")
    assert "http://127.0.0.1:20004" in here.output
    assert "warning" not in here.output
    opened = invoke("local", "--dashboard-host", "0.0.0.0", "--", "true")
    assert head["dashboard"] is True
    assert "warning: the dashboard listens on 0.0.0.0, where others can reach it" in opened.output


def test_dashboard_that_ray_lacks_is_an_error_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_local, "has_dashboard", lambda: False)
    done = invoke("local", "--dashboard", "--", "true")
    assert isinstance(done.exception, RunError)
    assert "pip install 'ray[default]'" in str(done.exception)


def test_head_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_local, "_counts", lambda cpus, gpus: ["--num-cpus=many"])
    done = invoke("local", "--", "true")
    assert isinstance(done.exception, RunError)
    assert "the Ray head did not start; it said:" in str(done.exception)
    assert "'many' is not a valid integer" in str(done.exception)


def test_commands_of_kerasac_ray_run_in_this_python() -> None:
    assert program_words(["cv", "e.yaml"], {"cv"}) == [sys.executable, "-m", "kerasac", "cv", "e.yaml"]
    assert program_words(["python", "x.py"], {"cv"}) == ["python", "x.py"]


def test_signals_reach_the_command_once(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time, pathlib\n"
        "got = []\n"
        "for number in (signal.SIGUSR1, signal.SIGINT, signal.SIGTERM):\n"
        "    signal.signal(number, lambda number, frame: got.append(number))\n"
        f"pathlib.Path({str(tmp_path / 'ready')!r}).write_text('')\n"
        "while signal.SIGTERM not in got: time.sleep(0.01)\n"
        "sys.exit(len(got))\n"
    )
    launch = (
        "import sys\nfrom kerasac.runs.cluster_command import passing_on_signals\n"
        "with passing_on_signals() as signals: sys.exit(signals.run(sys.argv[1:], {}))"
    )
    process = subprocess.Popen([sys.executable, "-c", launch, sys.executable, "-c", code], start_new_session=True)
    until = time.monotonic() + 60
    while not (tmp_path / "ready").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    # Ctrl-C in a terminal: the whole group in the foreground, which the command is not in.
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.5)
    process.send_signal(signal.SIGUSR1)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 3


def test_handlers_are_given_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]
    with passing_on_signals() as signals:
        assert signals.run(["sh", "-c", "kill -9 $$"], {}) == 137
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)] == before


# --- address


def test_address_checks_first_and_hands_the_address_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("token-of-the-cluster")
    asked: list[Any] = []
    monkeypatch.setattr(cluster_local, "check_address", lambda address, wait_s: asked.append((address, wait_s)))
    code = "import os, sys; sys.exit(0 if os.environ['RAY_ADDRESS'] == '10.0.0.5:6379' else 1)"
    done = invoke("address", "--address", "10.0.0.5:6379", "--wait", "7", "--", sys.executable, "-c", code)
    assert (done.exit_code, asked) == (0, [("10.0.0.5:6379", 7)])
    assert "token-of-the-cluster" not in done.output


def test_gpus_are_asked_for_and_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("token")
    asked: list[str] = []
    monkeypatch.setattr(cluster_local, "check_address", lambda address, wait_s: None)
    monkeypatch.setattr(cluster_local, "ray_session", contextlib.nullcontext)
    monkeypatch.setattr(cluster_local, "request_gpus", lambda wanted: asked.append(f"request {wanted}"))
    monkeypatch.setattr(cluster_local, "wait_for_gpus", lambda wanted, within_s: asked.append(f"wait {wanted}"))
    monkeypatch.setattr(cluster_local, "wait_for_nodes", lambda wanted, within_s: asked.append(f"nodes {wanted}"))
    done = invoke("address", "--address", "10.0.0.5:6379", "--gpus", "4", "--", "false")
    assert done.exit_code == 1
    assert asked == ["request 4", "wait 4", "nodes 1", "request 0"]


# --- slurm


def test_slurm_prints_the_script_without_submitting() -> None:
    done = invoke("slurm", "--nodes", "2", "--gpus", "4", "--partition", "gpu", "--dry-run", "--", "cv", "e.yaml")
    assert done.exit_code == 0
    for line in ("#SBATCH --nodes=2", "#SBATCH --gpus-per-node=4", "#SBATCH --partition=gpu", "command=(cv e.yaml)"):
        assert line in done.output.splitlines()
    assert "command+=(--stop-after" in done.output


@pytest.mark.parametrize("limit", [["--stop-after", "1h"], ["--stop-after=1h"]])
def test_slurm_leaves_a_time_limit_that_the_user_gave(limit: list[str]) -> None:
    done = invoke("slurm", "--dry-run", "--", "cv", "e.yaml", *limit)
    assert f"command=(cv e.yaml {' '.join(limit)})" in done.output.splitlines()
    assert "command+=(--stop-after" not in done.output


def test_slurm_tells_the_number_and_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kerasac.runs.cluster_slurm.submit", lambda script: "77")
    done = invoke("slurm", "--", "cv", "e.yaml")
    assert done.stdout == "77\n"
    assert "scancel 77" in done.stderr
    assert "kerasac-ray-77.log" in done.stderr


# --- job


class FakeClient:
    """A job server's client that notes what it is asked."""

    asked: dict[str, Any] = {}  # noqa: RUF012
    status, code, message = "SUCCEEDED", 0, None

    def __init__(self, address: str) -> None:
        self.asked.update(address=address, mode=os.environ.get("RAY_AUTH_MODE"))

    def submit_job(self, **options: Any) -> str:
        self.asked.update(options)
        return "raysubmit_1"

    async def tail_job_logs(self, job: str) -> AsyncIterator[str]:
        yield "line one\n"
        yield "line two\n"

    def get_job_info(self, job: str) -> Any:
        return SimpleNamespace(
            status=SimpleNamespace(value=self.status), driver_exit_code=self.code, message=self.message
        )


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[FakeClient]:
    import ray.job_submission

    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("token-of-the-cluster")
    fake = type("Client", (FakeClient,), {"asked": {}})
    monkeypatch.setattr(ray.job_submission, "JobSubmissionClient", fake)
    return fake


HERE = ("job", "--address", "http://localhost:8265")


def test_job_is_sent_followed_and_ends_as_it_ends(client: type[FakeClient], tmp_path: Path) -> None:
    done = invoke(*HERE, "--working-dir", str(tmp_path), "--", "cv", "a b.yaml", "--folds", "5")
    assert (done.exit_code, done.stdout) == (0, "line one\nline two\n")
    assert client.asked["entrypoint"] == "kerasac-ray cv 'a b.yaml' --folds 5"
    assert client.asked["runtime_env"] == {"working_dir": str(tmp_path)}
    assert client.asked["mode"] == "token"
    assert "token-of-the-cluster" not in f"{done.output}{client.asked}"


def test_status_of_a_failed_job_is_its_commands(client: type[FakeClient]) -> None:
    client.status, client.code = "FAILED", 2
    assert invoke(*HERE, "--", "cv").exit_code == 2


def test_job_that_was_stopped_is_an_error(client: type[FakeClient]) -> None:
    client.status, client.message = "STOPPED", "by the user"
    done = invoke(*HERE, "--", "cv")
    assert isinstance(done.exception, RunError)
    assert "ended as STOPPED: by the user" in str(done.exception)


def test_job_need_not_be_followed(client: type[FakeClient]) -> None:
    done = invoke(*HERE, "--no-follow", "--", "cv")
    assert done.stdout == "raysubmit_1\n"
    assert "ray job stop --address http://localhost:8265 raysubmit_1" in done.stderr


def test_only_the_cache_of_the_users_variables_goes_along(
    client: type[FakeClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERASAC_CACHE", "/scratch/cache")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    monkeypatch.delenv("KERASAC_CACHE_GB", raising=False)
    invoke(*HERE, "--", "cv")
    assert client.asked["entrypoint"] == "env KERASAC_CACHE=/scratch/cache kerasac-ray cv"
    assert "secret" not in str(client.asked)


@pytest.mark.parametrize(
    ("address", "warned"),
    [("http://10.0.0.5:8265", True), ("https://10.0.0.5", False), ("http://127.0.0.1:8265", False)],
)
def test_token_that_travels_unencrypted_is_warned_of(client: type[FakeClient], address: str, warned: bool) -> None:
    done = invoke("job", "--address", address, "--", "cv")
    assert ("warning: the token goes to 10.0.0.5 unencrypted" in done.stderr) is warned


def test_address_of_another_form_is_refused() -> None:
    done = invoke("job", "--address", "10.0.0.5:6379", "--", "cv")
    assert isinstance(done.exception, ConfigError)
    assert "kerasac-ray launch address" in str(done.exception)


def test_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("token")
    done = invoke("job", "--address", "http://127.0.0.1:9", "--", "cv")
    assert isinstance(done.exception, RunError)
    assert "no Ray job server answers at http://127.0.0.1:9" in str(done.exception)


def test_variables_are_none_without_a_cache() -> None:
    assert cluster_jobs._variables() == []
