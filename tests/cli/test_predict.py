from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kerasac.cli.main import app
from kerasac.genome.centering import Center
from kerasac.runs import predict as runs_predict
from kerasac.runs.predict import Places, Predicted, PredictRequest
from kerasac.steps.write_layouts import LayoutName


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[PredictRequest]:
    calls: list[PredictRequest] = []

    def record(request: PredictRequest, progress: Any) -> Predicted:
        calls.append(request)
        progress(1, 2)
        left_out = {"whose window would leave its chromosome": 3}
        return Predicted(request.out, 2000, 1000, left_out, 5, "as asked", calibrated=True, dropped=Path("dropped.bed"))

    monkeypatch.setattr(runs_predict, "predict_to_file", record)
    return calls


def test_options_become_one_request_and_the_result_is_told(requests: list[PredictRequest]) -> None:
    arguments = "predict runs/a runs/b --out p.h5 --regions r.bed --background n.bed --center center --by all"
    more = "--layout bpnet --corrected --no-labels --uncalibrated --fasta g.fa --workers 3 --overwrite -q"
    result = CliRunner().invoke(app, [*arguments.split(), *more.split()])
    assert result.exit_code == 0, result.output
    assert requests == [
        PredictRequest(
            sources=(Path("runs/a"), Path("runs/b")),
            out=Path("p.h5"),
            places=Places(Path("r.bed"), Path("n.bed"), Center.CENTER),
            held_out=False,
            layout=LayoutName.BPNET,
            fasta=Path("g.fa"),
            corrected=True,
            labelled=False,
            calibrated=False,
            workers=3,
            overwrite=True,
        )
    ]
    for told in (
        "wrote p.h5",
        "2,000, 1,000 of them predicted now, 1,000 kept",
        "5, as asked",
        "calibrated",
        "dropped.bed",
    ):
        assert told in result.output
    assert "3 whose window" in result.output


@pytest.mark.parametrize(
    ("options", "places"),
    [
        ("", Places()),
        ("--genome", Places(genome=True)),
        ("--chroms chr1,chr2 --stride 50", Places(chroms=("chr1", "chr2"), stride_bp=50)),
    ],
)
def test_where_to_predict(requests: list[PredictRequest], options: str, places: Places) -> None:
    assert CliRunner().invoke(app, f"predict run --out p.h5 {options}".split()).exit_code == 0
    assert requests[0].places == places
    assert (requests[0].held_out, requests[0].calibrated, requests[0].labelled) == (None, None, True)
