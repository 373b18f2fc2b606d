"""A draft is the template: its sections, order and comments."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from kerasac.config import Experiment, make_experiment
from kerasac.errors import ConfigError
from kerasac.models.contract import contract_of
from kerasac.models.registry import read_parameters
from kerasac.steps.draft.text import Draft, Positions, Regions, epoch_sizes, experiment_text, template_text
from kerasac.steps.draft.tracks import Roles

ROLES = Roles(("plus", "minus"), (), ("overlap_peak", "idr_peak"), "ambig_peak", ())
REGIONS = Draft("a", "s.tdb", ("A",), ROLES, Regions("p.bed", True), 20, fasta="g.fa")
POSITIONS = replace(REGIONS, sampling=Positions("overlap_peak", 50_000), datasets=("A", "B"))


def document(draft: Draft) -> dict[str, Any]:
    found = yaml.safe_load(experiment_text(draft))
    assert isinstance(found, dict)
    return found


def experiment(draft: Draft) -> Experiment:
    return make_experiment(document(draft), base=Path(), origin="test")


def comments(text: str) -> list[str]:
    return re.findall(r"# ?(.*)", text)


@pytest.mark.parametrize("draft", [REGIONS, POSITIONS])
def test_keys_and_their_order_are_the_templates(draft: Draft) -> None:
    expected = yaml.safe_load(template_text())
    found = document(draft)
    assert list(found) == list(expected)
    for section in set(found) - {"sampling", "folds", "name", "store", "datasets"}:
        if isinstance(expected[section], dict):
            assert list(found[section]) == list(expected[section])


@pytest.mark.parametrize("draft", [REGIONS, POSITIONS, replace(POSITIONS, fold_files=("f.json",), n_folds_of_files=4)])
def test_every_explanation_of_the_template_stays(draft: Draft) -> None:
    """Nothing is lost but the marks of comments that became keys; keys that became comments are added."""
    text = experiment_text(draft)
    made_keys = ("peaks: {", "train_size", "valid_size", "files:")
    for comment in comments(template_text()):
        explanation = comment.partition("  # ")[2] if comment.startswith(made_keys) else comment
        assert explanation.strip() in text


def test_keys_that_nothing_is_known_of_keep_their_values() -> None:
    found, expected = document(REGIONS), yaml.safe_load(template_text())
    for section in ("model", "loss", "training", "seeds", "compute", "tracking", "inputs", "score", "folds"):
        assert found[section] == expected[section]


@pytest.mark.parametrize("draft", [REGIONS, POSITIONS])
def test_windows_fit_the_templates_model(draft: Draft) -> None:
    """The sequence is as wide as the convolutions need for the profile, and no wider."""
    made = experiment(draft)
    parameters = read_parameters(made.model.architecture, made.model.parameters)
    parameters.check(contract_of(made))
    sequence, profile = made.inputs[0].width_bp, made.outputs[0].width_bp
    assert sequence - profile == parameters.loss_bp  # type: ignore[attr-defined]


def test_regions_are_setting_2() -> None:
    sampling = experiment(REGIONS).sampling
    assert sampling.regions is not None
    assert (sampling.regions.bed.name, sampling.regions.center, sampling.peaks) == ("p.bed", "summit", None)
    no_summits = replace(REGIONS, sampling=Regions("p.bed", False))
    assert document(no_summits)["sampling"]["regions"]["center"] == "center"


def test_positions_are_setting_1() -> None:
    sampling = experiment(POSITIONS).sampling
    assert sampling.peaks is not None
    assert (sampling.peaks.attribute, sampling.regions, sampling.negatives) == ("overlap_peak", None, None)
    # 50,000 runs are 80 % of an epoch over all; three folds of five are trained on, one is validated on.
    assert (sampling.train_size, sampling.valid_size) == (38_000, 12_000)
    assert "# The array has 50,000 runs of peak positions." in experiment_text(POSITIONS)
    assert "# Further peak attributes of the array: idr_peak" in experiment_text(POSITIONS)


def test_positions_that_were_not_counted_keep_the_templates_sizes() -> None:
    text = experiment_text(replace(POSITIONS, sampling=Positions("overlap_peak", None)))
    assert yaml.safe_load(text)["sampling"]["train_size"] == 100_000
    assert "were not counted" in text


@pytest.mark.parametrize(
    ("n_runs", "n_folds", "ratio", "sizes"),
    [
        (100_000, 5, 1.0, (60_000, 20_000)),
        (100_000, 3, 0.5, (67_000, 50_000)),
        (70, 3, 0.8, (1_000, 250)),
        (10**7, 5, 0.8, (200_000, 50_000)),
    ],
)
def test_epoch_has_a_window_for_each_peak(n_runs: int, n_folds: int, ratio: float, sizes: tuple[int, int]) -> None:
    assert epoch_sizes(n_runs, n_folds, ratio) == sizes


def test_several_datasets_come_with_the_way_to_one() -> None:
    text = experiment_text(POSITIONS)
    assert yaml.safe_load(text)["datasets"] == ["A", "B"]
    assert "leave out the others: datasets: [A]\ndatasets: [A, B]\n" in text
    assert yaml.safe_load(experiment_text(REGIONS))["datasets"] == "A"


def test_controls_are_shown_and_work_when_they_are_taken_in() -> None:
    roles = replace(ROLES, controls=("c_plus", "c_minus"))
    text = experiment_text(replace(REGIONS, roles=roles))
    assert len(yaml.safe_load(text)["inputs"]) == 1
    taken = yaml.safe_load(text.replace("  # - {name: control", "  - {name: control"))
    made = make_experiment(taken, base=Path(), origin="test")
    assert [spec.source for spec in made.inputs[1:]] == [("c_plus", "c_minus")] * 2
    read_parameters("bpnet", {}).check(contract_of(made))


def test_fasta_that_nobody_named_is_asked_for() -> None:
    text = experiment_text(replace(REGIONS, fasta=None))
    assert "name the FASTA" in text
    assert yaml.safe_load(text)["genome"]["fasta"] == "genome.fa.gz"
    assert "name the FASTA" not in experiment_text(REGIONS)


def test_fold_table_takes_the_place_of_balanced_folds() -> None:
    one = experiment(replace(REGIONS, fold_files=("f.json",), n_folds_of_files=7)).folds
    assert ([path.name for path in one.files], one.n) == (["f.json"], 7)
    two = experiment(replace(REGIONS, fold_files=("0.json", "1.json"), n_folds_of_files=2)).folds
    assert ([path.name for path in two.files], two.n) == (["0.json", "1.json"], 2)


@pytest.mark.parametrize(("n_chroms", "n_folds"), [(24, 5), (5, 5), (4, 4), (2, 3)])
def test_there_are_no_more_folds_than_chromosomes_with_peaks(n_chroms: int, n_folds: int) -> None:
    text = experiment_text(replace(REGIONS, n_peak_chroms=n_chroms))
    assert yaml.safe_load(text)["folds"]["n"] == n_folds
    assert (f"and {n_chroms} have peaks" in text) is (n_chroms < 5)


def test_odd_names_are_quoted() -> None:
    roles = replace(ROLES, outputs=("a, b", "#c"), ambiguous="yes")
    draft = replace(REGIONS, roles=roles, fasta="a: b #c.fa", datasets=("1", "null"))
    found = experiment(draft)
    assert found.outputs[0].source == ("a, b", "#c")
    assert (found.sampling.ambiguous, found.datasets) == ("yes", ("1", "null"))
    assert str(found.genome.fasta) == "a: b #c.fa"


def test_name_that_no_experiment_may_have_is_refused() -> None:
    with pytest.raises(ConfigError, match="name"):
        experiment_text(replace(REGIONS, name="a b"))
