import base64
import json
import re
from pathlib import Path

import pandas as pd
import pytest
from pages import page_text
from scored import fold_table, one_seed, write_run

from kerasac.errors import RunError
from kerasac.steps.comparison import compare
from kerasac.steps.comparison_report import FILES, write_comparison
from kerasac.steps.configurations import read_configurations

GAIN = [0.031, 0.029, 0.030, 0.032, 0.028]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A baseline of 2 seeds, a better run, one that lacks a fold, and one scored on other windows."""
    root = tmp_path_factory.mktemp("runs")
    values = {(fold, seed): 0.5 + 0.02 * fold + 0.001 * seed * (fold + 1) for fold in range(5) for seed in (1, 2)}
    better = {key: value + GAIN[key[0]] for key, value in values.items()}
    runs = [
        write_run(root / "base", values, experiment={"model": {"filters": 32}}),
        write_run(root / "better<b>", better, experiment={"model": {"filters": 64}}),
        write_run(root / "partial", {key: value for key, value in values.items() if key[0] != 3}),
        write_run(root / "other", values, n_windows=7),
    ]
    write_comparison(compare(read_configurations(runs)), root / "out")
    return root / "out"


def test_all_files_are_written(out: Path) -> None:
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)


def test_the_summary_has_a_row_a_run_window_set_and_metric(out: Path) -> None:
    table = pd.read_csv(out / "summary.tsv", sep="\t", index_col=["run", "task", "windows", "metric"])
    assert table.index.is_unique
    row = table.loc["better<b>", "mean", "peaks", "counts_pearson"]
    assert (row["n"], row["n_folds"], row["baseline"], row["n_pairs"]) == (10, 5, "base", 5)
    assert row["difference"] == pytest.approx(0.03)
    assert row["difference_low"] < 0.03 < row["difference_high"]
    assert row[["var_fold", "var_seed", "var_rest"]].notna().all()
    assert table.loc["base", "mean", "peaks", "counts_pearson"][["baseline", "difference"]].isna().all()


def test_the_units_are_tidy(out: Path) -> None:
    table = pd.read_csv(out / "units.tsv", sep="\t")
    picked = table.query("run == 'base' and metric == 'counts_pearson' and fold == 2 and seed == 1")
    assert picked[["windows", "value", "test_chromosomes"]].to_numpy().tolist() == [["peaks", 0.543, "chr2"]]
    assert len(table.query("run == 'partial' and metric == 'counts_pearson'")) == 8


def test_the_document_holds_every_number_with_its_definition(out: Path) -> None:
    document = json.loads((out / "comparison.json").read_text())
    found = {one["run"]: one for one in document["comparisons"]}
    assert found["better<b>"]["verdict"].startswith("better than base by 0.03")
    assert found["other"]["refused"].startswith("other windows are scored")
    assert found["partial"]["left_out"] == ["fold-3: partial has no scores on its scored chromosomes"]
    assert [pair["difference"] for pair in found["better<b>"]["folds"]] == pytest.approx(GAIN)
    assert set(document["definitions"]["metrics"]) >= {"counts_pearson", "jsd_distance_uniform"}
    assert "Nadeau and Bengio" in document["definitions"]["comparisons"]["interval"]
    assert document["experiment"] == {"model.filters": {"base": "32", "better<b>": "64", "partial": "–", "other": "–"}}
    assert document["rankings"][0]["runs"][0]["run"] == "better<b>"
    assert document["variance"]["base"]["peaks"]["counts_pearson"]["components"]["fold"] > 0


def test_the_page_says_it_in_words(out: Path) -> None:
    text = page_text(out / "comparison.html")
    assert "partial: 2 of 10 models have no scores and are left out (fold-3/seed-1, fold-3/seed-2)" in text
    assert "better<b> : better than base by 0.03" in text
    assert "partial : the same as base in all 4 folds." in text
    assert "other : not compared: other windows are scored (peaks, fold-0)" in text
    assert "model.filters" in text
    assert "cannot be split: it takes every seed in every fold" not in text  # partial lacks a fold, not a seed


def test_the_page_needs_nothing_else(out: Path) -> None:
    page = (out / "comparison.html").read_text()
    assert not re.findall(r"<script|<link[^>]+href=\"(?!data:)|src=\"(?!data:)|url\(", page)
    figures = re.findall(r"data:image/svg\+xml;base64,([^\"]+)", page)
    assert len(figures) == 2
    assert all(b"<svg" in base64.b64decode(figure) for figure in figures)


def test_one_run_has_a_table_and_no_comparison(tmp_path: Path) -> None:
    run = write_run(tmp_path / "only", one_seed({0: 0.5}), folds={"0": fold_table(5)["0"]})
    write_comparison(compare(read_configurations([run])), tmp_path / "out")
    text = page_text(tmp_path / "out/comparison.html")
    assert "One run by itself" in text
    assert "What can be told apart" not in text
    assert "cannot be split: it takes 2 folds and 2 seeds; there are 1 and 1" in text
    table = pd.read_csv(tmp_path / "out/summary.tsv", sep="\t").set_index("metric")
    assert table.loc["counts_pearson", "mean"] == 0.5
    assert table.loc["counts_pearson", ["sd", "se"]].isna().all()


def test_tasks_have_their_own_rows_where_there_are_several(tmp_path: Path) -> None:
    tasks = {task: {"peaks": {"counts_pearson": value}} for task, value in (("x", 0.25), ("y", 0.75))}
    run = write_run(tmp_path / "two", one_seed({0: 0.5, 1: 0.5}), tasks=tasks)
    write_comparison(compare(read_configurations([run])), tmp_path / "out")
    table = pd.read_csv(tmp_path / "out/summary.tsv", sep="\t").query("metric == 'counts_pearson'")
    assert dict(zip(table["task"], table["mean"], strict=True)) == {"mean": 0.5, "x": 0.25, "y": 0.75}


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "only", one_seed({0: 0.5}))
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot make .*file/out"):
        write_comparison(compare(read_configurations([run])), tmp_path / "file/out")


def test_the_folder_of_a_run_is_not_written_over(tmp_path: Path) -> None:
    run = write_run(tmp_path / "only", one_seed({0: 0.5}))
    with pytest.raises(RunError, match=r"is the folder of a run, whose own summary\.tsv would be lost"):
        write_comparison(compare(read_configurations([run])), run)
