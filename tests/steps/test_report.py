import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from kerasac.errors import RunError
from kerasac.steps import report
from kerasac.steps.report import write_report

FOLDS = {
    "0": {"train": ["chr3"], "valid": ["chr2"], "test": ["chr1"]},
    "1": {"train": ["chr1"], "valid": ["chr3"], "test": ["chr2"]},
}
VOID = {"meta", "link", "img", "br"}


def make_run(
    folder: Path, *, finished: int = 2, name: str = "toy-atac", tasks: tuple[str, ...] = ("plus", "minus")
) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "experiment.yaml").write_text(f"name: {name}\nseeds: [1234]\n")
    (folder / "folds.json").write_text(json.dumps(FOLDS))
    (folder / "provenance.json").write_text(json.dumps({"git": {"commit": "abc123"}, "inputs": ["genome.fa", "x.bw"]}))
    for fold in range(finished):
        make_unit(folder / f"fold-{fold}" / "seed-1234", shift=fold / 100, tasks=tasks)
    return folder


def make_unit(unit: Path, *, shift: float, tasks: tuple[str, ...]) -> None:
    peaks = {
        "counts_pearson": 0.5 + shift,
        "jsd_distance_mean": 0.4,
        "jsd_distance_mean_profile": 0.66,
        "mnll_mean": None,
    }
    windows = {"peaks": peaks, "all": {"counts_pearson": 0.7 + shift, "auroc": 0.9}}
    scores = {
        "windows": windows,
        "tasks": dict.fromkeys(tasks, windows),
        "definitions": {"auroc": "Area under the curve & more."},
        "n": {"peaks": {"n_windows": 1234}, "background": {"n_windows": 4321}},
    }
    (unit / "plots").mkdir(parents=True)
    (unit / "scores.json").write_text(json.dumps(scores))
    (unit / "history.csv").write_text("epoch,loss,val_loss,seconds\n1,3,3,60\n2,2,2.5,120\n")
    for figure in ("counts", "jsd", "profiles", "training"):
        Image.new("RGB", (200, 100), "white").save(unit / "plots" / f"{figure}.png")


@pytest.fixture(autouse=True)
def _quick_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing is tested in test_plots; here an empty figure stands for it."""
    monkeypatch.setattr(report, "across_folds", lambda rows: Figure(figsize=(1, 1)))


class Page(HTMLParser):
    """Collects text and attributes, and checks that tags close in the order in which they opened."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.links: list[str] = []
        self.images: list[str] = []
        self.feed(source)
        assert self.open == []
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "script"
        if tag not in VOID:
            self.open.append(tag)
        self.links += [value or "" for key, value in attrs if key in ("src", "href", "srcset", "action")]
        if tag == "img":
            self.images.append(dict(attrs)["src"] or "")
            assert dict(attrs)["alt"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)


def read(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def test_report_needs_nothing_outside_itself(tmp_path: Path) -> None:
    path = write_report(make_run(tmp_path))
    assert path == tmp_path / "report.html"
    page = read(path)
    assert page.links
    assert all(link.startswith("data:") for link in page.links)
    assert "url(" not in path.read_text()
    assert "@import" not in path.read_text()


def test_report_says_what_was_done_and_how_well_it_went(tmp_path: Path) -> None:
    text = read(write_report(make_run(tmp_path))).text
    assert "toy-atac" in text
    assert "2 folds × 1 seed: 2 of 2 models trained and scored" in text
    assert "neither in training nor in validation" in text
    assert "2,468 peak and 8,642 background windows" in text
    assert "r = 0.705 ± 0.007 over all windows, and 0.505 ± 0.007 among peaks alone" in text
    assert "90 % of the time (AUROC 0.900 ± 0.000; chance is 0.5)" in text
    assert "the mean profile of the training peaks lies at 0.660 (lower is better)" in text
    assert "not in these numbers" not in text
    for part in ("Area under the curve & more.", "seeds: [1234]", "abc123", "genome.fa, x.bw", "chr3"):
        assert part in text


def test_a_model_worse_than_its_floor_is_called_that(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    for path in run.glob("fold-*/seed-*/scores.json"):
        path.write_text(path.read_text().replace("0.66", "0.33"))
    assert "does not beat what needs no model" in read(write_report(run)).text


def test_unfinished_folds_and_missing_figures_are_said(tmp_path: Path) -> None:
    run = make_run(tmp_path, finished=1)
    (run / "fold-0/seed-1234/plots/jsd.png").unlink()
    text = read(write_report(run)).text
    assert "1 of 2 models is not in these numbers." in text
    assert "fold-1/seed-1234: not started" in text
    assert "plots/jsd.png is missing" in text
    (run / "fold-1/seed-1234").mkdir(parents=True)
    (run / "fold-1/seed-1234/history.csv").write_text("epoch,loss\n1,2\n")
    assert "fold-1/seed-1234: not finished, 1 epoch trained" in read(write_report(run)).text


def test_a_run_that_has_only_begun_has_a_report(tmp_path: Path) -> None:
    text = read(write_report(make_run(tmp_path, finished=0))).text
    assert "0 of 2 models trained and scored" in text
    assert "No model has been scored yet" in text


def test_a_bare_folder_has_a_report_that_names_what_is_missing(tmp_path: Path) -> None:
    text = read(write_report(tmp_path)).text
    for name in ("folds.json", "experiment.yaml", "provenance.json"):
        assert f"{name} is missing" in text
    with pytest.raises(RunError, match="is no run folder"):
        write_report(tmp_path / "none")


def test_text_from_the_run_is_escaped(tmp_path: Path) -> None:
    source = write_report(make_run(tmp_path, name="<script>alert(1)</script>")).read_text()
    assert "<script" not in source
    assert "&lt;script&gt;" in source


def test_leaking_folds_are_not_called_unseen(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (run / "folds.json").write_text(json.dumps({"0": {"train": ["chr1"], "valid": [], "test": ["chr1"]}}))
    assert "neither in training nor" not in read(write_report(run)).text


@pytest.mark.parametrize(("tasks", "shown"), [(("plus", "minus"), True), (("cuts",), False)])
def test_tasks_are_listed_when_there_are_several(tmp_path: Path, tasks: tuple[str, ...], shown: bool) -> None:
    text = read(write_report(make_run(tmp_path, tasks=tasks))).text
    assert ("Here each task by itself" in text) == shown


def test_figures_are_embedded_whole_and_within_the_page_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path)
    figures = [image for image in read(write_report(run)).images if image.startswith("data:image/png")]
    assert len(figures) == 8
    with Image.open(io.BytesIO(base64.b64decode(figures[0].split(",")[1]))) as image:
        assert image.size == (200, 100)
    monkeypatch.setattr(report, "MAX_FIGURE_BYTES", len(figures[0]) * 2)
    page = read(write_report(run))
    assert 0 < sum(image.startswith("data:image/png") for image in page.images) <= 2
    assert "the page has no room for it" in page.text


BINS = {
    "classification": ("classes", {"auroc": 0.9, "auprc": 0.5, "positive_share": 0.1}),
    "regression": ("values", {"pearson": 0.4}),
}


def make_binned_run(folder: Path, kind: str) -> Path:
    run = make_run(folder, finished=0)
    figure, metrics = BINS[kind]
    for fold in range(2):
        unit = run / f"fold-{fold}" / "seed-1234"
        make_unit(unit, shift=0, tasks=("atac", "dnase"))
        scores = {"windows": {"all": metrics}, "tasks": {task: {"all": metrics} for task in ("atac", "dnase")}}
        (unit / "scores.json").write_text(json.dumps(scores | {"n": {"all": {"n_windows": 700}}}))
        (unit / "plots" / "counts.png").rename(unit / "plots" / f"{figure}.png")
    return run


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (
            "classification",
            "the predicted probability is higher in the positive one 90 % of the time",
        ),
        ("regression", "Predicted and observed values correlate with r = 0.400 ± 0.000 over all bins"),
    ],
)
def test_bins_are_told_in_their_own_words(tmp_path: Path, kind: str, said: str) -> None:
    page = read(write_report(make_binned_run(tmp_path, kind)))
    assert said in page.text
    assert "The scores are of 1,400 bins" in page.text
    for word in ("missing", "peak", "all windows"):
        assert word not in page.text.split("Provenance")[0], word
    assert sum(image.startswith("data:image/png") for image in page.images) == 4


def test_every_row_of_the_table_of_folds_is_as_long_as_its_head(tmp_path: Path) -> None:
    for run in (make_run(tmp_path / "windows"), make_binned_run(tmp_path / "bins", "classification")):
        table = re.search(r"<table>.*?</table>", write_report(run).read_text(), re.DOTALL)
        assert table is not None
        rows = re.findall(r"<tr.*?</tr>", table[0], re.DOTALL)
        assert len({len(re.findall(r"<t[hd]", row)) for row in rows}) == 1, run.name
