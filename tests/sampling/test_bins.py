"""Which bins are drawn, how often, and what is read for them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from binned import BIN_BP, STRIDE, binned_experiment, bins, make_binned_files, write_labels
from pydantic import ValidationError
from tiny import ASSEMBLY

from kerasac.config import BinSampling, SamplingSpec
from kerasac.errors import SamplingError
from kerasac.genome.folds import Fold
from kerasac.genome.sequence import fasta_assembly, reverse_complement
from kerasac.sampling.batches import Source
from kerasac.sampling.bins import BinPlan, BinSource, make_bin_sources
from kerasac.sampling.plan import Plan
from kerasac.sampling.stream import stream_in_process

FOLD = Fold(0, ("chr1", "chr2"), ("chr3",), ("chr4", "chr5"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("binned")
    make_binned_files(path)
    return path


def sources(folder: Path, **changes: Any) -> tuple[BinSource, BinSource]:
    return make_bin_sources(binned_experiment(folder, **changes), ASSEMBLY)


def plan(folder: Path, *, seed: int = 1, labels: Any = "labels.tsv", **sampling: Any) -> BinPlan:
    spec = SamplingSpec(**{"bins": {"thresholds": [0.5], "ratios": [0.4]}, "train_size": 200, **sampling})
    return BinPlan(*sources(folder, labels=labels), spec, FOLD, seed)


def numbered(tmp_path: Path, values: np.ndarray | None = None) -> Path:
    """Write labels of one task, by default the number of each bin."""
    table = bins()
    if values is not None:
        table["number"] = values
    return write_labels(tmp_path / "numbered.tsv", table)


def test_both_stand_in_for_windows_of_tracks(folder: Path) -> None:
    source: Source = sources(folder)[0]
    standing: Plan = plan(folder)
    assert source.read(standing.valid())["labels"].shape[1] == 2


def test_values_and_sequence_are_those_of_the_bin(folder: Path, tmp_path: Path) -> None:
    outputs = [{"name": "labels", "source": "number", "kind": "regression"}]
    source = sources(folder, labels=str(numbered(tmp_path)), outputs=outputs)[0]
    windows = plan(folder).train(0)
    batch = source.batch(windows)
    chrom, center = windows.coordinates(ASSEMBLY)
    first = {name: bins().query("CHR == @name").number.iloc[0] for name in ASSEMBLY.names}
    expected = [first[c] + (p - BIN_BP // 2) / STRIDE for c, p in zip(chrom.tolist(), center.tolist(), strict=True)]
    np.testing.assert_array_equal(batch.outputs["labels"][:, 0], expected)
    genome = source.tokens.open()
    for i in range(20):
        row = windows.center[i]
        tokens = genome[row - BIN_BP // 2 : row + BIN_BP // 2]
        np.testing.assert_array_equal(
            batch.inputs["sequence"][i], reverse_complement(tokens) if windows.reverse[i] else tokens
        )
    assert windows.reverse.any()
    assert not windows.reverse.all()


def test_further_inputs_are_looked_up_by_bin(folder: Path) -> None:
    inputs = [
        {"name": "sequence", "source": "seq", "flank": 100},
        {"name": "gc", "source": ["gc"], "file": "gc.tsv"},
    ]
    source = sources(folder, inputs=inputs)[0]
    windows = plan(folder).valid()
    expected = pd.read_csv(folder / "gc.tsv", sep="\t").query("CHR == 'chr3'").gc.to_numpy(np.float32)
    rows = (windows.coordinates(ASSEMBLY)[1] - BIN_BP // 2) // STRIDE
    np.testing.assert_array_equal(source.batch(windows).inputs["gc"][:, 0], expected[rows])


def test_validation_reads_the_validation_file(folder: Path, tmp_path: Path) -> None:
    table = pd.read_csv(folder / "labels.tsv", sep="\t")
    other = write_labels(tmp_path / "valid.tsv", table.assign(strong=1.0, peak=1.0)[::2])
    both = {"train": "labels.tsv", "valid": str(other)}
    train, held_out = sources(folder, labels=both)
    standing = plan(folder, labels=both)
    assert (held_out.read(standing.valid())["labels"] == 1).all()
    assert (held_out.read(standing.test())["labels"] == 1).all()
    assert (train.read(standing.train(0))["labels"] == 0).any()
    assert len(standing.valid()) == (table[::2].CHR == "chr3").sum()


@pytest.mark.parametrize(("ratios", "positive"), [([0.4], 80), ([1.0], 200), ([0.0], 0), ([0.333], 67)])
def test_epoch_has_the_shares_that_were_asked_for(folder: Path, ratios: list[float], positive: int) -> None:
    windows = plan(folder, bins={"thresholds": [0.5], "ratios": ratios}).train(3)
    assert (len(windows), int(windows.is_peak.sum())) == (200, positive)


def test_several_thresholds_cut_several_parts(folder: Path, tmp_path: Path) -> None:
    n = len(bins())
    path = numbered(tmp_path, np.arange(n) % 4)
    outputs = [{"name": "labels", "source": "number", "kind": "regression"}]
    spec = SamplingSpec(bins={"thresholds": [1, 2, 3], "ratios": [0.2, 0.1, 0.5]}, train_size=100)
    train, held_out = sources(folder, labels=str(path), outputs=outputs)
    values = train.read(BinPlan(train, held_out, spec, FOLD, 1).train(0))["labels"][:, 0]
    assert np.bincount(values.astype(int)).tolist() == [20, 20, 10, 50]


def test_small_part_is_drawn_evenly_before_it_is_drawn_again(folder: Path) -> None:
    windows = plan(folder, bins={"thresholds": [0.5], "ratios": [1.0]}, train_size=300).train(0)
    _, counts = np.unique(windows.center, return_counts=True)
    assert counts.max() - counts.min() <= 1
    assert counts.max() > 1


def test_without_thresholds_an_epoch_is_every_labelled_bin_once(folder: Path) -> None:
    windows = plan(folder, bins={}, train_size=None).train(0)
    table = pd.read_csv(folder / "labels.tsv", sep="\t").query("CHR in ['chr1', 'chr2']")
    assert len(windows) == table[["strong", "peak"]].notna().any(axis=1).sum()
    assert len(np.unique(windows.center)) == len(windows)


def test_bins_ambiguous_in_every_task_are_never_planned(folder: Path) -> None:
    source = sources(folder)[0]
    for windows in (plan(folder).train(0), plan(folder).valid(), plan(folder).test()):
        assert not np.isnan(source.read(windows)["labels"]).all(axis=1).any()
    assert np.isnan(source.labels.open().values).all(axis=1).any()


def test_blacklisted_bins_are_never_planned(folder: Path, tmp_path: Path) -> None:
    listed = tmp_path / "listed.bed"
    listed.write_text("chr1\t0\t40000\nchr4\t1000\t1050\n")
    genome = {"fasta": "genome.fa", "chrom_sizes": "chrom.sizes"}
    spec = SamplingSpec(bins={}, train_size=None)
    plain = sources(folder, genome=genome)
    without = sources(folder, genome={**genome, "blacklist": str(listed)})
    chroms = set(BinPlan(*without, spec, FOLD, 1).train(0).coordinates(ASSEMBLY)[0].tolist())
    assert chroms == {"chr2"}
    everywhere = BinPlan(*plain, spec, FOLD, 1).test().center
    tested = BinPlan(*without, spec, FOLD, 1).test().center
    offset = int(ASSEMBLY.offsets[ASSEMBLY.index("chr4")])
    dropped = np.setdiff1d(everywhere, tested) - offset
    assert dropped.tolist() == [1000]  # the one bin that has its centre there
    assert plain[0].content() != without[0].content()
    (tmp_path / "none.bed").write_text("")
    assert (
        sources(folder, genome={**genome, "blacklist": str(tmp_path / "none.bed")})[0].content() == plain[0].content()
    )


def test_windows_stay_on_their_chromosome(folder: Path) -> None:
    inputs = [{"name": "sequence", "source": "seq", "flank": 500}]
    train, held_out = sources(folder, inputs=inputs)
    spec = SamplingSpec(bins={}, train_size=None)
    windows = BinPlan(train, held_out, spec, FOLD, 1).test()
    chrom, center = windows.coordinates(ASSEMBLY)
    sizes = np.array([ASSEMBLY.as_dict()[name] for name in chrom.tolist()])
    assert center.min() >= 500
    assert (center + 500 <= sizes).all()


def test_plan_is_a_function_of_seed_fold_and_epoch(folder: Path) -> None:
    assert plan(folder).digest(3) == plan(folder).digest(3)
    assert plan(folder).train(0).digest() != plan(folder).train(1).digest()
    assert plan(folder).train(0).digest() != plan(folder, seed=2).train(0).digest()
    assert plan(folder).valid().digest() == plan(folder, seed=2).valid().digest()


def test_splits_share_no_chromosome(folder: Path) -> None:
    standing = plan(folder)
    found = [set(table.coordinates(ASSEMBLY)[0]) for table in (standing.train(0), standing.valid(), standing.test())]
    assert found == [set(FOLD.train), set(FOLD.valid), set(FOLD.test)]


def test_validation_has_its_own_shares_and_size(folder: Path) -> None:
    sampling = {"thresholds": [0.5], "ratios": [0.4], "valid_ratios": [0.5]}
    windows = plan(folder, bins=sampling, valid_size=60).valid()
    assert (len(windows), int(windows.is_peak.sum())) == (60, 30)
    natural = plan(folder, valid_size=60).valid()
    assert natural.is_peak.mean() < 0.3


def test_stream_gives_every_planned_bin_in_order(folder: Path) -> None:
    source, standing = sources(folder)[0], plan(folder)
    batches = list(stream_in_process(source, standing.train, [0, 1], 48))
    expected = np.concatenate([source.read(standing.train(epoch))["labels"] for epoch in (0, 1)])
    np.testing.assert_array_equal(np.concatenate([batch["labels"] for batch in batches]), expected)
    assert [len(batch["labels"]) for batch in batches] == [48, 48, 48, 48, 8] * 2
    signature = source.signature()
    assert all(batches[0][name].dtype == array.dtype for name, array in signature.items())


def test_source_travels_small(folder: Path) -> None:
    source = sources(folder)[0]
    source.batch(plan(folder).valid())
    assert len(pickle.dumps(source)) < 10_000
    assert pickle.loads(pickle.dumps(source)).content() == source.content()


@pytest.mark.parametrize(
    ("sampling", "said"),
    [
        ({"bins": {"thresholds": [2.0], "ratios": [0.5]}}, "no bin of the train split .* at least 2"),
        ({"bins": {"thresholds": [-1], "ratios": [0.5]}}, "no bin of the train split .* below -1"),
    ],
)
def test_part_that_is_empty_is_named(folder: Path, sampling: dict[str, Any], said: str) -> None:
    with pytest.raises(SamplingError, match=said):
        plan(folder, **sampling)


@pytest.mark.parametrize("ratios", [[0.7, 0.2, 0.1], [0.6, 0.3, 0.1]])
def test_ratios_that_leave_nothing_but_rounding_need_no_other_bins(
    folder: Path, tmp_path: Path, ratios: list[float]
) -> None:
    values = np.arange(len(bins()), dtype=np.float32) % 3
    labels = str(numbered(tmp_path, values))
    outputs = [{"name": "labels", "source": "number", "kind": "regression"}]
    spec = SamplingSpec(bins={"thresholds": [0, 1, 2], "ratios": ratios}, train_size=200)
    drawn = BinPlan(*sources(folder, labels=labels, outputs=outputs), spec, FOLD, 1).train(0)
    assert len(drawn) == 200


def test_split_without_bins_is_named(folder: Path, tmp_path: Path) -> None:
    table = pd.read_csv(folder / "labels.tsv", sep="\t").query("CHR != 'chr3'")
    with pytest.raises(SamplingError, match=r"no usable bin in the valid split of fold 0 \(chr3\)"):
        plan(folder, labels=str(write_labels(tmp_path / "l.tsv", table)))


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"thresholds": [2, 1], "ratios": [0.1, 0.1]}, "must rise"),
        ({"thresholds": [1], "ratios": []}, "1 thresholds need as many ratios; there are 0"),
        ({"thresholds": [1], "ratios": [0.5], "valid_ratios": [0.5, 0.1]}, "as many valid_ratios; there are 2"),
        ({"thresholds": [1, 2], "ratios": [0.7, 0.4]}, "add up to more than 1"),
    ],
)
def test_shares_that_make_no_sense_are_refused(spec: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        BinSampling(**spec)


def test_assembly_of_a_fasta_is_its_chromosomes(folder: Path) -> None:
    assert fasta_assembly(folder / "genome.fa") == ASSEMBLY
