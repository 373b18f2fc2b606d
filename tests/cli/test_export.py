from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from kerasac.cli.export import export
from kerasac.errors import RunError
from kerasac.models.export import ExportFormat
from kerasac.steps import export as step

APP = typer.Typer()
APP.command()(export)


def invoke(*arguments: object) -> Any:
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


def test_options_become_one_call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[Any] = []

    def record(*arguments: Any, **options: Any) -> step.Exported:
        calls.append((arguments, options))
        return step.Exported(Path("unit/model.keras"), Path("out"), Path("out.card.md"), 0.0)

    monkeypatch.setattr(step, "export", record)
    result = invoke("unit", tmp_path / "out", "--format", "savedmodel", "--one-hot", "--corrected", "--overwrite")
    assert result.exit_code == 0, result.output
    options = {"one_hot": True, "corrected": True, "ensemble": False, "overwrite": True}
    assert calls == [((Path("unit"), tmp_path / "out", ExportFormat.SAVEDMODEL), options)]
    assert "out.card.md" in result.output


@pytest.mark.keras
def test_a_unit_is_exported_with_its_card(tiny_folder: Path, tmp_path: Path) -> None:
    from tiny import tiny_experiment

    from kerasac.cache import write_whole
    from kerasac.runs.trial import run_unit
    from kerasac.runs.unit import Share, Unit
    from kerasac.steps.prepare import prepare

    prepared = prepare(tiny_experiment(tiny_folder, training={"epochs": 1}))
    unit = Unit(prepared.folds[0], 1, str(tmp_path / "run"))
    run_unit(prepared, unit, Share(threads=1, samplers=0), lambda event: None)
    write_whole(tmp_path / "run" / "experiment.yaml", prepared.experiment.to_yaml())
    write_whole(tmp_path / "run" / "provenance.json", "{}")
    result = invoke(unit.folder, tmp_path / "new.keras", "--one-hot")
    assert result.exit_code == 0, result.output
    assert {path.name for path in tmp_path.glob("new*")} == {"new.keras", "new.card.md", "new.card.json"}
    assert "(n, 200, 4) float32" in (tmp_path / "new.card.md").read_text()


@pytest.mark.parametrize(
    ("files", "corrected", "message"),
    [
        ((), False, r"has no model\.keras; name a unit's folder"),
        (
            ("fold-0/seed-1/model.keras",),
            False,
            "is the folder of a run; add --ensemble, or name one of its units: fold-0/seed-1",
        ),
        (("model.keras",), True, r"has no model_corrected\.keras: its experiment has no bias section"),
    ],
)
def test_a_source_that_is_no_model_is_said(
    files: tuple[str, ...], corrected: bool, message: str, tmp_path: Path
) -> None:
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    with pytest.raises(RunError, match=message):
        step.export(tmp_path, tmp_path / "out.keras", ExportFormat.KERAS, corrected=corrected)


def test_a_missing_source_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="does not exist; name a unit's folder"):
        step.export(tmp_path / "nothing", tmp_path / "out.keras", ExportFormat.KERAS)
