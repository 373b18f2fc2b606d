from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kerasac.cli.main import app
from kerasac.errors import ConfigError
from kerasac.genome.centering import Center
from kerasac.interpret.contribution_files import ContributionLayout
from kerasac.interpret.heads import Head
from kerasac.interpret.settings import Engine, ExplainSettings, Method, ReferenceKind
from kerasac.runs import interpret as runs_interpret
from kerasac.runs.interpret import Interpreted, InterpretRequest


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[InterpretRequest]:
    calls: list[InterpretRequest] = []

    def record(request: InterpretRequest, progress: Any) -> Interpreted:
        calls.append(request)
        progress(1, 2)
        left_out = {"whose window would leave its chromosome": 3}
        files = (Path("c.counts.h5"), Path("c.profile.h5"))
        return Interpreted(files, 2000, 1000, left_out, 5, "as asked", 2e-6, dropped=Path("dropped.bed"))

    monkeypatch.setattr(runs_interpret, "interpret_to_files", record)
    return calls


def test_options_become_one_request_and_the_result_is_told(requests: list[InterpretRequest]) -> None:
    arguments = "interpret deepshap runs/a runs/b --out c --regions r.bed --center center --head both --by all"
    more = "--tasks plus,minus --references 7 --reference gc --engine shap --seed 3 --layout bpnet --corrected"
    rest = "--fasta g.fa --experiment e.yaml --workers 3 --overwrite -q"
    result = CliRunner().invoke(app, [*arguments.split(), *more.split(), *rest.split()])
    assert result.exit_code == 0, result.output
    assert requests == [
        InterpretRequest(
            sources=(Path("runs/a"), Path("runs/b")),
            out=Path("c"),
            regions=Path("r.bed"),
            center=Center.CENTER,
            heads=(Head.COUNTS, Head.PROFILE),
            tasks=("plus", "minus"),
            held_out=False,
            settings=ExplainSettings(Method.DEEPSHAP, Engine.SHAP, ReferenceKind.GC, 7, 3),
            layout=ContributionLayout.BPNET,
            experiment=Path("e.yaml"),
            fasta=Path("g.fa"),
            corrected=True,
            workers=3,
            overwrite=True,
        )
    ]
    for told in ("wrote 2 files", "c.profile.h5", "1,000 of them explained now, 1,000 kept", "5, as asked", "2e-06"):
        assert told in result.output
    assert "3 whose window" in result.output
    assert "dropped.bed" in result.output


def test_each_method_has_its_own_settings(requests: list[InterpretRequest]) -> None:
    common = ["run", "--out", "c", "--regions", "r.bed", "-q"]
    for arguments in (["gradient"], ["ism", "--within", "50"], ["scramble", "--region", "9"]):
        result = CliRunner().invoke(app, ["interpret", *arguments, *common])
        assert result.exit_code == 0, result.output
    assert [request.settings for request in requests] == [
        ExplainSettings(Method.GRADIENT),
        ExplainSettings(Method.ISM, within_bp=50),
        ExplainSettings(Method.SCRAMBLE, region_bp=9, n_references=1),
    ]
    result = CliRunner().invoke(app, ["interpret", "ism", *common, "--engine", "shap"])
    assert isinstance(result.exception, ConfigError)
    assert "--engine is of deepshap; leave it out with ism" in str(result.exception)
