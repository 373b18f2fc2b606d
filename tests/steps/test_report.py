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
from kerasac.steps.calibration import Calibration, Isotonic, write_calibration
from kerasac.steps.plots import BIN_FIGURES, WINDOW_FIGURES
from kerasac.steps.report import units, write, write_report
from kerasac.steps.report.files import error_line
from kerasac.steps.report.tables import confidence_interval

FOLDS = {
    "0": {"train": ["chr3"], "valid": ["chr2"], "test": ["chr1"]},
    "1": {"train": ["chr1"], "valid": ["chr3"], "test": ["chr2"]},
}
PROVENANCE = {
    "versions": {"kerasac": "0.1.0", "keras": "3.9"},
    "git_commit": "abc123",
    "array": {"path": "/data/toy.tdb", "datasets": ["toy"]},
    "inputs": [{"path": "/data/genome.fa", "bytes": 3837046, "mtime_ns": 86_400 * 10**9}],
    "left_out": {"regions too near chromosome ends": 27},
}
VOID = {"meta", "link", "img", "br"}


def make_run(
    folder: Path, *, finished: int = 2, name: str = "toy-atac", tasks: tuple[str, ...] = ("plus", "minus")
) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "experiment.yaml").write_text(
        f"name: {name}\nseeds: [1234]\nmodel: {{architecture: bpnet, filters: 32}}\n"
    )
    (folder / "folds.json").write_text(json.dumps(FOLDS))
    (folder / "provenance.json").write_text(json.dumps(PROVENANCE))
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
        "n": {
            "peaks": {"n_windows": 1234},
            "background": {"n_windows": 4321},
            "all": {"n_windows": 5555, "n_with_counts": dict.fromkeys(tasks, 5500), "n_outside_label_range": 3},
        },
    }
    (unit / "plots").mkdir(parents=True)
    (unit / "scores.json").write_text(json.dumps(scores))
    (unit / "history.csv").write_text("epoch,loss,val_loss,seconds\n1,3,3,60\n2,2,2.5,120\n")
    for figure in WINDOW_FIGURES:
        Image.new("RGB", (200, 100), "white").save(unit / "plots" / f"{figure}.png")


@pytest.fixture(autouse=True)
def _quick_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing is tested in test_plots; here an empty figure stands for it."""
    monkeypatch.setattr(write, "fold_dots", lambda row: Figure(figsize=(1, 1)))


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
    assert all(link.startswith(("data:", "#")) for link in page.links)
    assert "url(" not in path.read_text()
    assert "@import" not in path.read_text()


def test_report_says_what_was_done_and_how_well_it_went(tmp_path: Path) -> None:
    text = read(write_report(make_run(tmp_path))).text
    assert "toy-atac" in text
    assert "2 folds × 1 seed: 2 of 2 models trained and scored" in text
    assert "Each is scored on whole chromosomes that it saw neither in training nor in validation" in text
    assert "2,468 peak and 8,642 background windows" in text
    assert (
        "r = 0.705 (95 % CI 0.641 to 0.769) over all windows, and r = 0.505 (95 % CI 0.441 to 0.569) among peaks"
        in text
    )
    assert "90 % of the time (AUROC 0.900; chance is 0.5)" in text
    assert "the mean profile of the training peaks lies at 0.660 (lower is better)" in text
    assert "not in these numbers" not in text
    for part in (
        "Area under the curve & more.",
        "seeds: [1234]",
        "abc123",
        "genome.fa",
        "3.84 MB",
        "1970-01-02",
        "toy.tdb",
        "chr3",
    ):
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
    text = read(write_report(run)).text
    assert "neither in training nor" not in text
    assert "need not be unseen" in text


@pytest.mark.parametrize(("tasks", "shown"), [(("plus", "minus"), True), (("cuts",), False)])
def test_tasks_are_listed_when_there_are_several(tmp_path: Path, tasks: tuple[str, ...], shown: bool) -> None:
    text = read(write_report(make_run(tmp_path, tasks=tasks))).text
    assert ("Here each task by itself" in text) == shown


def test_figures_are_embedded_whole_and_within_the_page_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path)
    figures = [image for image in read(write_report(run)).images if image.startswith("data:image/png")]
    assert len(figures) == 2 * len(WINDOW_FIGURES)
    with Image.open(io.BytesIO(base64.b64decode(figures[0].split(",")[1]))) as image:
        assert image.size == (200, 100)
    monkeypatch.setattr(units, "MAX_FIGURE_BYTES", len(figures[0]) * 2)
    page = read(write_report(run))
    assert 0 < sum(image.startswith("data:image/png") for image in page.images) <= 2
    assert "the page has no room for it" in page.text


BINS = {
    "classification": {"auroc": 0.9, "auprc": 0.5, "positive_share": 0.1},
    "regression": {"pearson": 0.4},
}


def make_binned_run(folder: Path, kind: str) -> Path:
    run = make_run(folder, finished=0)
    metrics = BINS[kind]
    for fold in range(2):
        unit = run / f"fold-{fold}" / "seed-1234"
        make_unit(unit, shift=0, tasks=("atac", "dnase"))
        scores = {"windows": {"all": metrics}, "tasks": {task: {"all": metrics} for task in ("atac", "dnase")}}
        (unit / "scores.json").write_text(
            json.dumps(scores | {"n": {"all": {"n_windows": 700, "n_labelled": {"atac": 690, "dnase": 700}}}})
        )
        for name in WINDOW_FIGURES:
            (unit / "plots" / f"{name}.png").unlink()
        for name in BIN_FIGURES[kind]:
            Image.new("RGB", (200, 100), "white").save(unit / "plots" / f"{name}.png")
    return run


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (
            "classification",
            "the predicted probability is higher in the positive one 90 % of the time",
        ),
        ("regression", "Predicted and observed values correlate with r = 0.400 (95 % CI 0.400 to 0.400) over all bins"),
    ],
)
def test_bins_are_told_in_their_own_words(tmp_path: Path, kind: str, said: str) -> None:
    page = read(write_report(make_binned_run(tmp_path, kind)))
    assert said in page.text
    assert "The scores are of 1,400 bins" in page.text
    for word in ("missing", "peak", "all windows"):
        assert word not in page.text.split("What was used")[0], word
    assert sum(image.startswith("data:image/png") for image in page.images) == 4


def test_every_row_of_a_table_is_as_long_as_its_head(tmp_path: Path) -> None:
    for run in (make_run(tmp_path / "windows"), make_binned_run(tmp_path / "bins", "classification")):
        tables = re.findall(r"<table.*?</table>", write_report(run).read_text(), re.DOTALL)
        assert len(tables) > 3
        for table in tables:
            rows = re.findall(r"<tr.*?</tr>", table, re.DOTALL)
            assert len({len(re.findall(r"<t[hd]", row)) for row in rows}) == 1, (run.name, rows[0])


def test_interval_is_students_over_folds_whose_seeds_are_averaged_first() -> None:
    # Fold means 0.5 and 0.7: mean 0.6, standard error 0.1; t(0.975, 1) = 12.706.
    values = {"fold-0/seed-1": 0.4, "fold-0/seed-2": 0.6, "fold-1/seed-1": 0.7, "fold-1/seed-2": None}
    assert confidence_interval(values) == pytest.approx((0.6 - 1.2706, 0.6 + 1.2706), abs=1e-4)
    # Three folds at 1, 2, 3: standard error 1 / sqrt(3); t(0.975, 2) = 4.3027.
    three = {f"fold-{k}/seed-1": float(k) for k in (1, 2, 3)}
    assert confidence_interval(three) == pytest.approx((2 - 2.4841, 2 + 2.4841), abs=1e-4)


@pytest.mark.parametrize("values", [{"fold-0/seed-1": 1.0, "fold-0/seed-2": 2.0}, {"fold-0/seed-1": None}, {}])
def test_one_fold_has_no_interval(values: dict[str, float | None]) -> None:
    assert confidence_interval(values) is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "Traceback (most recent call last):\n  File\n    x()\nkerasac.errors.RunError: no: y\nmore\n",
            "RunError: no: y",
        ),
        (
            "Traceback (most recent call last):\n  File\nKeyError: 'a'\n\n"
            "During handling of the above exception, another exception occurred:\n\n"
            "Traceback (most recent call last):\n  File\nMemoryError\n",
            "MemoryError",
        ),
        ("killed by signal 9\n", "killed by signal 9"),
        ("", "error.txt is empty"),
    ],
)
def test_error_is_the_line_that_a_traceback_ends_with(text: str, line: str) -> None:
    assert error_line(text) == line


def test_a_failed_fold_is_shown_with_its_error(tmp_path: Path) -> None:
    run = make_run(tmp_path, finished=1)
    (run / "fold-1/seed-1234").mkdir(parents=True)
    traceback = "Traceback (most recent call last):\n  File\nkerasac.errors.ScoreError: loss is <nan>\n"
    (run / "fold-1/seed-1234/error.txt").write_text(traceback)
    text = read(write_report(run)).text
    assert "fold-1/seed-1234: failed, 0 epochs trained" in text
    assert "ScoreError: loss is <nan>" in text
    assert "1 model not trained and scored: fold-1/seed-1234." in text


def test_what_was_left_out_is_counted_with_the_reason(tmp_path: Path) -> None:
    text = read(write_report(make_run(tmp_path / "windows"))).text
    assert "27 regions too near chromosome ends were never drawn" in text
    assert "6 test windows, all models together, lie outside the label range" in text
    assert "110 scored windows, all models together, have no counts in some task" in text
    text = read(write_report(make_binned_run(tmp_path / "bins", "classification"))).text
    assert "20 test bins, all models together, are ambiguous in some task" in text
    assert "fold-0/seed-1234 – – – 700 0 to 10" in text


def test_calibration_is_shown_before_and_after(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    assert "Calibration" not in read(write_report(run)).text
    sides = {"before": {"ece": 0.25, "squared_error": 1.5}, "after": {"ece": 0.0625, "squared_error": 1.25}}
    judged = {"tasks": {"plus": {"n": 77, **sides}}, "definitions": {"ece": "Mean error."}}
    functions = {"plus": Isotonic((0.0, 1.0), (0.0, 1.0))}
    made = Calibration("counts", functions, {"plus": 9}, 9, ("chr2",), "digest", judged=judged)
    write_calibration(run / "fold-0/seed-1234/calibration.json", made)
    Image.new("RGB", (200, 100), "white").save(run / "fold-0/seed-1234/plots/reliability.png")
    page = read(write_report(run))
    assert "fold-0/seed-1234 plus 77 0.250 0.062 1.500 1.250" in page.text
    assert "calibrated (isotonic) on the validation chromosomes" in page.text
    assert "Mean error." in page.text
    assert sum(image.startswith("data:image/png") for image in page.images) == 2 * len(WINDOW_FIGURES) + 1


def test_pseudoreplicates_stand_beside_the_floors(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    assert "not scored with pseudoreplicates" in read(write_report(run)).text
    for path in run.glob("fold-*/seed-*/scores.json"):
        scores = json.loads(path.read_text())
        scores["windows"]["peaks"] |= {"counts_pearson_pseudoreplicate": 0.93, "jsd_distance_mean_pseudoreplicate": 0.3}
        path.write_text(json.dumps(scores))
    text = read(write_report(run)).text
    assert "one pseudoreplicate predicts the other with 0.930 among peaks" in text
    assert "a pseudoreplicate at 0.300" in text
    assert "not scored with pseudoreplicates" not in text


def test_a_unit_of_another_version_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    assert "was finished with" not in read(write_report(run)).text
    marker = {"versions": {"kerasac": "0.1.0", "keras": "3.8"}, "model_parameters": 22178}
    (run / "fold-1/seed-1234/unit.json").write_text(json.dumps(marker))
    text = read(write_report(run)).text
    assert "fold-1/seed-1234 was finished with keras 3.8" in text
    assert "bpnet (filters 32), 22,178 parameters" in text


def test_the_first_seed_of_every_fold_has_room_before_other_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path)
    for fold in range(2):
        make_unit(run / f"fold-{fold}" / "seed-9999", shift=0, tasks=("plus",))
    one = len(next(image for image in read(write_report(run)).images if image.startswith("data:image/png")))
    monkeypatch.setattr(units, "MAX_FIGURE_BYTES", one * 2 * len(WINDOW_FIGURES))
    figures = re.findall(r'data:image/png[^>]*alt="[^"]*(fold-\d/seed-\d+)', write_report(run).read_text())
    assert set(figures) == {"fold-0/seed-1234", "fold-1/seed-1234"}


@pytest.mark.parametrize(
    ("experiment", "provenance"),
    [
        (": :", "{"),
        ("[1, 2]", "[]"),
        (
            "sampling: {negatives: {}, regions: {bed: a}}\noutputs: [3, {transform: log}]",
            '{"inputs": ["a"], "array": "y"}',
        ),
    ],
)
def test_odd_files_do_not_keep_the_report_from_being_written(tmp_path: Path, experiment: str, provenance: str) -> None:
    run = make_run(tmp_path, finished=1)
    (run / "experiment.yaml").write_text(experiment)
    (run / "provenance.json").write_text(provenance)
    assert "models trained and scored" in read(write_report(run)).text.replace("model trained", "models trained")


def test_figures_are_described_with_their_numbers(tmp_path: Path) -> None:
    page = write_report(make_run(tmp_path)).read_text()
    assert 'alt="Predicted against observed counts, fold-1/seed-1234: r in peaks 0.510"' in page
    assert "Count correlation r, peaks, by fold and seed: fold-0/seed-1234 0.500, fold-1/seed-1234 0.510" in page


def test_chance_of_auprc_is_the_share_of_peaks(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    for path in run.glob("fold-*/seed-*/scores.json"):
        scores = json.loads(path.read_text())
        scores["windows"]["all"]["auprc"] = 0.8
        path.write_text(json.dumps(scores))
    assert "share of peaks 0.222" in read(write_report(run)).text.replace("\xa0", " ")  # 1234 of 5555


def test_text_stands_out_from_its_background() -> None:
    css = (Path(write.__file__).parents[1] / "templates" / "base.html.j2").read_text()
    colors = dict(re.findall(r"--([\w-]+): (#\w+)", css))
    pairs = [
        *((text, paper) for text in ("ink", "soft", "blue", "warn") for paper in ("paper", "wash")),
        ("warn", "warn-wash"),
    ]
    for text, paper in pairs:
        light, dark = sorted((luminance(colors[name]) + 0.05 for name in (text, paper)), reverse=True)
        assert light / dark >= 4.5, (text, paper)


def luminance(color: str) -> float:
    """Relative luminance of WCAG 2."""
    digits = color[1:] if len(color) == 7 else "".join(2 * digit for digit in color[1:])
    shares = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(weight * share for weight, share in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
