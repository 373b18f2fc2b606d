from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kerasac.cli.main import app
from kerasac.runs.import_run import ImportedRun

DONE = ImportedRun(
    run_id="abc",
    name="K562/fold_0",
    experiment="mine",
    store="sqlite:///x",
    kind="chrombpnet",
    n_parameters=12,
    n_epochs=30,
    n_metrics=4,
    n_files=9,
    kept_parameters=("filters",),
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    asked: dict[str, Any] = {}

    def note(folder: Path, **options: Any) -> ImportedRun:
        asked.update(folder=folder, **options)
        return DONE

    monkeypatch.setattr("kerasac.runs.import_run.import_run", note)
    return asked


def test_defaults_are_a_local_store_and_a_kind_to_find(asked: dict[str, Any]) -> None:
    result = CliRunner().invoke(app, ["import-run", "there"])
    assert asked == {
        "folder": Path("there"),
        "kind": None,
        "experiment": None,
        "uri": None,
        "out": Path("runs/imported"),
    }
    assert "K562/fold_0, of chrombpnet" in result.output
    assert "abc of experiment mine" in result.output
    assert "keeps the first values of: filters" in result.output
    assert "kerasac-ray ui runs/imported" in result.output


def test_options_are_passed_on(asked: dict[str, Any]) -> None:
    arguments = ["--kind", "bpnet", "--experiment", "mine", "--uri", "http://host:5000", "--out", "store"]
    result = CliRunner().invoke(app, ["import-run", "there", *arguments])
    assert (asked["kind"], asked["experiment"], asked["uri"]) == ("bpnet", "mine", "http://host:5000")
    assert "Browse:  http://host:5000" in result.output


def test_unknown_kind_is_refused() -> None:
    assert CliRunner().invoke(app, ["import-run", "there", "--kind", "basset"]).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "host"), [((), "127.0.0.1"), (("--host", "0.0.0.0"), "0.0.0.0")], ids=["default", "asked"]
)
def test_ui_is_of_this_machine_alone_unless_told_otherwise(
    arguments: tuple[str, ...], host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    class Done:
        returncode = 0

    (tmp_path / "mlflow.db").touch()
    monkeypatch.setattr("subprocess.run", lambda command, **_: commands.append(command) or Done())
    result = CliRunner().invoke(app, ["ui", str(tmp_path), *arguments])
    assert result.exit_code == 0, result.output
    (command,) = commands
    assert command[command.index("--host") + 1] == host
    assert f"http://{host}:5000" in result.output
