"""Trained models explain windows, by the folds that should, whoever does it and however often it is interrupted."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from tiny import ASSEMBLY, MOTIF

from kerasac.errors import KerasacError, RunError
from kerasac.genome.centering import Center
from kerasac.genome.sequence import encode
from kerasac.interpret.contribution_files import ContributionLayout
from kerasac.interpret.contributions import open_contributions
from kerasac.interpret.heads import Head
from kerasac.interpret.job import ContributionJob
from kerasac.interpret.settings import Engine, ExplainSettings, Method
from kerasac.runs.interpret import InterpretRequest, interpret_to_files
from kerasac.runs.trained import open_trained

if TYPE_CHECKING:
    from kerasac.runs.crossval import CrossValidation

pytestmark = [pytest.mark.ray, pytest.mark.keras]

FEW = ExplainSettings(n_references=3)
EVERYTHING = slice(None)


@pytest.fixture
def peaks(tiny_folder: Path, tmp_path: Path) -> Path:
    """Some peaks of every chromosome."""
    lines = (tiny_folder / "peaks.narrowPeak").read_text().splitlines(keepends=True)[::12]
    (tmp_path / "peaks.narrowPeak").write_text("".join(lines))
    return tmp_path / "peaks.narrowPeak"


def ask(source: Path | tuple[Path, ...], out: Path, regions: Path, **options: Any) -> InterpretRequest:
    sources = source if isinstance(source, tuple) else (source,)
    return InterpretRequest(sources, out, regions, **{"workers": 1, "settings": FEW, "shard_windows": 4, **options})


def read(path: Path) -> dict[str, Any]:
    with h5py.File(path, "r") as file:
        return {name: file[name][:] for name in file} | {"attrs": dict(file.attrs)}


def test_a_window_is_explained_by_the_fold_that_tests_on_its_chromosome(
    run: CrossValidation, peaks: Path, tmp_path: Path
) -> None:
    done = interpret_to_files(ask(run.folder, tmp_path / "a", peaks))
    assert done.how == "each chromosome by the folds that test on it"
    assert [path.name for path in done.files] == ["a.plus.counts.h5", "a.minus.counts.h5", "a.profile.h5"]
    assert done.greatest_error is not None
    assert done.greatest_error < 1e-4
    units = sorted(run.folder.glob("fold-*/seed-*"))
    for unit in units:
        interpret_to_files(ask(unit, tmp_path / unit.parent.name, peaks))
    for name in ("plus.counts", "minus.counts", "profile"):
        with open_contributions(tmp_path / f"a.{name}.h5") as found:
            assert len(found) == done.n_windows == 10
            assert found.head == name.split(".")[-1]
            for unit in units:
                tested = np.isin(found.chrom, open_trained((unit,), None).units[0].fold.test)
                with open_contributions(tmp_path / f"{unit.parent.name}.{name}.h5") as one:
                    expected = one.hypothetical(EVERYTHING)
                assert tested.any()
                np.testing.assert_allclose(found.hypothetical(EVERYTHING)[tested], expected[tested], atol=1e-6)


def test_the_file_says_where_windows_are_and_what_they_were_explained_with(
    run: CrossValidation, peaks: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    interpret_to_files(ask(run.folder, tmp_path / "a", peaks, heads=(Head.PROFILE,)))
    found = read(tmp_path / "a.profile.h5")
    summits = [int(line.split("\t")[1]) + 40 for line in peaks.read_text().splitlines()]
    assert found["center"].tolist() == summits
    assert found["coords_start"].tolist() == [summit - 100 for summit in summits]
    assert (found["coords_end"] - found["coords_start"] == 200).all()
    assert dict(zip(found["chroms"].astype(str), found["chrom_sizes"], strict=True)) == ASSEMBLY.as_dict()
    attrs = found["attrs"]
    assert (attrs["method"], attrs["engine"], attrs["reference"]) == ("deepshap", "fast", "shuffled")
    assert (attrs["n_references"], attrs["seed"]) == (3, 0)
    assert list(attrs["tasks"]) == ["plus", "minus"]
    assert attrs["models"] == '["fold-0/seed-1", "fold-1/seed-1", "fold-2/seed-1"]'
    tokens = np.where(found["input_seqs"].any(axis=2), found["input_seqs"].argmax(axis=2), 4)
    planted = encode(MOTIF)
    strong = [i for i, row in enumerate(tokens) if np.array_equal(row[86 : 86 + len(MOTIF)], planted)]
    assert len(strong) == 10


def test_all_models_are_averaged_and_their_spread_is_kept(run: CrossValidation, peaks: Path, tmp_path: Path) -> None:
    units = sorted(run.folder.glob("fold-*/seed-*"))
    options: Any = {"heads": (Head.COUNTS,), "tasks": ("minus",)}
    singles = []
    for unit in units:
        interpret_to_files(ask(unit, tmp_path / unit.parent.name, peaks, **options))
        with open_contributions(tmp_path / f"{unit.parent.name}.counts.h5") as one:
            singles.append((one.hypothetical(EVERYTHING), one.actual(EVERYTHING)))
            assert one.spread(EVERYTHING) is None
    done = interpret_to_files(ask(run.folder, tmp_path / "all", peaks, held_out=False, **options))
    assert (done.n_models, done.how) == (3, "the average of all")
    one_chrom = tmp_path / "chr1.bed"
    one_chrom.write_text("chr1\t5000\t5020\n")
    assert (
        interpret_to_files(ask(run.folder, tmp_path / "one", one_chrom, center=Center.CENTER, **options)).n_models == 1
    )
    with open_contributions(tmp_path / "all.counts.h5") as found:
        np.testing.assert_allclose(found.hypothetical(EVERYTHING), np.mean([h for h, _ in singles], axis=0), atol=1e-6)
        expected = np.std([actual for _, actual in singles], axis=0, ddof=1)
        np.testing.assert_allclose(found.spread(EVERYTHING), expected, atol=1e-6)


def test_an_interrupted_explanation_does_no_finished_shard_again(
    run: CrossValidation, peaks: Path, tmp_path: Path
) -> None:
    do, n_done = ContributionJob.do, []

    def counted(job: Any, shard: int) -> int:
        if len(n_done) == 2:
            raise KeyboardInterrupt
        n_done.append(shard)
        return do(job, shard)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ContributionJob, "do", counted)
        with pytest.raises(KeyboardInterrupt):
            interpret_to_files(ask(run.folder, tmp_path / "a", peaks))
    assert not list(tmp_path.glob("a.*.h5"))
    with pytest.raises(RunError, match="holds parts of another explanation to a"):
        interpret_to_files(ask(run.folder, tmp_path / "a", peaks, settings=ExplainSettings(n_references=2)))
    assert interpret_to_files(ask(run.folder, tmp_path / "a", peaks)).n_now == 2
    assert interpret_to_files(ask(run.folder, tmp_path / "b", peaks)).n_now == 10
    for name in ("plus.counts", "minus.counts", "profile"):
        one, other = read(tmp_path / f"a.{name}.h5"), read(tmp_path / f"b.{name}.h5")
        for dataset in ("hyp_scores", "input_seqs", "error", "center"):
            assert np.array_equal(one[dataset], other[dataset])
    assert interpret_to_files(ask(run.folder, tmp_path / "a", peaks)).n_now == 0
    with pytest.raises(RunError, match="is there already, and not of these models, windows and settings"):
        interpret_to_files(ask(run.folder, tmp_path / "a", peaks, settings=ExplainSettings(n_references=2)))


def test_workers_and_the_order_of_windows_change_nothing(run: CrossValidation, peaks: Path, tmp_path: Path) -> None:
    lines = peaks.read_text().splitlines(keepends=True)
    order = np.random.default_rng(0).permutation(len(lines))
    (tmp_path / "shuffled.narrowPeak").write_text("".join(lines[i] for i in order))
    options: Any = {"heads": (Head.PROFILE,)}
    interpret_to_files(ask(run.folder, tmp_path / "a", peaks, **options))
    interpret_to_files(ask(run.folder, tmp_path / "b", tmp_path / "shuffled.narrowPeak", workers=2, **options))
    one, other = read(tmp_path / "a.profile.h5"), read(tmp_path / "b.profile.h5")
    assert np.array_equal(one["center"][order], other["center"])
    np.testing.assert_allclose(one["hyp_scores"][order], other["hyp_scores"], atol=1e-7)


@pytest.mark.parametrize("method", [Method.GRADIENT, Method.ISM, Method.SCRAMBLE])
def test_other_methods_write_the_same_file(run: CrossValidation, peaks: Path, tmp_path: Path, method: Method) -> None:
    within = {} if method is Method.GRADIENT else {"within_bp": 12}
    settings = ExplainSettings(method, n_references=2, **within)
    done = interpret_to_files(ask(run.folder, tmp_path / "a", peaks, settings=settings, together=True))
    assert [path.name for path in done.files] == ["a.counts.h5", "a.profile.h5"]
    assert done.greatest_error is None
    with open_contributions(tmp_path / "a.counts.h5") as found:
        assert found.attrs["method"] == method
        assert found.tasks == ("plus", "minus")
        assert found.actual(EVERYTHING).any(axis=1).all()


def test_other_layouts_hold_the_same_contributions(run: CrossValidation, peaks: Path, tmp_path: Path) -> None:
    options: Any = {"heads": (Head.COUNTS,), "together": True}
    interpret_to_files(ask(run.folder, tmp_path / "a", peaks, **options))
    for layout in (ContributionLayout.CHROMBPNET, ContributionLayout.BPNET, ContributionLayout.KERASAC):
        interpret_to_files(ask(run.folder, tmp_path / layout, peaks, layout=layout, **options))
    with open_contributions(tmp_path / "a.counts.h5") as ours:
        hypothetical, actual, start = ours.hypothetical(EVERYTHING), ours.actual(EVERYTHING), ours.start
        bases = ours.one_hot(EVERYTHING)
    regions = tmp_path / "chrombpnet.interpreted_regions.bed"
    for name in ("chrombpnet", "bpnet"):
        with open_contributions(tmp_path / f"{name}.counts_scores.h5", regions=regions) as theirs:
            np.testing.assert_allclose(theirs.hypothetical(EVERYTHING), hypothetical, rtol=1e-3, atol=1e-7)
            assert np.array_equal(theirs.start, start)
    with h5py.File(tmp_path / "chrombpnet.counts_scores.h5") as file:
        assert file["raw/seq"].shape == file["shap/seq"].shape == (10, 4, 200)
        projected = file["projected_shap/seq"][:].astype(np.float32)
        np.testing.assert_allclose(projected.sum(axis=1), actual, rtol=1e-3, atol=1e-6)
    observed = np.load(tmp_path / "kerasac.observed.count.npy")
    np.testing.assert_allclose(observed.sum(axis=2), actual, atol=1e-7)
    assert np.array_equal(np.load(tmp_path / "kerasac.seq.npy"), bases)
    np.testing.assert_allclose(np.load(tmp_path / "kerasac.hyp.count.npy"), hypothetical)


def test_regions_without_a_window_are_counted_and_listed(run: CrossValidation, tmp_path: Path) -> None:
    (tmp_path / "r.bed").write_text("chr1\t0\t20\nchr1\t5000\t5020\nchrZ\t5000\t5020\n")
    done = interpret_to_files(ask(run.folder, tmp_path / "a", tmp_path / "r.bed", center=Center.CENTER))
    assert done.n_windows == 1
    assert done.left_out == {"whose window would leave its chromosome": 1, "on chromosomes that the genome lacks": 1}
    assert done.dropped is not None
    assert done.dropped.read_text() == "chr1\t0\t20\nchrZ\t5000\t5020\n"


@pytest.mark.parametrize(
    ("regions", "options", "message"),
    [
        ("", {}, "no region of .* has a window .*the file is empty"),
        ("chr1\t5000\t5020\n", {"heads": (Head.VALUE,)}, "the model has no value head; it has: counts, profile"),
        ("chr1\t5000\t5020\n", {"tasks": ("pluss",)}, "no task 'pluss'; did you mean 'plus'"),
        ("chr1\t5000\t5020\n", {"tasks": ("plus",), "together": True}, "leave out one of the two"),
        ("chr1\t5000\t5020\n", {"corrected": True}, "has no model_corrected.keras"),
        ("chr1\t5000\t5020\n", {"settings": ExplainSettings(Method.ISM, within_bp=201)}, "201 .* a window of 200;"),
        ("chr1\t5000\t5020\n", {"shard_windows": 3}, "it is a power of two"),
    ],
)
def test_what_cannot_be_explained_is_said_before_any_model_is_loaded(
    run: CrossValidation, tmp_path: Path, regions: str, options: dict[str, Any], message: str
) -> None:
    (tmp_path / "r.bed").write_text(regions)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ContributionJob, "do", lambda *_: pytest.fail("explained"))
        with pytest.raises(KerasacError, match=message):
            interpret_to_files(ask(run.folder, tmp_path / "a", tmp_path / "r.bed", center=Center.CENTER, **options))


def test_a_file_of_no_run_is_explained_with_its_experiment(run: CrossValidation, peaks: Path, tmp_path: Path) -> None:
    model = min(run.folder.glob("fold-*/seed-*/model.keras"))
    shutil.copy(model, tmp_path / "m.keras")
    experiment = run.folder / "experiment.yaml"
    shap = ExplainSettings(n_references=3, engine=Engine.SHAP)
    options: Any = {"heads": (Head.PROFILE,)}
    interpret_to_files(
        ask(tmp_path / "m.keras", tmp_path / "a", peaks, experiment=experiment, settings=shap, **options)
    )
    interpret_to_files(ask(model.parent, tmp_path / "b", peaks, **options))
    one, other = read(tmp_path / "a.profile.h5"), read(tmp_path / "b.profile.h5")
    scale = np.abs(other["hyp_scores"]).max()
    np.testing.assert_allclose(one["hyp_scores"], other["hyp_scores"], atol=1e-5 * scale)
