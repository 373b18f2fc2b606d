"""Prove that the same array gives the windows that kerasAC's own generator gave."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kerasac.config import Experiment, make_experiment
from kerasac.genome.folds import Fold
from kerasac.sampling.batches import Batch, WindowSource, make_source
from kerasac.sampling.plan import SamplingPlan, Windows, positions_of, windows_at
from kerasac.sampling.regions import find_candidates
from kerasac.store.readers import READER_KINDS, BlockReader
from kerasac.store.schema import read_layout

pytestmark = pytest.mark.shared

FOLD = Fold(0, ("chr1",), ("chr2",), ("chr3",))
STRANDS = ["count_bigwig_plus_5p", "count_bigwig_minus_5p"]
SETTING_1 = {"peaks": {"attribute": "overlap_peak"}, "ambiguous": "ambig_peak", "train_size": 10, "valid_size": 10}


def _experiment(genome: Path, sampling: dict[str, Any], **counts: Any) -> Experiment:
    document = {
        "name": "reference",
        "genome": {"fasta": "genome.fa"},
        "store": "store.tdb",
        "datasets": "K562",
        "inputs": [{"name": "sequence", "source": "seq", "flank": 300}],
        "outputs": [
            {"name": "profile", "source": STRANDS, "flank": 100},
            {
                "name": "logcount",
                "source": STRANDS,
                "flank": 100,
                "aggregate": "sum",
                "transform": "log",
                "pseudocount": 0.001,
                **counts,
            },
        ],
        "sampling": sampling,
    }
    return make_experiment(document, base=genome, origin="test")


@pytest.fixture(params=READER_KINDS)
def opened(request: pytest.FixtureRequest, shared_dir: Path) -> Callable[[Experiment], WindowSource]:
    def open_source(experiment: Experiment) -> WindowSource:
        layout = read_layout(str(experiment.store))
        spans = find_candidates(experiment, layout).surroundings(300, jitter=0)
        return make_source(experiment, layout, reader=request.param, spans=spans, complete=True)

    return open_source


def _assert_equal(batch: Batch, gold: Any, *, rows: slice = slice(None)) -> None:
    one_hot = np.eye(5, 4, dtype=np.float32)[batch.inputs["sequence"]]
    np.testing.assert_array_equal(one_hot, gold["x_0"][rows])
    np.testing.assert_array_equal(batch.outputs["profile"], gold["y_0"][rows])
    np.testing.assert_allclose(batch.outputs["logcount"], gold["y_1"][rows], rtol=0, atol=1e-5)


def _centers(windows: Windows, experiment: Experiment) -> list[tuple[str, int]]:
    chrom, center = windows.coordinates(read_layout(str(experiment.store)).assembly)
    return list(zip(chrom.tolist(), center.tolist(), strict=True))


def _gold(shared_dir: Path, name: str) -> Any:
    return np.load(shared_dir / "reference" / f"gold_{name}.npz")


def _gold_centers(gold: Any) -> list[tuple[str, int]]:
    return [(chrom.decode(), int(center)) for chrom, center, _ in gold["coords"]]


def test_upsampled_positions_equal_the_original(shared_dir: Path, opened: Callable[..., WindowSource]) -> None:
    experiment = _experiment(shared_dir / "reference" / "genome", SETTING_1)
    candidates = find_candidates(experiment, read_layout(str(experiment.store))).on(["chr1", "chr3"])
    assert candidates.positions is not None
    pool = windows_at(positions_of(candidates.positions), is_peak=True)
    assert len(pool) == 17_025
    gold = _gold(shared_dir, "upsample")
    picked = pool.take(np.concatenate([np.arange(16 * k, 16 * (k + 1)) for k in (0, 7, 20)]))
    assert _centers(picked, experiment) == _gold_centers(gold)
    _assert_equal(opened(experiment).batch(picked), gold)


def _summits(genome: Path) -> dict[str, Any]:
    return {"regions": {"bed": str(genome / "K562.overlap.narrowPeak"), "center": "summit"}}


def _regions(experiment: Experiment) -> Windows:
    candidates = find_candidates(experiment, read_layout(str(experiment.store))).on(["chr1", "chr3"])
    assert candidates.regions is not None
    return windows_at(candidates.regions.middle, is_peak=True)


def test_summits_equal_the_original(shared_dir: Path, opened: Callable[..., WindowSource]) -> None:
    genome = shared_dir / "reference" / "genome"
    experiment = _experiment(genome, _summits(genome))
    windows = _regions(experiment).take(slice(0, 32))
    gold = _gold(shared_dir, "bed_summit")
    assert _centers(windows, experiment) == _gold_centers(gold)
    _assert_equal(opened(experiment).batch(windows), gold)


def test_filtered_windows_equal_the_original(shared_dir: Path, opened: Callable[..., WindowSource]) -> None:
    genome = shared_dir / "reference" / "genome"
    experiment = _experiment(genome, _summits(genome), min=4.6, max=5.6)
    source = opened(experiment)
    windows = _regions(experiment)
    passed = windows.take(source.accepts(windows))
    gold = _gold(shared_dir, "filter")
    assert _centers(passed, experiment) == _gold_centers(gold)
    _assert_equal(source.batch(passed), gold)


def test_reverse_complements_equal_the_original(shared_dir: Path, opened: Callable[..., WindowSource]) -> None:
    genome = shared_dir / "reference" / "genome"
    experiment = _experiment(genome, _summits(genome))
    forward = _regions(experiment).take(slice(0, 8))
    reverse = Windows(forward.center, np.ones(8, dtype=bool), forward.is_peak)
    gold = _gold(shared_dir, "revcomp")
    source = opened(experiment)
    _assert_equal(source.batch(forward), gold, rows=slice(0, 8))
    # The original reverses the order of the second half of x and y, but not of coords.
    _assert_equal(source.batch(reverse), gold, rows=slice(15, 7, -1))


@pytest.mark.parametrize(
    ("name", "profile", "counts"),
    [("tr_log", {"transform": "log", "pseudocount": 0.001}, {}), ("agg_sum", {}, {"transform": "none"})],
)
def test_transforms_equal_the_original(
    shared_dir: Path,
    opened: Callable[..., WindowSource],
    name: str,
    profile: dict[str, Any],
    counts: dict[str, Any],
) -> None:
    genome = shared_dir / "reference" / "genome"
    experiment = _experiment(genome, _summits(genome), **counts)
    outputs = (experiment.outputs[0].model_copy(update=profile), experiment.outputs[1])
    experiment = experiment.model_copy(update={"outputs": outputs})
    batch = opened(experiment).batch(_regions(experiment).take(slice(0, 16)))
    gold = _gold(shared_dir, name)
    np.testing.assert_allclose(batch.outputs["profile"], gold["y_0"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(batch.outputs["logcount"], gold["y_1"], rtol=0, atol=1e-5)


def test_control_inputs_equal_the_original(shared_dir: Path, opened: Callable[..., WindowSource]) -> None:
    genome = shared_dir / "reference" / "genome"
    experiment = _experiment(genome, _summits(genome))
    controls = ["control_count_bigwig_plus_5p", "control_count_bigwig_minus_5p"]
    profile = {"name": "control_profile", "source": controls, "flank": 100}
    counts = {
        **profile,
        "name": "control_logcount",
        "aggregate": "sum",
        "transform": "log",
        "pseudocount": 0.001,
    }
    document = {**experiment.as_dict(), "inputs": [*experiment.as_dict()["inputs"], profile, counts]}
    experiment = make_experiment(document, base=genome, origin="test")
    source = opened(experiment)
    batch = source.batch(_regions(experiment).take(slice(0, 32)))
    gold = _gold(shared_dir, "chipseq")
    np.testing.assert_array_equal(batch.inputs["control_profile"], gold["x_1"])
    np.testing.assert_allclose(batch.inputs["control_logcount"], gold["x_2"], rtol=0, atol=1e-5)
    _assert_equal(batch, gold)


@pytest.mark.parametrize(
    ("threshold", "ambiguous", "expected"),
    [(1, None, 23.1), (2, None, 45.9), (1, "ambig_peak", 23.2)],
)
def test_counts_loss_weight_equals_the_original(
    shared_dir: Path, threshold: int, ambiguous: str | None, expected: float
) -> None:
    sampling = {**SETTING_1, "peaks": {"attribute": "overlap_peak", "threshold": threshold}, "ambiguous": ambiguous}
    experiment = _experiment(shared_dir / "reference" / "genome", sampling, source=["count_bigwig_unstranded_5p"])
    layout = read_layout(str(experiment.store))
    source = make_source(experiment, layout, reader="map")
    plan = SamplingPlan(find_candidates(experiment, layout), experiment.sampling, FOLD, 0)
    counts = source.total_counts(plan.train_peaks(1_000_000), "logcount")
    assert round(float(np.median(counts)) / 10, 1) == expected


def test_block_reader_is_what_blocks_opens(shared_dir: Path) -> None:
    experiment = _experiment(shared_dir / "reference" / "genome", SETTING_1)
    source = make_source(experiment, read_layout(str(experiment.store)), reader="blocks")
    assert isinstance(source.groups[0].reader, BlockReader)
