"""A study trains its configurations, judges them on validation alone, and loses nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from tiny import three_folds

from kerasac.config.space import Axis, Racing, Space
from kerasac.errors import ConfigError, KerasacError, RunError
from kerasac.runs.budget import Budget, parse_budget
from kerasac.runs.study import Study, run_study

pytestmark = [pytest.mark.ray, pytest.mark.keras]

GRID = Space((Axis("model.filters", "grid", (2, 6)),), folds=(0, 1), default=False)


def study(
    tiny_folder: Path,
    folder: Path,
    space: Space = GRID,
    *,
    budget: Budget | None = None,
    console: Console | None = None,
    **changes: Any,
) -> Study:
    compute = {"gpus": 0, "max_parallel": 2}  # each process takes 8 s of a core to start
    document = three_folds(tiny_folder, **{"compute": compute, **changes}).as_dict()
    console = console or Console(quiet=True)
    return run_study(document, tiny_folder, space, folder, name="tiny-study", console=console, budget=budget)


@pytest.fixture(scope="module")
def done(ray_cluster: dict[str, float], tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    return study(tiny_folder, tmp_path_factory.mktemp("studies") / "study")


def test_every_configuration_is_trained_on_the_folds_asked_for(done: Study) -> None:
    units = sorted(str(path.parent.relative_to(done.folder)) for path in done.folder.glob("*/fold-*/seed-*/unit.json"))
    assert units == [f"filters={n}/fold-{k}/seed-1" for n in (2, 6) for k in (0, 1)]
    assert (done.n_trained, done.n_kept, done.failures) == (4, 0, {})
    for name, filters in (("filters=2", 2), ("filters=6", 6)):
        experiment = yaml.safe_load((done.folder / name / "experiment.yaml").read_text())
        assert experiment["model"]["filters"] == filters


def test_test_windows_are_neither_predicted_nor_scored(done: Study) -> None:
    scored = set()
    for unit in done.folder.glob("*/fold-*/seed-*"):
        names = {path.name for path in unit.iterdir()}
        assert {"model.keras", "valid_scores.json"} <= names
        assert not {"predictions.h5", "scores.json", "plots"} & names
        marker = json.loads((unit / "unit.json").read_text())
        assert marker["state"] == "tuned"
        n = json.loads((unit / "valid_scores.json").read_text())["n"]
        scored.add((unit.parent.name, n["peaks"]["n_windows"], n["background"]["n_windows"]))
    # As the test chromosomes are: every peak, and as much background, whatever trainings draw.
    assert len(scored) == 2
    assert all(peaks == background for _, peaks, background in scored)


def test_the_verdict_is_by_the_mean_of_the_validation_scores(done: Study) -> None:
    means = {}
    for name in ("filters=2", "filters=6"):
        values = [
            json.loads(path.read_text())["windows"]["peaks"]["jsd_distance_mean"]
            for path in (done.folder / name).glob("fold-*/seed-*/valid_scores.json")
        ]
        means[name] = sum(values) / len(values)
    assert done.objective.key == "peaks.jsd_distance_mean"
    assert done.ranked == tuple(sorted(means, key=lambda name: means[name]))
    winner = yaml.safe_load((done.folder / "winner.yaml").read_text())
    assert winner["model"]["filters"] == int(done.winner.removeprefix("filters="))
    page = (done.folder / "comparison.html").read_text()
    assert "none is of the test chromosomes of its fold" in page
    verdict = json.loads((done.folder / "study.json").read_text())
    assert [row["name"] for row in verdict["ranked"]] == list(done.ranked)
    assert verdict["scored_on"] == "validation chromosomes"


def test_mlflow_has_one_store_with_every_configuration_and_its_validation_scores(done: Study) -> None:
    from mlflow import MlflowClient

    from kerasac.runs.tracking import local_uri

    client = MlflowClient(tracking_uri=local_uri(done.folder))
    (experiment,) = [one for one in client.search_experiments() if one.name == "tiny-study"]
    runs = client.search_runs([experiment.experiment_id])
    (top,) = [run for run in runs if run.data.tags["kerasac.kind"] == "study"]
    parents = {run.info.run_name: run for run in runs if run.data.tags["kerasac.kind"] == "configuration"}
    assert set(parents) == {"filters=2", "filters=6"}
    assert {run.data.tags["mlflow.parentRunId"] for run in parents.values()} == {top.info.run_id}
    assert {one.path for one in client.list_artifacts(top.info.run_id)} >= {"study.json", "comparison.html"}
    version = client.get_model_version_by_alias("tiny-study", "winner")
    assert client.get_run(version.run_id).info.run_name == done.winner
    units = [run for run in runs if run.data.tags["kerasac.kind"] == "unit"]
    assert len(units) == 4
    ids = {run.info.run_id for run in parents.values()}
    assert {run.data.tags["mlflow.parentRunId"] for run in units} == ids
    assert all("valid.peaks.jsd_distance_mean" in run.data.metrics for run in units)
    assert not any(name.startswith("peaks.") for run in units for name in run.data.metrics)
    assert all("valid.peaks.jsd_distance_mean" in run.data.metrics for run in parents.values())


def test_a_study_goes_on_where_it_stopped_and_further_values_join(
    done: Study, tiny_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "study"
    shutil.copytree(done.folder, folder)
    again = study(tiny_folder, folder)
    assert (again.n_trained, again.n_kept, again.ranked) == (0, 4, done.ranked)
    shutil.rmtree(folder / "filters=2" / "fold-1")
    (axis,) = GRID.axes
    wider = study(tiny_folder, folder, Space((Axis(axis.key, "grid", (2, 6, 3)),), folds=(0,), default=False))
    assert (wider.n_trained, wider.n_kept) == (1, 2)
    assert set(wider.ranked) == {"filters=2", "filters=6", "filters=3"}


def test_a_configuration_that_fails_stops_no_other_and_is_the_exit_status(
    ray_cluster: dict[str, float], tiny_folder: Path, tmp_path: Path
) -> None:
    rates = Space((Axis("training.learning_rate", "grid", (0.01, 1e30)),), folds=(0,), default=False)
    found = study(tiny_folder, tmp_path / "study", rates)
    assert found.ranked == ("learning_rate=0.01",)
    (message,) = found.failures.values()
    assert "lower training.learning_rate" in message
    assert found.exit_status == 1


def test_what_mlflow_lacks_of_a_finished_study_the_same_command_sends(
    done: Study, tiny_folder: Path, empty_store: Path, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    from kerasac.runs.tracking import RECORD, STORE, local_uri

    folder = tmp_path / "study"
    shutil.copytree(done.folder, folder, ignore=shutil.ignore_patterns("mlartifacts", STORE, RECORD))
    shutil.copy(empty_store, folder / STORE)
    assert study(tiny_folder, folder).n_trained == 0
    client = MlflowClient(tracking_uri=local_uri(folder))
    runs = client.search_runs([one.experiment_id for one in client.search_experiments()])
    units = [run for run in runs if run.data.tags["kerasac.kind"] == "unit"]
    assert len(units) == 4
    assert all("valid.peaks.jsd_distance_mean" in run.data.metrics for run in units)
    assert client.get_model_version_by_alias("tiny-study", "winner")
    n_runs = len(runs)
    assert study(tiny_folder, folder).n_trained == 0
    assert len(client.search_runs([one.experiment_id for one in client.search_experiments()])) == n_runs


def test_the_winner_goes_on_to_the_test_chromosomes_without_training_again(done: Study, tmp_path: Path) -> None:
    from kerasac.config import load_experiment
    from kerasac.runs.crossval import cross_validate

    shutil.copytree(done.folder, tmp_path / "study")
    folder = tmp_path / "study" / done.winner
    for record in (folder / "mlflow.json", folder.parent / "mlflow.json"):  # as if the study had been made here
        record.write_text(record.read_text().replace(str(done.folder), str(folder.parent)))
    trained = (folder / "fold-0" / "seed-1" / "model.keras").stat().st_mtime_ns
    result = cross_validate(load_experiment(done.folder / "winner.yaml"), folder, console=Console(quiet=True))
    assert len(result.summary.units) == 3  # the fold that the study left out is trained now
    assert (folder / "fold-0" / "seed-1" / "model.keras").stat().st_mtime_ns == trained
    assert (folder / "fold-0" / "seed-1" / "scores.json").exists()
    assert "tiny-study" in (folder / "report.html").read_text()
    assert not (folder / "mlflow.db").exists(), "the study's store has the run already"
    assert result.tracking_problem is None


@pytest.mark.parametrize(
    ("space", "kind", "message"),
    [
        (Space((Axis("model.filtres", "grid", (2,)),)), KerasacError, "configuration filtres=2: .*did you mean"),
        (Space((Axis("model.filters", "grid", (-1,)),)), KerasacError, "configuration filters=-1"),
        (Space((Axis("model.dilated_layers", "grid", (9,)),)), KerasacError, "configuration dilated_layers=9"),
        (Space((), objective="peaks.jsd"), ConfigError, "objective: peaks.jsd is no score .* did you mean"),
        (Space((), objective="test.auroc"), ConfigError, "objective: test.auroc is no score"),
        (Space((), folds=(7,)), ConfigError, "has 3 folds, none of number 7"),
    ],
)
def test_mistakes_of_any_configuration_are_found_before_any_is_trained(
    tiny_folder: Path, tmp_path: Path, space: Space, kind: type[KerasacError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        study(tiny_folder, tmp_path / "study", space)
    assert not list(tmp_path.glob("study/*/fold-*"))


def test_validation_scores_are_of_the_same_windows_whatever_background_is_drawn(
    tiny_folder: Path, tmp_path: Path
) -> None:
    from kerasac.steps.prepare import prepare

    plans = []
    for ratio in (0.5, 2.0):
        prepared = prepare(three_folds(tiny_folder, sampling={"negatives": {"ratio": ratio}}))
        plans.append(prepared.plan(prepared.folds[0], 1))
    assert plans[0].valid().digest() != plans[1].valid().digest()
    assert plans[0].scored_valid().digest() == plans[1].scored_valid().digest()
    inside = plans[0].scored_valid().coordinates(prepared.assembly)[0]
    assert set(inside.tolist()) <= set(prepared.folds[0].valid)


def test_a_configuration_that_equals_another_is_trained_once(tiny_folder: Path, tmp_path: Path) -> None:
    from kerasac.runs.study_members import experiments_of

    document = three_folds(tiny_folder).as_dict()
    filters = document["model"]["filters"]
    space = Space((Axis("model.filters", "grid", (filters, filters + 1)),))
    made = experiments_of(document, tiny_folder, space, space.configurations(), "name")
    assert [trial.name for trial, _ in made] == ["default", f"filters={filters + 1}"]


def test_scores_of_other_windows_are_not_ranked(tmp_path: Path) -> None:
    from kerasac.runs.study_verdict import equal_to_best, ranked_by
    from kerasac.steps.comparison import Metric
    from kerasac.steps.configurations import Configuration

    def one(name: str, n: int, value: float) -> Configuration:
        scores = {
            f"fold-{k}/seed-1": {
                "windows": {"all": {"counts_pearson": value + k / 100 + value * k**2 / 1000}, "peaks": {}},
                "n": {"all": {"n_windows": n}},
                "definitions": {"counts_pearson": "r; higher is better."},
            }
            for k in range(3)
        }
        splits = {f"fold-{k}": {"train": ["a", "b"], "valid": ["c"], "test": [f"chr{k}"]} for k in range(3)}
        return Configuration(name, tmp_path, scores, splits)

    metric = Metric("all", "counts_pearson", "r", "higher")
    same, other = [one("x", 100, 0.5), one("y", 100, 0.9)], [one("x", 100, 0.5), one("z", 300, 0.9)]
    assert ranked_by(same, metric) == ("y", "x")
    assert equal_to_best(same, metric, "y") == frozenset()
    with pytest.raises(RunError, match=r"x and z cannot be ranked by all\.counts_pearson: "):
        equal_to_best(other, metric, "z")


def test_a_folder_of_another_experiment_is_refused(done: Study, tiny_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    shutil.copytree(done.folder, folder)
    with pytest.raises(RunError, match="was made by another experiment"):
        study(tiny_folder, folder, training={"batch_size": 7})


def epochs_of(folder: Path) -> dict[str, int]:
    """Return the epochs that each unit of a study got."""
    found = sorted(folder.glob("*/fold-*/seed-*/history.csv"))
    return {str(path.parent.relative_to(folder)): len(path.read_text().splitlines()) - 1 for path in found}


def test_a_race_gives_all_epochs_to_good_configurations_alone(
    ray_cluster: dict[str, float], tiny_folder: Path, tmp_path: Path
) -> None:
    axis = Axis("training.learning_rate", "grid", (0.01, 1e-6, 2e-6))
    race = Space((axis,), folds=(0, 1), default=False, race=Racing(first_epochs=1, finalists=1))
    training = {"epochs": 4, "patience": 4}
    raced = study(tiny_folder, tmp_path / "raced", race, training=training)
    assert raced.ranked == ("learning_rate=0.01",)
    assert len(raced.dropped) == 2
    assert not raced.unfinished
    got = epochs_of(raced.folder)
    assert [got[f"learning_rate=0.01/fold-{k}/seed-1"] for k in (0, 1)] == [4, 4]
    assert sum(got.values()) == 8 + 1 + 2, "of the others one gets an epoch of one fold, the other of two"
    assert raced.epochs == sum(got.values())
    # A training that pauses between its epochs ends where an undisturbed one does.
    whole = Space((Axis("training.learning_rate", "grid", (0.01,)),), folds=(0, 1), default=False)
    undisturbed = study(tiny_folder, tmp_path / "whole", whole, training=training)
    for fold in (0, 1):
        scores = [
            json.loads((one.folder / f"learning_rate=0.01/fold-{fold}/seed-1/valid_scores.json").read_text())
            for one in (raced, undisturbed)
        ]
        for windows, metrics in scores[1]["windows"].items():
            for name, value in metrics.items():
                assert scores[0]["windows"][windows][name] == pytest.approx(value, rel=1e-5), (windows, name)
    again = study(tiny_folder, tmp_path / "raced", race, training=training)
    assert (again.n_trained, again.ranked, dict(again.dropped)) == (0, raced.ranked, dict(raced.dropped))


def test_a_search_proposes_as_many_configurations_as_it_may_and_goes_on(
    ray_cluster: dict[str, float], tiny_folder: Path, tmp_path: Path
) -> None:
    space = Space(
        (Axis("training.learning_rate", "loguniform", (1e-4, 1e-2)),), "tpe", trials=1, folds=(0,), prune="median"
    )
    one = study(tiny_folder, tmp_path / "study", space)
    assert len(one.ranked) == 2
    assert one.n_trained == 2
    two = study(tiny_folder, tmp_path / "study", space, budget=parse_budget("2 trials"))
    assert (two.n_trained, two.n_kept) == (1, 2)
    assert set(one.ranked) < set(two.ranked)


def test_beyond_the_budget_nothing_is_begun_and_all_is_kept(tiny_folder: Path, tmp_path: Path) -> None:
    none = study(tiny_folder, tmp_path / "study", budget=Budget(seconds=1e-9))
    assert (none.n_trained, none.ranked) == (0, ())
    assert set(none.unfinished.values()) == {"not started"}
    assert len(none.unfinished) == 4
    assert json.loads((tmp_path / "study" / "study.json").read_text())["ranked"] == []


def test_a_url_that_takes_no_files_is_refused_before_anything_else(tiny_folder: Path) -> None:
    with pytest.raises(RunError, match="cannot be written to https://host/study: a web server takes no files"):
        study(tiny_folder, Path("https://host/study"))


def test_what_is_said_of_the_data_is_said_once_and_not_of_each_configuration(
    tiny_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from kerasac.runs.study_members import Members

    document = three_folds(tiny_folder).as_dict()
    members = Members(document, tiny_folder, GRID, tmp_path, "name")
    assert len(members.all) == 2
    assert sum("fewer than 50 peaks" in message for message in caplog.messages) == 1
