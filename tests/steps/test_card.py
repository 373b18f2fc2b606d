from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from binned import binned_experiment, make_binned_files
from tiny import tiny_experiment

from kerasac.cache import write_whole
from kerasac.config import Experiment
from kerasac.errors import RunError
from kerasac.steps.card import card_facts, write_card

SPLIT = {"train": ["chr1", "chr2", "chr3"], "valid": ["chr4"], "test": ["chr5"]}
SCORES = {
    "windows": {"peaks": {"counts_pearson": 0.5, "auroc": None}, "all": {"counts_pearson": 0.25, "auroc": 0.75}},
    "tasks": {},
    "definitions": {"counts_pearson": "Pearson | of counts.", "auroc": "Area."},
    "n": {"peaks": {"n_windows": 24}, "all": {"n_windows": 1048}},
}


def unit_of(folder: Path, run: Path, **changes: Any) -> Path:
    """Write what a run of tracks leaves of a unit, without training it."""
    return unit_left_by(tiny_experiment(folder, **changes), run)


def unit_left_by(experiment: Experiment, run: Path) -> Path:
    unit = run / "fold-3" / "seed-7"
    marker = {
        "name": "fold-3/seed-7",
        "state": "done",
        "split": SPLIT,
        "windows": {"train": 1200, "valid": 48, "test": 48},
        "model_parameters": 1234,
        "epochs": 9,
        "best_epoch": 6,
        "best_loss": 1.5,
        "loss_weights": {"profile": 1.0, "logcount": 3.5},
        "versions": {"kerasac": "0.1.0", "keras": "3.15.1"},
    }
    origin = {"command": "kerasac-ray cv", "git_commit": None, "fingerprint": "abc", "inputs": []}
    write_whole(run / "experiment.yaml", experiment.to_yaml())
    write_whole(run / "provenance.json", json.dumps(origin))
    write_whole(unit / "unit.json", json.dumps(marker))
    write_whole(unit / "scores.json", json.dumps(SCORES))
    return unit


def test_the_card_says_what_goes_in(tiny_folder: Path, tmp_path: Path) -> None:
    (sequence,) = card_facts(unit_of(tiny_folder, tmp_path))["inputs"]
    assert (sequence["shape"], sequence["dtype"], sequence["flank"]) == ([200], "uint8", 100)
    assert sequence["meaning"] == "tokens: A 0, C 1, G 2, T 3, N 4"


def test_the_card_of_a_one_hot_model_gives_the_order_of_channels(tiny_folder: Path, tmp_path: Path) -> None:
    (sequence,) = card_facts(unit_of(tiny_folder, tmp_path), one_hot=True)["inputs"]
    assert (sequence["shape"], sequence["dtype"]) == ([200, 4], "float32")
    assert "channels A C G T; N is a row of zeros" in sequence["meaning"]


def test_the_card_says_what_comes_out_and_in_what_order(tiny_folder: Path, tmp_path: Path) -> None:
    profile, counts = card_facts(unit_of(tiny_folder, tmp_path))["outputs"]
    assert profile["tasks"] == counts["tasks"] == ["plus", "minus"]
    assert (profile["shape"], counts["shape"]) == ([60, 2], [2])
    assert counts["meaning"] == "ln(Σx + 1), x = counts at each base of the window"


@pytest.mark.parametrize(
    ("transform", "pseudocount", "back"),
    [
        ("log", 0.001, "exp(y) − 0.001 is the count of the window"),
        ("log10", 2, "10^y − 2 is the count of the window"),
        ("log1p", 1, "exp(y) − 1 is the count of the window"),
        ("asinh", 1, "sinh(y) is the count of the window"),
        ("none", 1, "y is the count of the window"),
    ],
)
def test_every_transform_has_its_way_back(
    transform: str, pseudocount: float, back: str, tiny_folder: Path, tmp_path: Path
) -> None:
    strands = {"source": ["plus", "minus"], "flank": 30}
    total = {"name": "total", **strands, "aggregate": "sum", "transform": transform, "pseudocount": pseudocount}
    unit = unit_of(tiny_folder, tmp_path, outputs=[{"name": "profile", **strands}, total])
    found = card_facts(unit)["outputs"][1]
    assert found["to_counts"] == back
    assert found["pseudocount"] == (pseudocount if transform in ("log", "log10") else None)


def test_control_tracks_are_named_with_their_order_and_formula(tiny_folder: Path, tmp_path: Path) -> None:
    control = {"source": ["control_plus", "control_minus"], "flank": 30}
    inputs = [
        {"name": "sequence", "source": "seq", "flank": 100},
        {"name": "control_profile", **control},
        {"name": "control_logcount", **control, "aggregate": "sum", "transform": "log", "pseudocount": 0.5},
    ]
    found = card_facts(unit_of(tiny_folder, tmp_path, inputs=inputs))["inputs"]
    assert found[1]["tracks"] == ["control_plus", "control_minus"]
    assert found[2]["meaning"] == "ln(Σx + 0.5), x = counts at each base of the window"


def test_the_card_names_the_chromosomes_of_each_split(tiny_folder: Path, tmp_path: Path) -> None:
    facts = card_facts(unit_of(tiny_folder, tmp_path))
    assert facts["folds"] == {"fold": "3", "seed": "7", **SPLIT}


def test_a_run_of_bins_has_a_card(tmp_path: Path) -> None:
    make_binned_files(tmp_path)
    unit = unit_left_by(binned_experiment(tmp_path), tmp_path / "run")
    facts = card_facts(unit)
    assert facts["outputs"][0]["meaning"] == "probability that the bin is positive"
    assert "- Labels: `" in write_card(unit, tmp_path / "model.card.md").read_text()


def test_a_model_without_bias_has_no_scores_and_says_why(tiny_folder: Path, tmp_path: Path) -> None:
    unit = unit_of(tiny_folder, tmp_path, bias={})
    whole, corrected = card_facts(unit), card_facts(unit, corrected=True)
    assert whole["scores"]["windows"] == SCORES["windows"]
    assert corrected["scores"] is None
    assert (whole["model"]["bias"], corrected["model"]["bias"]) == ("part of the model", "taken out")
    assert (whole["model"]["n_weights"], corrected["model"]["n_weights"]) == (1234, None)
    assert any("not observed anywhere" in limit for limit in corrected["limits"])


def test_the_text_has_the_numbers_and_their_definitions(tiny_folder: Path, tmp_path: Path) -> None:
    path = write_card(unit_of(tiny_folder, tmp_path / "run"), tmp_path / "model.card.md")
    lines = path.read_text().splitlines()
    assert lines[0] == "# tiny, fold-3/seed-7"
    assert "| mean over tasks | peaks (24) | all (1,048) |" in lines
    assert "| counts_pearson | 0.5 | 0.25 |" in lines
    assert "| auroc |  | 0.75 |" in lines
    assert "- `counts_pearson`: Pearson | of counts." in lines
    assert "| valid | 48 | chr4 |" in lines
    assert "Trained for 9 epochs; epoch 6 had the least validation loss." in lines


def test_the_json_beside_it_has_the_same_facts(tiny_folder: Path, tmp_path: Path) -> None:
    unit = unit_of(tiny_folder, tmp_path / "run")
    write_card(unit, tmp_path / "model.card.md", one_hot=True)
    assert json.loads((tmp_path / "model.card.json").read_text()) == card_facts(unit, one_hot=True)


def test_a_unit_that_is_not_scored_yet_says_so(tiny_folder: Path, tmp_path: Path) -> None:
    unit = unit_of(tiny_folder, tmp_path / "run")
    (unit / "scores.json").unlink()
    assert "There are none." in write_card(unit, tmp_path / "model.card.md").read_text()


def test_a_folder_that_is_no_unit_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"unit\.json does not exist; a card is made of a unit's folder"):
        write_card(tmp_path, tmp_path / "card.md")
