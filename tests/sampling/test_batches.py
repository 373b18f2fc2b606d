"""The value at genome row p says p, its dataset and its strand, so that a wrong window, track or strand shows."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import tiny_experiment, write_fasta

from kerasac.config import Aggregate, OutputSpec, TrackSpec, Transform, make_experiment
from kerasac.errors import SamplingError
from kerasac.genome.assembly import Assembly
from kerasac.genome.intervals import Spans
from kerasac.genome.sequence import TokenGenome, reverse_complement, token_genome
from kerasac.models.contract import contract_of
from kerasac.sampling.batches import (
    TrackGroup,
    WindowSource,
    batch_sizes,
    derive,
    make_source,
    other_strands,
    rebatch,
    strand_partners,
)
from kerasac.sampling.plan import Windows, windows_at
from kerasac.store.readers import READER_KINDS
from kerasac.store.schema import StoreLayout, read_layout
from kerasac.store.slabs import Track

TOTAL = 400
STRANDS = ("plus", "minus")


@dataclass(frozen=True)
class Ramp:
    """A reader whose track i has the value 1000 × i + p at row p."""

    tracks: tuple[Track, ...]
    decoded = ()
    dtype = np.dtype(np.uint16)

    def read(self, starts: np.ndarray, width_bp: int) -> np.ndarray:
        rows = starts[:, None, None] + np.arange(width_bp)
        return (rows + 1_000 * np.arange(len(self.tracks))[:, None]).astype(np.uint16)


def tokens_at(rows: np.ndarray) -> np.ndarray:
    """The tokens of the genome: an aperiodic sequence with some N."""
    return ((rows * rows) % 7 % 5).astype(np.uint8)


ASSEMBLY = Assembly(("chr1",), (TOTAL,))
LAYOUT = StoreLayout("nowhere", ASSEMBLY, ("A", "B"), {}, 10, "state")


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory, _own_cache: None) -> TokenGenome:
    letters = "".join("ACGTN"[token] for token in tokens_at(np.arange(TOTAL)))
    return token_genome(write_fasta(tmp_path_factory.mktemp("tokens") / "a.fa", {"chr1": letters}), ASSEMBLY)


@pytest.fixture
def source(tokens: TokenGenome) -> Callable[..., WindowSource]:
    """Make a source of one sequence input and the given outputs, which all read one group of tracks."""

    def make(*outputs: OutputSpec, datasets: tuple[str, ...] = ("A",)) -> WindowSource:
        outputs = outputs or (output("profile"),)
        tracks = tuple(Track(dataset, attribute) for dataset in datasets for attribute in outputs[0].source)
        flank = max(spec.flank for spec in outputs)
        group = TrackGroup("tracks", Ramp(tracks), flank, strand_partners(tracks))
        inputs = (TrackSpec(name="sequence", source=("seq",), flank=30),)
        return WindowSource(tokens, LAYOUT, inputs, outputs, (group,), {o.name: "tracks" for o in outputs})

    return make


def output(name: str, *, source: tuple[str, ...] = STRANDS, flank: int = 10, **rules: Any) -> OutputSpec:
    return OutputSpec(name=name, source=source, flank=flank, **rules)


def total(name: str = "total", **rules: Any) -> OutputSpec:
    return output(name, aggregate="sum", **rules)


CENTERS = np.array([100, 40, 300, 100, 41])
FORWARD = windows_at(CENTERS, is_peak=True)
REVERSE = windows_at(CENTERS, is_peak=True, reverse=True)
MIXED = Windows(CENTERS, np.array([False, True, False, True, True]), np.ones(5, dtype=bool))

Source = Callable[..., WindowSource]


def test_windows_are_centre_minus_flank_to_centre_plus_flank(source: Source) -> None:
    batch = source().batch(FORWARD)
    assert batch.inputs["sequence"].dtype == np.uint8
    np.testing.assert_array_equal(batch.inputs["sequence"], tokens_at(CENTERS[:, None] + np.arange(-30, 30)))
    profile = batch.outputs["profile"]
    assert profile.dtype == np.float32
    assert profile.shape == (5, 20, 2)
    np.testing.assert_array_equal(profile[:, :, 0], CENTERS[:, None] + np.arange(-10, 10))
    np.testing.assert_array_equal(profile[:, :, 1], 1_000 + CENTERS[:, None] + np.arange(-10, 10))


def test_narrower_output_is_the_middle_of_the_wider(source: Source) -> None:
    outputs = source(output("profile", flank=10), output("narrow", flank=4)).batch(MIXED).outputs
    np.testing.assert_array_equal(outputs["narrow"], outputs["profile"][:, 6:14])


def test_reverse_windows_are_reversed_complemented_and_swap_strands(source: Source) -> None:
    made = source(output("profile"), total())
    forward, reverse = made.batch(FORWARD), made.batch(REVERSE)
    expected = reverse_complement(forward.inputs["sequence"])
    np.testing.assert_array_equal(reverse.inputs["sequence"], expected)
    np.testing.assert_array_equal(reverse.outputs["profile"], forward.outputs["profile"][:, ::-1, ::-1])
    np.testing.assert_array_equal(reverse.outputs["total"], forward.outputs["total"][:, ::-1])


def test_reverse_complement_twice_is_the_identity(source: Source) -> None:
    made = source()
    forward, reverse = made.batch(FORWARD), made.batch(REVERSE)
    np.testing.assert_array_equal(reverse_complement(reverse.inputs["sequence"]), forward.inputs["sequence"])
    np.testing.assert_array_equal(reverse.outputs["profile"][:, ::-1, ::-1], forward.outputs["profile"])


def test_strands_of_single_windows_keep_the_order_of_the_batch(source: Source) -> None:
    made = source(output("profile"), total())
    forward, reverse, mixed = (made.batch(windows) for windows in (FORWARD, REVERSE, MIXED))
    for parts in zip(
        *((*batch.inputs.values(), *batch.outputs.values()) for batch in (forward, reverse, mixed)), strict=True
    ):
        for i, is_reverse in enumerate(MIXED.reverse):
            np.testing.assert_array_equal(parts[2][i], parts[1][i] if is_reverse else parts[0][i])


def test_unstranded_track_is_reversed_in_place(source: Source) -> None:
    made = source(output("profile", source=("coverage", "pval")))
    forward, reverse = made.batch(FORWARD).outputs["profile"], made.batch(REVERSE).outputs["profile"]
    np.testing.assert_array_equal(reverse, forward[:, ::-1])


def test_strands_are_swapped_within_their_dataset(source: Source) -> None:
    made = source(output("profile"), datasets=("A", "B"))
    forward, reverse = made.batch(FORWARD).outputs["profile"], made.batch(REVERSE).outputs["profile"]
    np.testing.assert_array_equal(reverse, forward[:, ::-1, [1, 0, 3, 2]])


@pytest.mark.parametrize(
    ("attributes", "partners"),
    [
        (["plus", "minus"], (1, 0)),
        (["minus", "plus"], (1, 0)),
        (["count_bigwig_plus_5p", "count_bigwig_minus_5p"], (1, 0)),
        (["atac.plus", "atac.minus", "atac.all"], (1, 0, 2)),
        (["x-pos", "x-neg"], (1, 0)),
        (["fwd", "rev"], (1, 0)),
        (["cuts_fw", "cuts_rv"], (1, 0)),
        (["antisense", "sense"], (1, 0)),
        (["x_top", "x_bottom"], (1, 0)),
        (["reverse_1", "forward_1"], (1, 0)),
        (["plus"], (0,)),
        (["a_plus", "b_minus"], (0, 1)),
        (["surplus", "surminus"], (0, 1)),
        (["neg_control_plus", "neg_control_minus"], (1, 0)),
        (["pos_plus", "pos_minus", "neg_plus", "neg_minus"], (1, 0, 3, 2)),
    ],
)
def test_partner_is_the_same_name_with_the_other_strand(attributes: list[str], partners: tuple[int, ...]) -> None:
    assert strand_partners([Track("A", attribute) for attribute in attributes]) == partners


@given(st.lists(st.sampled_from(["x", *STRANDS, "a_plus", "a_minus", "fwd_1", "rev_1"]), unique=True))
def test_swapping_strands_twice_is_the_identity(attributes: list[str]) -> None:
    partners = strand_partners([Track(dataset, attribute) for dataset in "AB" for attribute in attributes])
    assert [partners[partner] for partner in partners] == list(range(len(partners)))


def test_other_strands_change_one_word() -> None:
    assert other_strands("neg_plus") == ["neg_minus", "pos_plus"]
    assert other_strands("counts") == []


VALUES = np.array([[[0, 4], [2, 0], [7, 0]], [[0, 0], [0, 1], [0, 0]]], dtype=np.uint8)  # (2, 3, 2)
TRACKS_FIRST = VALUES.swapaxes(1, 2)
AGGREGATES = {
    "none": VALUES.astype(float),
    "sum": np.array([[9, 4], [0, 1]], dtype=float),
    "average": np.array([[3, 4 / 3], [0, 1 / 3]]),
    "max": np.array([[7, 4], [0, 1]], dtype=float),
    "binary_max": np.array([[1, 1], [0, 1]], dtype=float),
}
TRANSFORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda x: x,
    "log": lambda x: np.log(x + 0.5),
    "log10": lambda x: np.log10(x + 0.5),
    "log1p": lambda x: np.log(x + 1),
    "asinh": lambda x: np.log(x + np.sqrt(x * x + 1)),
}


@pytest.mark.parametrize(("aggregate", "transform"), itertools.product(AGGREGATES, TRANSFORMS))
def test_aggregates_and_transforms_are_their_formulas(aggregate: Aggregate, transform: Transform) -> None:
    found = derive(output("x", aggregate=aggregate, transform=transform, pseudocount=0.5), TRACKS_FIRST)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, TRANSFORMS[transform](AGGREGATES[aggregate]), rtol=1e-6)


def test_counts_to_logit_is_the_log_odds_of_each_position() -> None:
    found = derive(output("x", transform="counts_to_logit", pseudocount=0.5), TRACKS_FIRST)
    share = (VALUES + 0.5) / (VALUES.sum(axis=1, keepdims=True) + 1.5)
    np.testing.assert_allclose(found, np.log(share / (1 - share)), rtol=1e-5)


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_every_aggregate_and_transform_of_the_config_is_tried(aggregate: str) -> None:
    assert set(AGGREGATES) == set(Aggregate.__args__)  # type: ignore[attr-defined]
    assert set(TRANSFORMS) | {"counts_to_logit"} == set(Transform.__args__)  # type: ignore[attr-defined]


def test_sums_do_not_overflow_their_narrow_dtype() -> None:
    values = np.full((1, 1, 1_000), 255, dtype=np.uint8)
    assert derive(output("x", source=("x",), aggregate="sum"), values).item() == 255_000


@pytest.mark.parametrize(
    ("low", "high", "passed"),
    [
        (None, None, [True, True, True, True, True]),
        (800, None, [True, False, True, True, True]),
        (None, 22_000, [True, True, False, True, True]),
        (800, 22_000, [True, False, False, True, True]),
        (790, 25_990, [True, True, True, True, True]),
    ],
)
def test_window_passes_when_every_value_is_within_min_and_max(
    source: Source, low: float | None, high: float | None, passed: list[bool]
) -> None:
    # Sums of the plus track are 1990, 790, 5990, 1990 and 810; those of the minus track are 20,000 more.
    assert source(output("profile"), total(min=low, max=high)).accepts(FORWARD).tolist() == passed


def test_bounds_are_those_of_the_transformed_value_and_belong_to_the_range(source: Source) -> None:
    exact = float(np.float32(np.log(20 * 100 - 10 + 1)))  # plus track of the window at 100
    for low, expected in ((exact, True), (np.nextafter(np.float32(exact), np.float32(99)), False)):
        made = source(total(transform="log", min=float(low)))
        assert made.accepts(FORWARD.take(slice(0, 1))).tolist() == [expected]


def test_filter_reads_any_number_of_windows(source: Source) -> None:
    many = windows_at(np.resize(CENTERS, 9_001), is_peak=True)
    passed = source(total(min=1_500)).accepts(many)
    np.testing.assert_array_equal(passed, np.resize(20 * CENTERS - 10 >= 1_500, 9_001))


def test_total_counts_are_raw_sums_over_window_and_tracks(source: Source) -> None:
    made = source(output("profile", flank=12), total(transform="log"))
    rows = CENTERS[:, None] + np.arange(-10, 10)
    np.testing.assert_array_equal(made.total_counts(FORWARD, "total"), (2 * rows + 1_000).sum(axis=1))


def test_used_source_pickles_small_and_reads_the_same(source: Source) -> None:
    made = source()
    before = made.batch(MIXED)
    pickled = pickle.dumps(made)
    assert len(pickled) < 3_000
    after = pickle.loads(pickled).batch(MIXED)
    for one, other in zip(before, after, strict=True):
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


def test_raw_windows_are_in_the_narrowest_dtype(source: Source) -> None:
    raw = source(output("profile"), total()).read(MIXED)
    assert {key: values.dtype for key, values in raw.items()} == {"sequence": np.uint8, "tracks": np.uint16}


SOME_SPANS = Spans.from_bounds(np.array([0, 40_900]), np.array([5_000, 41_100]))


def control(name: str, **rules: Any) -> dict[str, Any]:
    return {"name": name, "source": ["control_plus", "control_minus"], "flank": 30, **rules}


@pytest.mark.parametrize("reader", READER_KINDS)
def test_control_inputs_are_read_swapped_and_summed(tiny_folder: Path, reader: str) -> None:
    sequence = {"name": "sequence", "source": "seq", "flank": 100}
    logcount = control("control_logcount", aggregate="sum", transform="log")
    experiment = tiny_experiment(tiny_folder, inputs=[sequence, control("control_profile"), logcount])
    made = make_source(experiment, read_layout(str(experiment.store)), reader=reader, spans=SOME_SPANS)
    assert len(made.groups) == 2
    centers = np.array([1_000, 41_000, 150_000])
    forward, reverse = (made.batch(windows_at(centers, is_peak=True, reverse=on)).inputs for on in (False, True))
    assert forward["control_profile"].shape == (3, 60, 2)
    assert forward["control_profile"].any()
    np.testing.assert_array_equal(reverse["control_profile"], forward["control_profile"][:, ::-1, ::-1])
    sums = forward["control_profile"].sum(axis=1)
    np.testing.assert_allclose(forward["control_logcount"], np.log(sums + 1), rtol=1e-6)
    np.testing.assert_array_equal(reverse["control_logcount"], forward["control_logcount"][:, ::-1])


def test_all_readers_give_the_same_batches(tiny_folder: Path) -> None:
    outputs = [
        {"name": "profile", "source": ["plus", "minus"], "flank": 30, "dataset": "other"},
        {"name": "logcount", "source": "unstranded", "flank": 25, "aggregate": "sum", "transform": "log"},
    ]
    experiment = tiny_experiment(tiny_folder, outputs=outputs, datasets=["tiny", "other"])
    layout = read_layout(str(experiment.store))
    windows = windows_at(np.random.default_rng(0).integers(100, 39_900, 200), is_peak=True)
    made = [make_source(experiment, layout, reader=reader, spans=SOME_SPANS) for reader in READER_KINDS]
    one, *others = (source.batch(windows) for source in made)
    for other, name in itertools.product(others, one.outputs):
        np.testing.assert_array_equal(one.outputs[name], other.outputs[name])
    assert one.outputs["profile"].shape == (200, 60, 2)
    assert one.outputs["logcount"].shape == (200, 2)


def test_paired_channels_are_read_in_their_order_and_swapped_within_their_dataset(tiny_folder: Path) -> None:
    """Both strands of one dataset beside the other's two strands in one, as of a histone mark and of DNase."""
    alone = {"name": "profile", "source": ["plus", "minus", "unstranded"], "flank": 30}
    paired = {**alone, "dataset": ["other", "other", "tiny"], "paired": True}
    by_attribute = {**alone, "source": ["plus", "plus", "minus", "minus"], "dataset": ["tiny", "other"] * 2}
    windows = windows_at(np.array([1_000, 41_000, 150_000]), is_peak=True)
    reverse = windows_at(windows.center, is_peak=True, reverse=True)

    def profiles(spec: dict[str, Any], **changes: Any) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
        counts = {**spec, "name": "logcount", "aggregate": "sum", "transform": "log"}
        experiment = tiny_experiment(tiny_folder, outputs=[spec, counts], **changes)
        made = make_source(experiment, read_layout(str(experiment.store)), reader="map", spans=SOME_SPANS)
        tasks = contract_of(experiment).outputs[0].tasks
        return tasks, made.batch(windows).outputs["profile"], made.batch(reverse).outputs["profile"]

    _, *one = profiles(alone)
    _, *other = profiles(alone, datasets="other")
    tasks, forward, backward = profiles(paired)
    assert tasks == ("other.plus", "other.minus", "tiny.unstranded")
    np.testing.assert_array_equal(forward, np.dstack([other[0][..., :2], one[0][..., 2:]]))
    np.testing.assert_array_equal(backward, forward[:, ::-1, [1, 0, 2]])
    tasks, forward, backward = profiles({**by_attribute, "paired": True})
    assert tasks == ("tiny.plus", "other.plus", "tiny.minus", "other.minus")
    np.testing.assert_array_equal(backward, forward[:, ::-1, [2, 3, 0, 1]])


def test_sequence_and_tracks_of_the_same_row_belong_together(tmp_path: Path, tiny_folder: Path) -> None:
    experiment = tiny_experiment(tiny_folder)
    layout = read_layout(str(experiment.store))
    chroms = {name: "ACGT"[i % 4] * size for i, (name, size) in enumerate(layout.assembly.as_dict().items())}
    fasta = write_fasta(tmp_path / "plain.fa", chroms)
    document = {**experiment.as_dict(), "genome": {"fasta": str(fasta)}}
    made = make_source(make_experiment(document, base=tmp_path, origin="test"), layout, reader="blocks")
    middles = layout.assembly.offsets + layout.assembly.sizes_bp // 2
    tokens = made.batch(windows_at(middles, is_peak=True)).inputs["sequence"]
    assert [set(row.tolist()) for row in tokens] == [{0}, {1}, {2}, {3}, {0}]


@given(
    blocks=st.lists(st.integers(0, 9), max_size=8),
    sizes=st.lists(st.integers(1, 12), max_size=8),
)
def test_rebatching_keeps_rows_and_their_order(blocks: list[int], sizes: list[int]) -> None:
    rows = np.arange(sum(blocks))
    parts = np.split(rows, np.cumsum(blocks)[:-1]) if blocks else []
    stream = ({"a": part, "b": part * 2.0} for part in parts)
    if sum(sizes) > len(rows):
        with pytest.raises(SamplingError, match=r"the samplers ended .* windows early"):
            list(rebatch(stream, iter(sizes)))
        return
    batches = list(rebatch(stream, iter(sizes)))
    assert [len(batch["a"]) for batch in batches] == sizes
    assert [row for batch in batches for row in batch["a"].tolist()] == list(range(sum(sizes)))
    assert all((batch["b"] == batch["a"] * 2).all() for batch in batches)


@given(st.integers(0, 1_000), st.integers(1, 100))
def test_batches_are_full_but_the_last(n_windows: int, batch_size: int) -> None:
    sizes = batch_sizes(n_windows, batch_size)
    assert sum(sizes) == n_windows
    assert all(size == batch_size for size in sizes[:-1])
    assert all(0 < size <= batch_size for size in sizes)


def test_strand_words_are_known_however_they_are_written() -> None:
    names = ("x_positive", "x_negative", "Plus", "Minus", "a.WATSON", "a.CRICK", "unstranded")
    assert strand_partners([Track("d", name) for name in names]) == (1, 0, 3, 2, 5, 4, 6)


def test_two_tracks_that_could_be_the_same_other_strand_are_refused() -> None:
    with pytest.raises(SamplingError, match="could both be the other strand of minus_fwd"):
        strand_partners([Track("d", name) for name in ("plus_fwd", "minus_fwd", "minus_rev")])
