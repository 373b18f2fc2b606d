"""The value at genome row p is p, so that a window read from the wrong place shows."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import tiledb
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import write_tracks

from kerasac.errors import StoreError
from kerasac.genome.assembly import Assembly
from kerasac.store import reader as reader_room
from kerasac.store.reader import (
    MapReader,
    Track,
    TrackReader,
    decoded_track,
    make_reader,
    missing_bases,
    scan_spans,
)
from kerasac.store.schema import StoreLayout, create_array, read_layout

ASSEMBLY = Assembly(("chr1", "chr2", "chr3"), (700, 500, 300))
TOTAL = ASSEMBLY.total_bp
ROW = np.arange(TOTAL)
KINDS = ("map", "blocks")

row = ROW.astype(np.float32)
marks = (ROW % 7 < 3).astype(np.int64) + (ROW % 7 == 1)
gaps = np.where((ROW < 10) | (ROW >= 1_200), np.nan, row)
TRACKS = {
    "A": {"row": row, "small": row % 256, "half": row / 2, "signed": row - 9, "marks": marks, "gaps": gaps},
    "B": {
        "row": row * 50,
        "small": row % 2,
        "half": row,
        "signed": -row,
        "marks": marks[::-1].copy(),
        "gaps": gaps * 2,
    },
}


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory, _own_cache: None) -> StoreLayout:
    path = tmp_path_factory.mktemp("store") / "a.tdb"
    write_tracks(path, ASSEMBLY, {name: _float32(columns) for name, columns in TRACKS.items()})
    return read_layout(str(path))


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _float32(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: values if values.dtype == np.int64 else values.astype(np.float32) for name, values in columns.items()}


def expected(starts: np.ndarray, width_bp: int, tracks: list[Track]) -> np.ndarray:
    index = np.asarray(starts)[:, None] + np.arange(width_bp)
    return np.stack([np.nan_to_num(TRACKS[t.dataset][t.attribute])[index] for t in tracks], axis=-1)


def assert_reads(reader: TrackReader, starts: list[int], width_bp: int) -> None:
    array = np.asarray(starts, dtype=np.int64)
    found = reader.read(array, width_bp)
    assert found.shape == (len(starts), width_bp, len(reader.tracks))
    np.testing.assert_array_equal(found, expected(array, width_bp, list(reader.tracks)))


@settings(max_examples=30, deadline=None)
@given(data=st.data(), width_bp=st.integers(1, 60), kind=st.sampled_from(KINDS))
def test_every_window_is_the_one_asked_for(layout: StoreLayout, data: st.DataObject, width_bp: int, kind: str) -> None:
    starts = data.draw(st.lists(st.integers(0, TOTAL - width_bp), max_size=20))
    assert_reads(make_reader(layout, [Track("A", "row")], kind), starts, width_bp)


@pytest.mark.parametrize(
    ("name", "starts"),
    [
        ("none", []),
        ("duplicated", [40, 40, 40]),
        ("overlapping", [40, 45, 43]),
        ("adjacent", [50, 40, 60]),
        ("unsorted", [900, 3, 1400, 3, 700]),
        ("first and last of chromosomes", [0, 690, 700, 1190, 1200, 1490]),
    ],
)
def test_windows_come_in_the_order_asked_for(layout: StoreLayout, kind: str, name: str, starts: list[int]) -> None:
    assert_reads(make_reader(layout, [Track("A", "row")], kind), starts, 10)


@settings(max_examples=20, deadline=None)
@given(
    starts=st.lists(st.integers(0, TOTAL - 10), min_size=1, max_size=15),
    gap=st.integers(0, 100),
    slab=st.integers(1, 400),
)
def test_how_block_reads_are_joined_does_not_matter(
    layout: StoreLayout, starts: list[int], gap: int, slab: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader_room, "MERGE_GAP_BP", gap)
        patch.setattr(reader_room, "SLAB_BP", slab)
        assert_reads(make_reader(layout, [Track("A", "row")], "blocks"), starts, 10)


def test_tracks_of_several_datasets_keep_their_order(layout: StoreLayout, kind: str) -> None:
    tracks = [Track("B", "row"), Track("A", "half"), Track("A", "row"), Track("B", "marks"), Track("A", "marks")]
    assert_reads(make_reader(layout, tracks, kind), [0, 777, 5, 1480], 20)


def test_gaps_are_read_as_0(layout: StoreLayout, kind: str) -> None:
    assert_reads(make_reader(layout, [Track("A", "gaps")], kind), [0, 5, 1195, 1480], 20)


def test_gaps_are_counted_by_chromosome(layout: StoreLayout) -> None:
    assert missing_bases(layout, Track("A", "gaps")) == {"chr1": 10, "chr3": 300}
    assert missing_bases(layout, Track("A", "row")) == {}


def test_cells_that_were_never_written_are_gaps_in_every_attribute(tmp_path: Path, kind: str) -> None:
    dtypes = {"track": np.dtype(np.float32), "peak": np.dtype(np.int64)}
    empty = create_array(str(tmp_path / "a.tdb"), ASSEMBLY, ["A"], dtypes)
    tracks = [Track("A", "track"), Track("A", "peak")]
    assert not make_reader(empty, tracks, kind).read(np.array([0, 690]), 20).any()
    assert [missing_bases(empty, track) for track in tracks] == [ASSEMBLY.as_dict()] * 2


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([0, 255], np.uint8),
        ([0, 256], np.uint16),
        ([0, 65_535], np.uint16),
        ([0, 65_536], np.uint32),
        ([0, 2.0**32], np.float32),
        ([0, 0.5], np.float32),
        ([-1, 0], np.float32),
        ([np.nan, 3], np.uint8),
        ([np.inf, 3], np.float32),
    ],
)
def test_dtype_is_the_narrowest_that_is_exact(tmp_path: Path, values: list[float], dtype: type) -> None:
    track = np.resize(np.array(values, dtype=np.float32), TOTAL)
    write_tracks(tmp_path / "a.tdb", ASSEMBLY, {"A": {"x": track}})
    opened = make_reader(read_layout(str(tmp_path / "a.tdb")), [Track("A", "x")], "map")
    found = opened.read(np.array([0]), TOTAL)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found[0, :, 0], np.where(np.isnan(track), 0, track))


@pytest.mark.parametrize(
    ("attributes", "dtype"),
    [(["small", "row"], np.uint16), (["small", "half"], np.float32), (["small", "marks"], np.uint8)],
)
def test_tracks_together_have_a_dtype_that_holds_all(layout: StoreLayout, attributes: list[str], dtype: type) -> None:
    opened = make_reader(layout, [Track("A", attribute) for attribute in attributes], "map")
    assert opened.read(np.array([0]), 10).dtype == dtype


def test_array_written_again_is_decoded_again(tmp_path: Path, kind: str) -> None:
    path, track = tmp_path / "a.tdb", Track("A", "x")
    write_tracks(path, ASSEMBLY, {"A": {"x": row}})
    layout = read_layout(str(path))
    before = decoded_track(layout, track)
    assert decoded_track(layout, track) == before
    with tiledb.open(str(path), "w") as array:
        array[0:TOTAL, 0] = {"x": row + 1}
    assert decoded_track(layout, track) != before
    found = make_reader(layout, [track], kind).read(np.array([5]), 3)
    assert found[0, :, 0].tolist() == [6, 7, 8]


def test_interrupted_decoding_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tracks(tmp_path / "a.tdb", ASSEMBLY, {"A": {"x": row}})
    layout, track = read_layout(str(tmp_path / "a.tdb")), Track("A", "x")
    with monkeypatch.context() as patch:
        patch.setattr(json, "dumps", _stop_at(json.dumps, "missing_bases"))
        with pytest.raises(KeyboardInterrupt):
            decoded_track(layout, track)
    assert missing_bases(layout, track) == {}


def _stop_at(function: object, word: str) -> object:
    def stopping(value: object, **options: object) -> str:
        if word in str(value):
            raise KeyboardInterrupt
        return function(value, **options)  # type: ignore[operator]

    return stopping


def test_used_reader_pickles_small_and_works(layout: StoreLayout, kind: str) -> None:
    reader = make_reader(layout, [Track("A", "row"), Track("B", "row")], kind)
    assert_reads(reader, [3, 9], 5)
    pickled = pickle.dumps(reader)
    assert len(pickled) < 1_500
    assert_reads(pickle.loads(pickled), [3, 9], 5)


def test_map_reader_maps_one_file_for_all_processes(layout: StoreLayout) -> None:
    reader = make_reader(layout, [Track("A", "row")], "map")
    assert isinstance(reader, MapReader)
    assert reader.files == make_reader(layout, [Track("A", "row")], "map").files  # type: ignore[attr-defined]
    assert isinstance(reader._values[0], np.memmap)


@pytest.mark.parametrize(
    ("track", "expected"),
    [
        (Track("C", "row"), "has no dataset 'C'; known: A, B"),
        (Track("A", "rows"), "has no attribute 'rows'; did you mean 'row'"),
    ],
)
def test_unknown_track_names_the_nearest(layout: StoreLayout, kind: str, track: Track, expected: str) -> None:
    with pytest.raises(StoreError, match=expected):
        make_reader(layout, [track], kind)


@pytest.mark.parametrize("datasets", [["A"], ["B"], ["A", "B"]])
@pytest.mark.parametrize(
    ("attribute", "threshold"), [("marks", 1), ("marks", 2), ("row", 640), ("gaps", 0), ("row", 9e9)]
)
@pytest.mark.parametrize("slab", [64, 1_000_000])
def test_scan_equals_brute_force(
    layout: StoreLayout,
    datasets: list[str],
    attribute: str,
    threshold: float,
    slab: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KERASAC_CACHE", str(tmp_path))  # else the first slab size would serve both
    monkeypatch.setattr(reader_room, "SLAB_BP", slab)
    spans = scan_spans(layout, attribute, datasets, threshold)
    found = np.zeros(TOTAL, dtype=bool)
    for start, end in zip(spans.starts, spans.ends, strict=True):
        found[start:end] = True
    reached = np.any([TRACKS[dataset][attribute] >= threshold for dataset in datasets], axis=0)
    np.testing.assert_array_equal(found, reached)
    assert (spans.starts[1:] > spans.ends[:-1]).all()
