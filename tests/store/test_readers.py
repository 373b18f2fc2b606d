"""The value at genome row p is p, so that a window read from the wrong place shows."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import tiledb
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import write_tracks

from kerasac.cache import ShardMap, in_process
from kerasac.errors import KerasacError, StoreError
from kerasac.genome.assembly import Assembly
from kerasac.genome.intervals import Spans
from kerasac.store import decode as decode_room
from kerasac.store import readers as readers_room
from kerasac.store import slabs as slabs_room
from kerasac.store.decode import DecodedKind, DecodedTrack
from kerasac.store.readers import READER_KINDS, MapReader, ReaderKind, SpanReader, TrackReader, make_reader
from kerasac.store.schema import StoreLayout, create_array, read_layout
from kerasac.store.slabs import Track, widest

ASSEMBLY = Assembly(("chr1", "chr2", "chr3"), (700, 500, 300))
TOTAL = ASSEMBLY.total_bp
ROW = np.arange(TOTAL)
# Some windows lie in these, some outside, some half.
SPANS = Spans.from_bounds(np.array([0, 300, 690, 1200]), np.array([120, 420, 710, 1500]))

row = ROW.astype(np.float32)
marks = (ROW % 7 < 3).astype(np.int64) + (ROW % 7 == 1)
gaps = np.where((ROW < 10) | (ROW >= 1_200), np.nan, row)
TRACKS = {
    "A": {
        "row": row,
        "small": row % 256,
        "half": row / 2,
        "signed": row - 9,
        "marks": marks,
        "gaps": gaps,
        "rare": np.where(ROW % 97 == 0, 1 + row % 200, 0),
    },
    "B": {
        "row": row * 50,
        "small": row % 2,
        "half": row,
        "signed": -row,
        "marks": marks[::-1].copy(),
        "gaps": gaps * 2,
        "rare": np.where(ROW % 5 == 0, row, 0),
    },
}
DENSE_AND_SPARSE: tuple[DecodedKind, ...] = ("dense", "sparse")


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory, _own_cache: None) -> StoreLayout:
    path = tmp_path_factory.mktemp("store") / "a.tdb"
    write_tracks(path, ASSEMBLY, {name: _float32(columns) for name, columns in TRACKS.items()})
    return read_layout(str(path))


@pytest.fixture(params=READER_KINDS)
def kind(request: pytest.FixtureRequest) -> ReaderKind:
    found: ReaderKind = request.param
    return found


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERASAC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _float32(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: values if values.dtype == np.int64 else values.astype(np.float32) for name, values in columns.items()}


def open_reader(layout: StoreLayout, tracks: list[Track], kind: ReaderKind) -> TrackReader:
    return make_reader(layout, tracks, kind, spans=SPANS)


def expected(starts: np.ndarray, width_bp: int, tracks: tuple[Track, ...]) -> np.ndarray:
    index = np.asarray(starts)[:, None] + np.arange(width_bp)
    return np.stack([np.nan_to_num(TRACKS[t.dataset][t.attribute])[index] for t in tracks], axis=1)


def assert_reads(reader: TrackReader, starts: list[int], width_bp: int) -> None:
    array = np.asarray(starts, dtype=np.int64)
    found = reader.read(array, width_bp)
    assert found.shape == (len(starts), len(reader.tracks), width_bp)
    np.testing.assert_array_equal(found, expected(array, width_bp, reader.tracks))
    assert widest([found.dtype, reader.dtype]) == reader.dtype, "the type that is announced holds it"


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    width_bp=st.integers(1, 60),
    kind=st.sampled_from(READER_KINDS),
    attributes=st.lists(st.sampled_from(sorted(TRACKS["A"])), min_size=1, max_size=3, unique=True),
)
def test_every_window_is_the_one_asked_for(
    layout: StoreLayout, data: st.DataObject, width_bp: int, kind: ReaderKind, attributes: list[str]
) -> None:
    starts = data.draw(st.lists(st.integers(0, TOTAL - width_bp), max_size=20))
    assert_reads(open_reader(layout, [Track("A", attribute) for attribute in attributes], kind), starts, width_bp)


@pytest.mark.parametrize(
    ("name", "starts"),
    [
        ("none", []),
        ("duplicated", [40, 40, 40]),
        ("overlapping", [40, 45, 43]),
        ("adjacent", [50, 40, 60]),
        ("unsorted", [900, 3, 1400, 3, 700]),
        ("first and last of chromosomes", [0, 690, 700, 1190, 1200, 1490]),
        ("at the ends of spans", [0, 110, 111, 300, 410, 299, 411, 1200, 1490]),
    ],
)
def test_windows_come_in_the_order_asked_for(
    layout: StoreLayout, kind: ReaderKind, name: str, starts: list[int]
) -> None:
    assert_reads(open_reader(layout, [Track("A", "row"), Track("A", "rare")], kind), starts, 10)


@settings(max_examples=20, deadline=None)
@given(
    starts=st.lists(st.integers(0, TOTAL - 10), min_size=1, max_size=30),
    query=st.integers(1, 12),
    sparse=st.integers(1, 12),
    kind=st.sampled_from(READER_KINDS),
)
def test_how_many_are_read_at_a_time_does_not_matter(
    layout: StoreLayout, starts: list[int], query: int, sparse: int, kind: ReaderKind
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers_room, "_QUERY_WINDOWS", query)
        patch.setattr(readers_room, "_SPARSE_WINDOWS", sparse)
        assert_reads(open_reader(layout, [Track("A", "row"), Track("B", "rare")], kind), starts, 10)


def backwards(work: object, shards: object) -> object:
    return [work(shard) for shard in reversed(shards)]  # type: ignore[operator, call-overload]


@pytest.mark.parametrize("decoded_kind", DENSE_AND_SPARSE)
@pytest.mark.parametrize("spans", [None, SPANS])
@pytest.mark.parametrize("attribute", ["row", "small", "half", "gaps", "rare", "marks"])
@pytest.mark.parametrize(("shard_bp", "slab_bytes", "gap_bp"), [(256, 10, 0), (300, 1_000, 30), (10**6, 10**6, 10**6)])
@pytest.mark.parametrize("shards", [in_process, backwards])
def test_how_the_genome_is_cut_for_decoding_does_not_matter(
    layout: StoreLayout,
    own_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    decoded_kind: DecodedKind,
    spans: Spans | None,
    attribute: str,
    shard_bp: int,
    slab_bytes: int,
    gap_bp: int,
    shards: ShardMap,
) -> None:
    if decoded_kind == "sparse" and spans is not None:
        return
    monkeypatch.setattr(decode_room, "SHARD_BP", shard_bp)
    monkeypatch.setattr(slabs_room, "SLAB_BYTES", slab_bytes)
    monkeypatch.setattr(slabs_room, "MERGE_GAP_BP", gap_bp)
    track = DecodedTrack(layout, Track("A", attribute), decoded_kind, spans)
    folder = track.ensure(shards)
    values = np.nan_to_num(TRACKS["A"][attribute])
    if decoded_kind == "sparse":
        rows = np.flatnonzero(values)
        assert track.open("rows").tolist() == rows.tolist()
        assert track.open("values").tolist() == values[rows].tolist()
        first = np.searchsorted(rows, np.arange(0, TOTAL + 255, 256))
        assert track.open("first").tolist() == first.tolist()
    else:
        kept = np.ones(TOTAL, dtype=bool) if spans is None else spans.contains(ROW)
        assert track.open("values").tolist() == values[kept].tolist()
    files = {"values.npy", "facts.json", "manifest.json", *(("rows.npy", "first.npy") if not spans else ())}
    assert {path.name for path in folder.iterdir()} <= files, "no part is left"


def test_tracks_of_several_datasets_keep_their_order(layout: StoreLayout, kind: ReaderKind) -> None:
    tracks = [Track("B", "row"), Track("A", "half"), Track("A", "row"), Track("B", "marks"), Track("A", "marks")]
    assert_reads(open_reader(layout, tracks, kind), [0, 777, 5, 1480], 20)


def test_gaps_are_read_as_0(layout: StoreLayout, kind: ReaderKind) -> None:
    assert_reads(open_reader(layout, [Track("A", "gaps")], kind), [0, 5, 1195, 1480], 20)


def test_gaps_are_counted_by_chromosome(layout: StoreLayout) -> None:
    whole = DecodedTrack(layout, Track("A", "gaps"), "dense").facts()
    assert (whole.missing, whole.bases) == ({"chr1": 10, "chr3": 300}, ASSEMBLY.as_dict())
    sparse = DecodedTrack(layout, Track("A", "gaps"), "sparse").facts()
    assert sparse == whole
    spans = DecodedTrack(layout, Track("A", "gaps"), "dense", SPANS).facts()
    assert (spans.missing, spans.bases) == ({"chr1": 10, "chr3": 300}, {"chr1": 250, "chr2": 10, "chr3": 300})
    assert DecodedTrack(layout, Track("A", "row"), "dense").facts().missing == {}


def test_cells_that_were_never_written_are_gaps_in_every_attribute(tmp_path: Path, kind: ReaderKind) -> None:
    dtypes = {"track": np.dtype(np.float32), "peak": np.dtype(np.int64)}
    empty = create_array(str(tmp_path / "a.tdb"), ASSEMBLY, ["A"], dtypes)
    tracks = [Track("A", "track"), Track("A", "peak")]
    assert not open_reader(empty, tracks, kind).read(np.array([0, 690]), 20).any()
    for decoded in open_reader(empty, tracks, "map").decoded:
        assert decoded.facts().missing == ASSEMBLY.as_dict()


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
        ([np.nan, 300], np.uint16),
        ([np.inf, 3], np.float32),
    ],
)
@pytest.mark.parametrize("kind", ["map", "sparse", "spans"])
def test_dtype_is_the_narrowest_that_is_exact(
    tmp_path: Path, values: list[float], dtype: type, kind: ReaderKind
) -> None:
    track = np.resize(np.array(values, dtype=np.float32), TOTAL)
    write_tracks(tmp_path / "a.tdb", ASSEMBLY, {"A": {"x": track}})
    everything = Spans.from_bounds(np.array([0]), np.array([TOTAL]))
    layout = read_layout(str(tmp_path / "a.tdb"))
    opened = make_reader(layout, [Track("A", "x")], kind, spans=everything, complete=True)
    found = opened.read(np.array([0]), TOTAL)
    assert found.dtype == opened.dtype == dtype
    np.testing.assert_array_equal(found[0, 0], np.where(np.isnan(track), 0, track))


def test_one_large_value_widens_what_was_written_before(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode_room, "SHARD_BP", 512)
    monkeypatch.setattr(slabs_room, "SLAB_BYTES", 400)
    for place in (3, 450, 700, 1499):
        values = ROW % 200
        values[place] = 70_000
        write_tracks(tmp_path / f"{place}.tdb", ASSEMBLY, {"A": {"x": values.astype(np.float32)}})
        layout = read_layout(str(tmp_path / f"{place}.tdb"))
        opened = make_reader(layout, [Track("A", "x")], "map")
        assert opened.dtype == np.uint32
        assert opened.read(np.array([0]), TOTAL)[0, 0].tolist() == values.tolist()


@pytest.mark.parametrize(
    ("attributes", "dtype"),
    [(["small", "row"], np.uint16), (["small", "half"], np.float32), (["small", "marks"], np.uint8)],
)
@pytest.mark.parametrize("kind", ["map", "sparse"])
def test_tracks_together_have_a_dtype_that_holds_all(
    layout: StoreLayout, attributes: list[str], dtype: type, kind: ReaderKind
) -> None:
    opened = make_reader(layout, [Track("A", attribute) for attribute in attributes], kind)
    assert opened.read(np.array([0]), 10).dtype == opened.dtype == dtype


def test_spans_that_hold_all_of_training_announce_their_own_type(layout: StoreLayout) -> None:
    tracks = [Track("A", "row")]
    complete = make_reader(layout, tracks, "spans", spans=SPANS, complete=True)
    assert complete.dtype == np.uint16
    assert make_reader(layout, tracks, "spans", spans=SPANS).dtype == np.float32
    assert_reads(complete, [0, 300], 100)


def test_spans_reader_decodes_nothing_else(layout: StoreLayout) -> None:
    opened = make_reader(layout, [Track("A", "row")], "spans", spans=SPANS)
    assert isinstance(opened, SpanReader)
    assert len(opened.decoded[0].open("values")) == SPANS.total_bp


def test_no_spans_are_all_read_from_the_array(layout: StoreLayout) -> None:
    opened = make_reader(layout, [Track("A", "row")], "spans", spans=Spans.empty())
    np.testing.assert_array_equal(opened.read(np.array([5, 900]), 10), expected([5, 900], 10, opened.tracks))


def test_array_written_again_is_decoded_again(tmp_path: Path, kind: ReaderKind) -> None:
    path, track = tmp_path / "a.tdb", Track("A", "x")
    write_tracks(path, ASSEMBLY, {"A": {"x": row}})
    before = open_reader(read_layout(str(path)), [track], kind)
    assert before.read(np.array([5]), 3)[0, 0].tolist() == [5, 6, 7]
    with tiledb.open(str(path), "w") as array:
        array[0:TOTAL, 0] = {"x": row + 1}
    after = open_reader(read_layout(str(path)), [track], kind)
    assert after.read(np.array([5]), 3)[0, 0].tolist() == [6, 7, 8]
    assert {decoded.name for decoded in before.decoded}.isdisjoint(decoded.name for decoded in after.decoded)


def test_array_written_to_while_in_use_is_named(tmp_path: Path, own_cache: Path, kind: ReaderKind) -> None:
    path = tmp_path / "a.tdb"
    write_tracks(path, ASSEMBLY, {"A": {"x": row}})
    opened = open_reader(read_layout(str(path)), [Track("A", "x")], kind)
    with tiledb.open(str(path), "w") as array:
        array[0:3, 0] = {"x": row[:3]}
    with pytest.raises(StoreError, match=r"array .*a\.tdb was written to while it was in use; run the command again"):
        opened.read(np.array([5]), 3)


def test_moved_array_is_not_decoded_again(tmp_path: Path) -> None:
    write_tracks(tmp_path / "a.tdb", ASSEMBLY, {"A": {"x": row}})
    before = DecodedTrack(read_layout(str(tmp_path / "a.tdb")), Track("A", "x"), "dense").ensure()
    (tmp_path / "a.tdb").rename(tmp_path / "b.tdb")
    assert DecodedTrack(read_layout(str(tmp_path / "b.tdb")), Track("A", "x"), "dense").ensure() == before


def test_arrays_without_data_are_told_apart(tmp_path: Path) -> None:
    dtypes = {"x": np.dtype(np.float32)}
    one = create_array(str(tmp_path / "a.tdb"), ASSEMBLY, ["A"], dtypes)
    other = create_array(str(tmp_path / "b.tdb"), Assembly(("chr1",), (50,)), ["A"], dtypes)
    assert one.state != other.state


def test_interrupted_decoding_leaves_nothing(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tracks(tmp_path / "a.tdb", ASSEMBLY, {"A": {"x": row}})
    track = DecodedTrack(read_layout(str(tmp_path / "a.tdb")), Track("A", "x"), "dense")

    def stopping(work: object, shards: object) -> object:
        yield from in_process(work, shards[:1])  # type: ignore[arg-type, index]
        raise KeyboardInterrupt

    monkeypatch.setattr(decode_room, "SHARD_BP", 500)
    with pytest.raises(KeyboardInterrupt):
        track.ensure(stopping)  # type: ignore[arg-type]
    assert list((own_cache / "tracks").iterdir()) == []
    assert track.open("values").tolist() == row.tolist()


@pytest.mark.parametrize("kind", ["map", "sparse", "spans"])
def test_truncated_cache_is_decoded_again(layout: StoreLayout, own_cache: Path, kind: ReaderKind) -> None:
    tracks = [Track("A", "rare")]
    open_reader(layout, tracks, kind).read(np.array([0]), 10)
    for file in own_cache.glob("tracks/*/*.npy"):
        with file.open("r+b") as content:
            content.truncate(file.stat().st_size - 1)
    assert_reads(open_reader(layout, tracks, kind), [0, 300, 1490], 10)


@pytest.mark.parametrize("dataset", ["A", "../A/…"])
def test_any_name_of_a_dataset_makes_an_entry(tmp_path: Path, own_cache: Path, dataset: str) -> None:
    write_tracks(tmp_path / "a.tdb", ASSEMBLY, {dataset: {"a/b": row}})
    track = DecodedTrack(read_layout(str(tmp_path / "a.tdb")), Track(dataset, "a/b"), "dense")
    assert track.ensure().parent == own_cache / "tracks"


def test_used_reader_pickles_small_and_reads_the_same(layout: StoreLayout, kind: ReaderKind) -> None:
    opened = open_reader(layout, [Track("A", "row"), Track("B", "row")], kind)
    opened.read(np.array([3]), 10)
    pickled = pickle.dumps(opened)
    assert len(pickled) < 5_000
    assert_reads(pickle.loads(pickled), [900, 3], 10)


@pytest.mark.parametrize(
    ("track", "said"),
    [(Track("A", "rwo"), "no attribute 'rwo'; did you mean 'row'"), (Track("C", "row"), "no dataset 'C'")],
)
def test_unknown_tracks_are_named(layout: StoreLayout, kind: ReaderKind, track: Track, said: str) -> None:
    with pytest.raises(KerasacError, match=said):
        open_reader(layout, [track], kind)


def test_map_reader_copies(layout: StoreLayout) -> None:
    """Windows of the map are the caller's to change; the decoded track is everybody's."""
    opened = make_reader(layout, [Track("A", "row")], "map")
    assert isinstance(opened, MapReader)
    opened.read(np.array([3]), 10)[:] = 7
    assert_reads(opened, [3], 10)
