"""Variants, motifs and regions are scored by the models that did not see them and by all, however often interrupted."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from binned import TASKS, binned_experiment, make_binned_files
from tiny import ASSEMBLY, MOTIF, tiny_experiment

from kerasac.errors import ConfigError, GenomeError, RunError
from kerasac.interpret.variant_job import VariantJob
from kerasac.runs import shard_workers, sharded
from kerasac.runs.ablation import AblationRequest, ablate_regions
from kerasac.runs.marginal import MarginalRequest, marginal_effects
from kerasac.runs.trained import open_trained
from kerasac.runs.variants import VariantRequest, score_variants

if TYPE_CHECKING:
    from kerasac.config import Experiment
    from kerasac.runs.crossval import CrossValidation

pytestmark = [pytest.mark.ray, pytest.mark.keras]

OTHER = {"A": "C", "C": "A", "G": "T", "T": "G"}


@pytest.fixture(scope="module")
def letters(tiny_folder: Path) -> dict[str, str]:
    """The chromosomes."""
    records = (tiny_folder / "genome.fa").read_text().split(">")[1:]
    return {name: "".join(lines) for name, *lines in (record.splitlines() for record in records)}


@pytest.fixture(scope="module")
def table(letters: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Variants that break the motif's copies, deletions of two of its bases, and one that cannot be scored."""
    lines = ["id\tchrom\tpos\tref\talt", f"edge\tchr1\t5\t{letters['chr1'][4]}\tN"]
    for chrom, sequence in letters.items():
        places = [i for i in range(600, len(sequence) - 600) if sequence.startswith(MOTIF, i)]
        for i in places[:4]:
            lines.append(f"snv{i}\t{chrom}\t{i + 4}\t{MOTIF[3]}\t{OTHER[MOTIF[3]]}")
            lines.append(f"del{i}\t{chrom}\t{i + 3}\t{MOTIF[2:5]}\t{MOTIF[2]}")
    path = tmp_path_factory.mktemp("variants") / "v.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


def ask(source: Path, table: Path, out: Path, **options: Any) -> VariantRequest:
    return VariantRequest((source,), table, out, **{"workers": 1, **options})


def rows_of(path: Path) -> list[dict[str, str]]:
    header, *lines = (line.split("\t") for line in path.read_text().splitlines())
    return [dict(zip(header, line, strict=True)) for line in lines]


def travelled(job: Any, shards: Any, *, workers: int | None) -> Iterator[int]:
    """Do the shards by what a worker gets of a job, the last one first."""
    copy = pickle.loads(pickle.dumps(job))
    assert copy.digest() == job.digest()
    return shard_workers.run_shards(copy, shards[::-1], workers=workers)


def test_each_variant_is_scored_by_its_folds_and_by_all(run: CrossValidation, table: Path, tmp_path: Path) -> None:
    done = score_variants(ask(run.folder, table, tmp_path / "v"))
    rows, folds = rows_of(tmp_path / "v.tsv"), rows_of(tmp_path / "v.folds.tsv")
    assert done.n_variants == done.n_now == 40
    assert len(rows) == 40 * 3
    assert len(folds) == 40 * 3 * 3
    units = {unit.name: unit for unit in open_trained((run.folder,), None).units}
    for row in rows[::7]:
        mine = [one for one in folds if (one["id"], one["task"]) == (row["id"], row["task"])]
        scores = {one["model"]: float(one["log2fc"]) for one in mine}
        tested = [name for name, unit in units.items() if row["chrom"] in unit.fold.test]
        assert sorted(one["model"] for one in mine if one["held_out"] == "1") == sorted(tested)
        assert float(row["log2fc_held_out"]) == pytest.approx(np.mean([scores[name] for name in tested]), rel=1e-4)
        assert float(row["log2fc_all"]) == pytest.approx(np.mean(list(scores.values())), rel=1e-4)
        assert float(row["log2fc_sd_all"]) == pytest.approx(np.std(list(scores.values()), ddof=1), rel=1e-3)
        assert (row["n_models_held_out"], row["n_models_all"]) == ("1", "3")


def test_what_is_left_out_is_counted_and_listed(run: CrossValidation, table: Path, tmp_path: Path) -> None:
    done = score_variants(ask(run.folder, table, tmp_path / "v", held_out_only=True))
    assert sum(done.left_out.values()) == 1
    (row,) = rows_of(done.left_out_file)
    assert row["id"] == "edge"
    assert "letters" in row["reason"]
    facts = json.loads((tmp_path / "v.json").read_text())
    assert facts["left_out"] == done.left_out
    assert "log2" in facts["definitions"]["log2fc"]


def test_scores_are_those_of_predict_on_an_edited_genome(
    run: CrossValidation, letters: dict[str, str], table: Path, tmp_path: Path
) -> None:
    """The way through FASTA, windows and predict, of one model and the forward strand and its reverse complement."""
    import keras

    from kerasac.genome.sequence import encode, reverse_complement

    unit = sorted(run.folder.glob("fold-*/seed-*"))[0]
    score_variants(ask(unit, table, tmp_path / "v"))
    row = next(row for row in rows_of(tmp_path / "v.tsv") if row["id"].startswith("del") and row["task"] == "plus")
    chrom, first = letters[row["chrom"]], int(row["pos"])
    edited = chrom[:first] + chrom[first + 2 :]
    tokens = np.stack([encode(one[first - 100 : first + 100]) for one in (chrom, edited)])
    model = keras.models.load_model(unit / "model.keras")
    forward, reverse = (
        model.predict({"sequence": one}, verbose=0)["logcount"] for one in (tokens, reverse_complement(tokens))
    )
    logs = (forward[:, 0] + reverse[:, 1]) / 2  # minus takes the place of plus on the other strand
    pseudocount = open_trained((unit,), None).counts_spec.pseudocount
    counts = np.maximum(np.exp(logs) - pseudocount, 0) + pseudocount
    assert float(row["log2fc_all"]) == pytest.approx(np.log2(counts[1] / counts[0]), abs=1e-4)


def test_an_interrupted_scoring_does_no_finished_shard_again(
    run: CrossValidation, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []
    do = VariantJob.do

    def counted(job: Any, shard: int) -> int:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(shard)
        return do(job, shard)

    small: Any = {"shard_variants": 16, "n_null": 20}
    with monkeypatch.context() as patch:
        patch.setattr(VariantJob, "do", counted)
        with pytest.raises(KeyboardInterrupt):
            score_variants(ask(run.folder, table, tmp_path / "a", **small))
    assert not (tmp_path / "a.tsv").exists()
    rest = score_variants(ask(run.folder, table, tmp_path / "a", **small))
    assert (rest.n_variants, rest.n_null, rest.n_now) == (40, 40, 80 - 32)
    assert not (tmp_path / "a.parts").exists()
    score_variants(ask(run.folder, table, tmp_path / "b", **{**small, "shard_variants": 7}))
    ours, theirs = ((tmp_path / f"{name}.tsv").read_text().split() for name in "ab")
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert one == other or float(one) == pytest.approx(float(other), abs=2e-5)
    assert score_variants(ask(run.folder, table, tmp_path / "a", **small)).n_now == 0
    with pytest.raises(RunError, match="is there already"):
        score_variants(ask(run.folder, table, tmp_path / "a", n_null=30))


def test_a_job_that_travelled_to_a_worker_writes_the_same(
    run: CrossValidation, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        score_variants(ask(run.folder, table, tmp_path / name, held_out_only=True, shard_variants=16))
        monkeypatch.setattr(sharded, "run_shards", travelled)
    assert (tmp_path / "a.tsv").read_text() == (tmp_path / "b.tsv").read_text()


def test_control_tracks_are_those_of_the_place_for_both_alleles(
    tiny_folder: Path,
) -> None:
    """A model of sequence and controls is asked with what the array has there, mirrored on the other strand."""
    from kerasac.interpret.both_strands import ends_of
    from kerasac.steps.prediction_data import open_reading

    control = {"source": ["control_plus", "control_minus"], "flank": 30}
    experiment = tiny_experiment(
        tiny_folder,
        inputs=[{"name": "sequence", "source": "seq", "flank": 100}, {"name": "control_profile", **control}],
    )
    reading, ends = open_reading(experiment, labelled=False), ends_of(experiment)
    centers = np.array([5_000, ASSEMBLY.offsets[1] + 700])
    beside = ends.beside(reading, centers)
    forward, reverse = beside.forward["control_profile"], beside.reverse["control_profile"]
    assert forward.shape == (2, 60, 2)
    assert forward.any()
    assert np.array_equal(reverse, forward[:, ::-1, ::-1])


def test_a_model_of_no_run_is_one_of_all_and_takes_its_controls(tiny_folder: Path, table: Path, tmp_path: Path) -> None:
    control = {"source": ["control_plus", "control_minus"], "flank": 30}
    inputs = [
        {"name": "sequence", "source": "seq", "flank": 100},
        {"name": "control_profile", **control},
        {"name": "control_logcount", **control, "aggregate": "sum", "transform": "log"},
    ]
    experiment = tiny_experiment(tiny_folder, inputs=inputs)
    model = write_model(experiment, tmp_path)
    done = score_variants(
        ask(model, table, tmp_path / "v", experiment=tmp_path / "experiment.yaml", n_null=5, n_plots=1)
    )
    row = rows_of(done.out)[0]
    assert "log2fc_held_out" not in row
    assert "log2fc_p_all" in row
    assert {one["held_out"] for one in rows_of(done.folds)} == {"NA"}
    assert len(done.plots) == 1
    with pytest.raises(ConfigError, match="leave out --held-out"):
        score_variants(ask(model, table, tmp_path / "w", experiment=tmp_path / "experiment.yaml", held_out_only=True))


def test_models_of_bins_have_effects_on_their_values(table: Path, tmp_path: Path) -> None:
    make_binned_files(tmp_path / "binned")
    model = write_model(binned_experiment(tmp_path / "binned"), tmp_path)
    files: Any = {"experiment": tmp_path / "experiment.yaml", "workers": 1}
    done = score_variants(ask(model, table, tmp_path / "v", n_plots=1, **files))
    rows = rows_of(done.out)
    assert [row["task"] for row in rows[:2]] == list(TASKS)
    odds = [np.log(p / (1 - p)) for p in (float(rows[0]["alt_value_all"]), float(rows[0]["ref_value_all"]))]
    assert float(rows[0]["log_odds_all"]) == pytest.approx(odds[0] - odds[1], abs=1e-4)
    assert len(done.plots) == 1
    told = marginal_effects(MarginalRequest((model,), tmp_path / "m", motifs=(("m", MOTIF),), n=3, **files))
    assert told.score == "log_odds"
    assert not (tmp_path / "m.footprints.h5").exists()
    (tmp_path / "r.bed").write_text("chr1\t5000\t5010\n")
    assert ablate_regions(AblationRequest((model,), tmp_path / "r.bed", tmp_path / "a", n=2, **files)).n_regions == 1


def write_model(experiment: Experiment, folder: Path) -> Path:
    """Write an untrained model, and the experiment that says what goes in and comes out."""
    import keras

    from kerasac.models.contract import contract_of
    from kerasac.models.registry import build_model, read_parameters

    keras.utils.set_random_seed(1)
    parameters = read_parameters(experiment.model.architecture, experiment.model.parameters)
    build_model(experiment.model.architecture, contract_of(experiment), parameters).save(folder / "model.keras")
    (folder / "experiment.yaml").write_text(yaml.safe_dump(experiment.as_dict()))
    return folder / "model.keras"


def test_the_largest_effects_are_drawn_from_what_is_scored(run: CrossValidation, table: Path, tmp_path: Path) -> None:
    score_variants(ask(run.folder, table, tmp_path / "v", held_out_only=True))
    done = score_variants(ask(run.folder, table, tmp_path / "v", held_out_only=True, n_plots=1))
    assert done.n_now == 0
    (path,) = done.plots
    rows = [row for row in rows_of(done.out) if row["task"] == "plus+minus"]
    best = max(rows, key=lambda row: abs(float(row["log2fc_held_out"])))
    assert path.name.startswith(f"001_{best['id']}_")
    assert path.stat().st_size > 10_000


def test_mistakes_are_named_before_anything_is_scored(run: CrossValidation, table: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.tsv").write_text("")
    (tmp_path / "named.tsv").write_text("id\tchrom\tpos\tref\talt\n.\t1\t700\tA\tC\n")
    (tmp_path / "wrong.tsv").write_text("id\tchrom\tpos\tref\talt\n.\tchr1\t700\tNN\tC\n")
    cases: list[tuple[Path, dict[str, Any], type[Exception], str]] = [
        (tmp_path / "empty.tsv", {}, GenomeError, "holds no variant"),
        (tmp_path / "named.tsv", {}, GenomeError, "is called 'chr1' there"),
        (tmp_path / "wrong.tsv", {}, GenomeError, "no variant of .* can be scored: 1 with an allele"),
        (table, {"task": "nothing"}, ConfigError, "there is no task 'nothing'"),
    ]
    for path, options, error, message in cases:
        with pytest.raises(error, match=message):
            score_variants(ask(run.folder, path, tmp_path / "v", **options))
    with pytest.raises(ConfigError, match="n_null is -1"):
        ask(run.folder, table, tmp_path / "v", n_null=-1)
    assert not (tmp_path / "v.parts").exists()


def test_motifs_in_backgrounds_are_told_with_their_floor(
    run: CrossValidation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharded, "run_shards", travelled)
    request = MarginalRequest(
        (run.folder,),
        tmp_path / "m",
        motifs=(("planted", MOTIF), ("other", "GGCCGGCC")),
        n=6,
        pairs=(("planted", "other"),),
        spacings=(4, 8),
        workers=1,
    )
    done = marginal_effects(request)
    assert done.n_now == done.n_backgrounds == 6
    assert {path.name for path in done.files} == {"m.tsv", "m.footprints.h5", "m.pairs.tsv", "m.png", "m.pairs.png"}
    rows = rows_of(tmp_path / "m.tsv")
    assert {row["motif"] for row in rows} == {"planted", "other"}
    assert len(rows) == 2 * 3 * 3
    means = {name: mean for name, mean, _, _ in done.effects}
    both = next(
        row for row in rows if (row["motif"], row["orientation"], row["task"]) == ("planted", "both", "plus+minus")
    )
    assert float(both["log2fc"]) == pytest.approx(means["planted"], rel=1e-4)
    again = marginal_effects(request)
    assert again.n_now == 0
    assert again.effects == done.effects


def test_a_replaced_region_is_scored_with_its_shuffles(
    run: CrossValidation, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharded, "run_shards", travelled)
    lines = (tiny_folder / "peaks.narrowPeak").read_text().splitlines()[:4]
    (tmp_path / "r.bed").write_text("\n".join([*lines, "chr1\t0\t20", "chr9\t0\t20"]) + "\n")
    done = ablate_regions(AblationRequest((run.folder,), tmp_path / "r.bed", tmp_path / "a", n=3, workers=1))
    assert done.n_regions == 4
    assert sum(done.left_out.values()) == 2
    rows = rows_of(tmp_path / "a.tsv")
    assert len(rows) == 4 * 3
    assert all(float(row["log2fc_sd_shuffles_all"]) > 0 for row in rows)
    assert rows[0]["n_models_all"] == "3"
    again = ablate_regions(AblationRequest((run.folder,), tmp_path / "r.bed", tmp_path / "a", n=3, workers=1))
    assert again.n_now == 0


def test_a_replaced_region_is_replaced_and_nothing_else(run: CrossValidation, tmp_path: Path) -> None:
    """Where all of a region lies outside what a model sees, or has one base, nothing changes."""
    from kerasac.interpret.ablation import AblationJob, Regions

    seen: list[np.ndarray] = []

    class Recorder:
        width_bp, width_out = 20, 1

        def predict(self, model: Any, tokens: Any, beside: Any) -> Any:
            raise AssertionError

    genome = np.random.default_rng(0).integers(0, 4, 100).astype(np.uint8)
    regions = Regions(np.array([0, 0]), np.array([40, 51]), np.array([46, 54]))
    job: Any = object.__new__(AblationJob)
    for name, value in {"ends": Recorder(), "regions": regions, "n_shuffles": 5, "seed": 0}.items():
        object.__setattr__(job, name, value)
    for item, (start, end) in enumerate(((40, 46), (51, 54))):
        center = (start + end) // 2
        found = job._sequences(item, center, genome)
        seen.append(found)
        assert np.array_equal(found[0], genome[center - 10 : center + 10])
        low, high = start - center + 10, end - center + 10
        outside = np.r_[0:low, high:20]
        assert (found[1:, outside] == found[0, outside]).all()
        assert (found[1:, low:high] != found[0, low:high]).any()
