"""Tokens, addresses and paths of a cluster, without one; and a real one of two nodes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tiny import tiny_experiment

from kerasac import __version__
from kerasac.errors import RunError
from kerasac.runs import cluster_nodes
from kerasac.runs.cluster_address import Answer, ask, check_address
from kerasac.runs.cluster_nodes import Node, check_paths_on_nodes, paths_of
from kerasac.runs.cluster_token import make_token_file, sent_token, token_environment
from kerasac.runs.mirror import list_files

VARIABLES = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ADDRESS")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without a token, and an environment that names none."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


# --- the token


def test_token_is_made_once_and_readable_for_its_owner_alone(home: Path) -> None:
    found = token_environment(create=True)
    path = home / ".ray" / "auth_token"
    assert found == {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(path)}
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    token = path.read_text()
    assert len(token) == 64
    assert token_environment(create=True) == found
    assert path.read_text() == token
    assert [inner.name for inner in path.parent.iterdir()] == ["auth_token"]


def test_token_that_another_command_made_meanwhile_is_kept(home: Path) -> None:
    path = home / "token"
    path.write_text("theirs")
    make_token_file(path)
    assert path.read_text() == "theirs"


def test_token_that_others_can_read_is_closed_to_them(home: Path) -> None:
    path = home / ".ray" / "auth_token"
    path.parent.mkdir()
    path.write_text("secret")  # as Ray itself writes it
    path.chmod(0o644)
    token_environment()
    assert path.stat().st_mode & 0o777 == 0o600


def test_variables_never_hold_the_token_itself(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "of-kuberay")
    assert token_environment() == {"RAY_AUTH_MODE": "token"}


def test_token_comes_first_from_the_variable_then_from_the_named_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token_environment(create=True)
    assert sent_token() is None, "authentication is not switched on in this process"
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    assert sent_token() == (home / ".ray" / "auth_token").read_text()
    (home / "named").write_text("named\n")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(home / "named"))
    assert sent_token() == "named"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "first")
    assert sent_token() == "first"


def test_authentication_that_is_switched_off_stays_off(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert token_environment(create=True) == {}
    assert not (home / ".ray").exists()


def test_missing_token_and_folder_that_cannot_be_written_say_what_to_do(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RunError, match=r"no token for Ray in .*\.ray/auth_token; copy the cluster's there"):
        token_environment()
    (home / "file").write_text("")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(home / "file" / "token"))
    with pytest.raises(RunError, match="RAY_AUTH_TOKEN_PATH"):
        token_environment(create=True)


# --- the address


def test_address_where_nobody_is_is_found_out_at_once(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but it does not listen
        start = time.monotonic()
        with pytest.raises(RunError, match="no Ray cluster answers at 127"):
            check_address(f"127.0.0.1:{taken.getsockname()[1]}")
    assert time.monotonic() - start < 6


@pytest.mark.parametrize("address", ["here", "http://here:8265", "ray://here:10001", "here:port"])
def test_address_of_another_form_is_refused(home: Path, address: str) -> None:
    with pytest.raises(RunError, match="HOST:PORT"):
        check_address(address)


# --- paths


def test_paths_of_an_experiment_are_all_that_it_names(tiny_folder: Path) -> None:
    experiment = tiny_experiment(tiny_folder)
    found = paths_of(experiment)
    assert {experiment.genome.fasta, experiment.store} <= set(found)
    assert len(found) == len(set(found))


OTHER = Node("node2 (10.0.0.2)", "abc")


@pytest.fixture
def other_machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let another machine see what this one does, but for what is changed of its answer."""

    def pretend(**changes: object) -> None:
        def answer(nodes: list[Node], probe: str, inputs: list[str]) -> list[object]:
            monkeypatch.setattr(cluster_nodes, "_SEEN_WITHIN_S", 0.0)
            seen = cluster_nodes._Seen(*cluster_nodes._look(probe, OTHER.id, inputs))
            inputs_seen = seen.inputs | dict(changes.get("inputs", {}))  # type: ignore[call-overload]
            return [seen._replace(**(changes | {"inputs": inputs_seen}))]

        monkeypatch.setattr(cluster_nodes, "other_nodes", lambda: [OTHER])
        monkeypatch.setattr(cluster_nodes, "_ask", answer)

    return pretend


def test_shared_folder_passes_and_nothing_is_left_in_it(tmp_path: Path, other_machine: Callable[..., None]) -> None:
    other_machine()
    (tmp_path / "genome.fa").write_text(">chr1\nACGT\n")
    (tmp_path / "store.tdb").mkdir()
    run = tmp_path / "run"
    check_paths_on_nodes(run, [tmp_path / "genome.fa", tmp_path / "store.tdb", Path("s3://bucket/peaks.bed")])
    assert not run.exists()
    run.mkdir()
    (run / "kept").write_text("")
    check_paths_on_nodes(run)
    assert [path.name for path in run.iterdir()] == ["kept"]


def test_url_that_all_machines_write_passes_and_nothing_is_left_there(
    tmp_path: Path, other_machine: Callable[..., None]
) -> None:
    other_machine()
    url = f"memory://{tmp_path.name}/run"
    check_paths_on_nodes(Path(url))
    assert list_files(url) == {}
    other_machine(error="access to it is refused (403)")
    with pytest.raises(RunError, match=rf"node2 .* cannot write to the run folder {url} \(access to it is refused"):
        check_paths_on_nodes(Path(url))
    assert list_files(url) == {}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"probe": None}, r"node2 \(10.0.0.2\) does not see what is written to the run folder .*/run here; put it on"),
        ({"probe": "of another file system"}, "does not see what is written"),
        ({"error": "Read-only file system"}, r"cannot write to the run folder .* \(Read-only file system\)"),
        ({"version": "0.0.1"}, rf"has kerasac-ray 0.0.1, this machine {__version__}"),
        ({"inputs": {"FASTA": None}}, "does not have .*genome.fa; put it on"),
        ({"inputs": {"FASTA": "9 bytes other"}}, "genome.fa is another file on node2"),
    ],
)
def test_what_the_other_machine_lacks_is_named(
    tmp_path: Path, other_machine: Callable[..., None], changes: dict[str, object], said: str
) -> None:
    fasta = tmp_path / "genome.fa"
    fasta.write_text(">chr1\nACGT\n")
    if "inputs" in changes:
        changes = {"inputs": {str(fasta): next(iter(dict(changes["inputs"]).values()))}}  # type: ignore[call-overload]
    other_machine(**changes)
    with pytest.raises(RunError, match=said):
        check_paths_on_nodes(tmp_path / "run", [fasta])
    assert not list(tmp_path.glob("run/.probe*"))


def test_what_the_other_machine_writes_must_be_seen_here(
    tmp_path: Path, other_machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    other_machine()
    monkeypatch.setattr(cluster_nodes, "OTHER", OTHER, raising=False)
    look = cluster_nodes._look

    def look_elsewhere(probe: str, node: str, inputs: list[str]) -> object:
        found = look(probe, node, inputs)
        Path(f"{probe}-{node}").unlink()
        return found

    monkeypatch.setattr(cluster_nodes, "_look", look_elsewhere)
    with pytest.raises(RunError, match="is not seen here"):
        check_paths_on_nodes(tmp_path)


@pytest.mark.parametrize("change", ["first byte", "last byte", "length"])
def test_inputs_are_told_apart_by_their_ends(tmp_path: Path, change: str) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    content = bytearray(300_000)
    one.write_bytes(content)
    if change == "length":
        content += b"x"
    else:
        content[0 if change == "first byte" else -1] = 1
    other.write_bytes(content)
    assert cluster_nodes._facts(one) != cluster_nodes._facts(other)
    other.write_bytes(one.read_bytes())
    assert cluster_nodes._facts(one) == cluster_nodes._facts(other)


# --- a cluster of two nodes


@dataclass
class TwoNodes:
    """A head that `launch local` runs, and a node that joined it."""

    address: str
    environment: dict[str, str]
    folder: Path

    def run(self, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words],
            env=self.environment | changes,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,  # seconds on a machine with nothing else to do
            cwd=self.folder,
        )


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[TwoNodes]:
    with tempfile.TemporaryDirectory(prefix="kr-") as name:  # short, for the paths of Ray's sockets
        folder = Path(name)
        make_token_file(folder / "token")
        (folder / "home").mkdir()
        environment = {key: value for key, value in os.environ.items() if key not in VARIABLES}
        environment |= {"HOME": str(folder / "home"), "RAY_AUTH_TOKEN_PATH": str(folder / "token")}
        launch = [
            sys.executable,
            "-m",
            "kerasac",
            "launch",
            "local",
            "--cpus",
            "1",
            "--gpus",
            "0",
            "--",
            "sleep",
            "120",
        ]
        head = subprocess.Popen(launch, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True)
        processes = [head]
        try:
            assert head.stderr is not None
            said = head.stderr.readline()
            address = next(word.strip(",") for word in said.split() if word.startswith("127.0.0.1:"))
            join = [sys.executable, "-m", "ray.scripts.scripts", "start", f"--address={address}", "--block"]
            options = ["--num-cpus=1", f"--temp-dir={folder}/node", "--min-worker-port=0", "--max-worker-port=0"]
            processes.append(
                subprocess.Popen(
                    [*join, *options],
                    env=environment | {"RAY_AUTH_MODE": "token"},
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            )
            yield TwoNodes(address, environment, folder)
        finally:
            for process in reversed(processes):
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=60)


SAY_NODES = """
import os, sys, ray
ray.init(address=os.environ["RAY_ADDRESS"], log_to_driver=False, logging_level="ERROR")
where = ray.remote(num_cpus=0)(lambda: 6 * 7)
print("nodes", len(ray.nodes()), "answer", ray.get(where.remote()), "token", "RAY_AUTH_TOKEN" in os.environ)
sys.exit(7)
"""

JOIN = """
import sys
from kerasac.errors import RunError
from kerasac.runs.session import open_ray
try:
    open_ray()
except RunError as error:
    sys.exit(str(error))
"""


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_command_runs_on_a_cluster_whose_machines_see_its_paths(two_nodes: TwoNodes) -> None:
    launch = ("-m", "kerasac", "launch", "address", "--address", two_nodes.address, "--wait-nodes", "2", "--wait", "60")
    done = two_nodes.run(*launch, "--check", str(two_nodes.folder), "--", sys.executable, "-c", SAY_NODES)
    assert (done.returncode, done.stdout) == (7, "nodes 2 answer 42 token False\n"), done.stderr
    assert not list(two_nodes.folder.glob(".probe*"))


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("mode", "token", "said"),
    [
        ("", None, "refuses this client: it wants a token. Set RAY_AUTH_MODE=token"),
        ("token", "of another cluster", "refuses this client: its token is another one"),
        ("token", None, "no token for Ray in"),
    ],
)
def test_client_without_the_token_is_refused(two_nodes: TwoNodes, mode: str, token: str | None, said: str) -> None:
    path = two_nodes.folder / "other-token"
    path.unlink(missing_ok=True)
    if token is not None:
        path.write_text(token)
    start = time.monotonic()
    done = two_nodes.run("-c", JOIN, RAY_ADDRESS=two_nodes.address, RAY_AUTH_MODE=mode, RAY_AUTH_TOKEN_PATH=str(path))
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - start < 20, "Ray itself would retry for as long as that"


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_head_answers_who_has_the_token(two_nodes: TwoNodes, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert ask(two_nodes.address) is Answer.REFUSED
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(two_nodes.folder / "token"))
    assert ask(two_nodes.address) is Answer.YES
    check_address(two_nodes.address)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_no_process_shows_the_token_on_its_command_line(two_nodes: TwoNodes) -> None:
    token = (two_nodes.folder / "token").read_text()
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes())
        except OSError:
            continue
    assert any(b"gcs_server" in line for line in lines)
    assert not [line for line in lines if token.encode() in line]
