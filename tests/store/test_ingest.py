"""What is ingested is read back: a track whose value at p is p, so that a wrong cell shows."""

from __future__ import annotations

import os
import shutil
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pyBigWig
import pytest
import tiledb

from kerasac.cache import locked
from kerasac.errors import GenomeError, KerasacError, StoreError
from kerasac.genome.assembly import Assembly
from kerasac.store import ingest as ingest_room
from kerasac.store.ingest import IngestPlan, Partition, finalise, ingest, init, plan_ingest, write_partition
from kerasac.store.reads import ReadsSpec, Shift
from kerasac.store.scan import scan_spans
from kerasac.store.schema import StoreLayout, create_array, read_layout
from kerasac.store.slabs import Track
from kerasac.store.stored_runs import Runs, track_content

CHR1, CHR2 = 40_000, 3_000
TILE_BP = 16_384
SIZES = {"chr1": CHR1, "chr2": CHR2}
ASSEMBLY = Assembly(tuple(SIZES), tuple(SIZES.values()))
ATTRIBUTES = "track\tbigwig\npeak\tbed_summit_from_last_col\nambig\tbed_no_summit\n"
METADATA = "dataset\ttrack\tpeak\tambig\nA\ta.bw\tpeaks.bed\tambig.bed\nB\tb.bw\tpeaks.bed\t\n"
# A summit that the second peak covers, one at the first base, and one on the last base of a chromosome.
PEAKS = "chr1\t10\t20\t.\t9\nchr1\t15\t30\t.\t0\nchr2\t2990\t3000\t.\t9\n"


def bigwig(path: Path, sizes: dict[str, int], scale: float = 1, *, written: Sequence[str] | None = None) -> Path:
    """Write a bigWig whose value at genome row p of a chromosome is ``scale * p``, from base 5 on."""
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(list(sizes.items()))
        for chrom in written or sizes:
            values = np.arange(5, sizes[chrom], dtype=np.float64) * scale
            file.addEntries(chrom, 5, values=values, span=1, step=1)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    bigwig(tmp_path / "a.bw", SIZES)
    bigwig(tmp_path / "b.bw", SIZES, 2)
    (tmp_path / "peaks.bed").write_text(PEAKS)
    (tmp_path / "ambig.bed").write_text("chr1\t5\t8\nchr2\t0\t1\n")
    (tmp_path / "chrom.sizes").write_text("".join(f"{name}\t{size}\n" for name, size in SIZES.items()))
    (tmp_path / "attributes.tsv").write_text(ATTRIBUTES)
    (tmp_path / "metadata.tsv").write_text(METADATA)
    return tmp_path


@pytest.fixture
def small_slabs(monkeypatch: pytest.MonkeyPatch) -> None:
    """One tile a slab: three a dataset, of which the last crosses from chr1 into chr2."""
    monkeypatch.setattr(ingest_room, "SLAB_BYTES", 1)
    monkeypatch.setattr(ingest_room, "CHECKSUM_BP", TILE_BP)
    monkeypatch.setattr(ingest_room, "create_array", partial(create_array, tile_bp=TILE_BP))


Ingest = Callable[..., StoreLayout]


@pytest.fixture
def run(folder: Path) -> Ingest:
    def call(**options: object) -> StoreLayout:
        files = [folder / name for name in ("metadata.tsv", "attributes.tsv", "chrom.sizes", "out.tdb")]
        return ingest(*files, **options)

    return call


def cells(layout: StoreLayout, attribute: str, dataset: str) -> np.ndarray:
    with tiledb.open(layout.path) as array:
        rows = array.query(attrs=[attribute])[0 : layout.assembly.total_bp, layout.dataset_index(dataset)]
    return rows[attribute].reshape(-1)


def expected_track(scale: int) -> np.ndarray:
    chroms = [np.arange(size) * scale for size in SIZES.values()]
    for values in chroms:
        values[:5] = 0
    return np.concatenate(chroms)


def test_value_at_p_is_p(run: Ingest) -> None:
    layout = run()
    assert layout.datasets == ("A", "B")
    assert cells(layout, "track", "A").tolist() == expected_track(1).tolist()
    assert cells(layout, "track", "B").tolist() == expected_track(2).tolist()


def test_peaks_are_1_and_summits_2_even_under_another_peak(run: Ingest) -> None:
    expected = np.zeros(CHR1 + CHR2, dtype=int)
    expected[10:30] = 1
    expected[CHR1 + 2990 : CHR1 + 3000] = 1
    expected[[19, 15, CHR1 + 2999]] = 2
    assert cells(run(), "peak", "A").tolist() == expected.tolist()


def test_intervals_without_summit_are_1(run: Ingest) -> None:
    assert np.flatnonzero(cells(run(), "ambig", "A") == 1).tolist() == [5, 6, 7, CHR1]


@pytest.mark.parametrize("line", ["chr1\t10\t20\n", "chr1\t10\t21\tname\t3\n"])
def test_summit_from_peak_center_rounds_down(folder: Path, run: Ingest, line: str) -> None:
    (folder / "attributes.tsv").write_text(ATTRIBUTES.replace("from_last_col", "from_peak_center"))
    (folder / "peaks.bed").write_text(line)
    assert np.flatnonzero(cells(run(), "peak", "A") == 2).tolist() == [15]


def test_missing_tracks_are_nan_and_missing_intervals_0(
    folder: Path, run: Ingest, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "metadata.tsv").write_text(METADATA.replace("b.bw", ""))
    layout = run()
    assert np.isnan(cells(layout, "track", "B")).all()
    assert not cells(layout, "ambig", "B").any()
    assert "dataset B has no track: its cells are NaN" in caplog.text


def test_chromosome_that_a_bigwig_lacks_is_nan_and_said(
    folder: Path, run: Ingest, caplog: pytest.LogCaptureFixture
) -> None:
    bigwig(folder / "b.bw", {"chr1": CHR1}, 2)
    found = cells(run(), "track", "B")
    assert found[:CHR1].tolist() == expected_track(2)[:CHR1].tolist()
    assert np.isnan(found[CHR1:]).all()
    assert "b.bw lacks chromosomes chr2: their cells are NaN" in caplog.text


def test_slabs_leave_the_cells_unchanged(run: Ingest, small_slabs: None) -> None:
    assert cells(run(), "track", "A").tolist() == expected_track(1).tolist()


def test_partitions_are_whole_tiles_and_cover_every_row_once(folder: Path, small_slabs: None) -> None:
    plan = plan_ingest(folder / "metadata.tsv", folder / "attributes.tsv", folder / "chrom.sizes", folder / "out.tdb")
    parts = plan.partitions()
    assert [part.number for part in parts] == list(range(6))
    for task in (0, 1):
        ours = [part for part in parts if part.task == task]
        assert [part.low for part in ours] == [0, TILE_BP, 2 * TILE_BP]
        assert [part.high for part in ours] == [TILE_BP, 2 * TILE_BP, CHR1 + CHR2]


def test_partitions_share_what_is_the_same_for_all(folder: Path, small_slabs: None) -> None:
    """Working it out for each of a hundred thousand takes longer than all else that is in them."""
    plan = plan_ingest(folder / "metadata.tsv", folder / "attributes.tsv", folder / "chrom.sizes", folder / "out.tdb")
    parts = plan.partitions()
    assert all(part.dtypes is parts[0].dtypes and part.folder is parts[0].folder for part in parts)


class _PowerCutError(Exception):
    pass


def _stop_after(n: int, seen: list[int]) -> Callable[..., Iterator[int]]:
    def shards(write: Callable[[Partition], int], partitions: Sequence[Partition]) -> Iterator[int]:
        for part in partitions:
            if len(seen) == n:
                raise _PowerCutError
            seen.append(part.number)
            yield write(part)

    return shards


def test_interrupted_ingest_goes_on_where_it_stopped(folder: Path, run: Ingest, small_slabs: None) -> None:
    first: list[int] = []
    with pytest.raises(_PowerCutError):
        run(shards=_stop_after(4, first))
    assert not (folder / "out.tdb").exists()
    second: list[int] = []
    reports: list[tuple[int, int]] = []
    layout = run(shards=_stop_after(99, second), progress=lambda done, total: reports.append((done, total)))
    assert (first, second) == ([0, 1, 2, 3], [4, 5])
    assert reports == [(4, 6), (5, 6), (6, 6)]
    assert cells(layout, "track", "A").tolist() == expected_track(1).tolist()
    assert cells(layout, "track", "B").tolist() == expected_track(2).tolist()
    assert sorted(path.name for path in folder.glob("out.tdb*")) == ["out.tdb"]


def test_record_cut_short_writes_that_partition_again(folder: Path, run: Ingest, small_slabs: None) -> None:
    with pytest.raises(_PowerCutError):
        run(shards=_stop_after(4, []))
    record = folder / "out.tdb.partial" / "done.jsonl"
    record.write_text(record.read_text()[:-1])
    seen: list[int] = []
    assert cells(run(shards=_stop_after(99, seen)), "track", "B").tolist() == expected_track(2).tolist()
    assert seen == [3, 4, 5]


def test_changed_input_starts_anew(folder: Path, run: Ingest, small_slabs: None) -> None:
    with pytest.raises(_PowerCutError):
        run(shards=_stop_after(4, []))
    bigwig(folder / "a.bw", SIZES, 3)
    os.utime(folder / "a.bw", ns=(1, 1))
    seen: list[int] = []
    assert cells(run(shards=_stop_after(99, seen)), "track", "A").tolist() == expected_track(3).tolist()
    assert seen == [0, 1, 2, 3, 4, 5]


def test_finalise_names_what_is_missing(folder: Path, small_slabs: None) -> None:
    plan = plan_ingest(folder / "metadata.tsv", folder / "attributes.tsv", folder / "chrom.sizes", folder / "out.tdb")
    assert init(plan) == set()
    write_partition(plan.partitions()[0])
    with pytest.raises(StoreError, match=r"lacks partitions \[0, 1, 2, 3, 4, 5\]"):
        finalise(plan)  # written, but not recorded
    assert not (folder / "out.tdb").exists()


def test_finalise_interrupted_before_the_rename_goes_on(
    folder: Path, run: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(array: Path) -> None:
        consolidate(array)
        raise _PowerCutError

    consolidate = ingest_room._consolidate
    monkeypatch.setattr(ingest_room, "_consolidate", cut)
    with pytest.raises(_PowerCutError):
        run()
    monkeypatch.setattr(ingest_room, "_consolidate", consolidate)
    assert cells(run(shards=_stop_after(0, [])), "track", "A").tolist() == expected_track(1).tolist()


def test_existing_array_needs_overwrite(folder: Path, run: Ingest) -> None:
    run()
    with pytest.raises(StoreError, match="already exists; use it as it is, replace it with --overwrite, or add"):
        run()
    bigwig(folder / "a.bw", SIZES, 3)
    assert cells(run(overwrite=True), "track", "A").tolist() == expected_track(3).tolist()
    assert sorted(path.name for path in folder.glob("out.tdb*")) == ["out.tdb"]


def test_folder_that_is_no_array_is_never_replaced(folder: Path, run: Ingest) -> None:
    (folder / "out.tdb").mkdir()
    with pytest.raises(StoreError, match="exists and is not a TileDB array"):
        run(overwrite=True)


def test_peak_over_the_end_is_clipped_and_said(folder: Path, run: Ingest, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "peaks.bed").write_text("chr1\t39990\t40010\t.\t5\n")
    assert np.flatnonzero(cells(run(), "peak", "A")).tolist() == list(range(39990, 40000))
    assert "peaks.bed: 1 intervals run over the end" in caplog.text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("chrUn\t1\t5\t.\t2\n", "1 intervals on chromosomes that the genome lacks skipped: chrUn"),
        ("chr1\t1\t5\t.\t4\n", "1 summits outside their interval skipped"),
    ],
)
def test_rows_that_cannot_be_cells_are_counted(
    folder: Path, run: Ingest, caplog: pytest.LogCaptureFixture, line: str, said: str
) -> None:
    (folder / "peaks.bed").write_text(PEAKS + line)
    assert (cells(run(), "peak", "A") == 2).sum() == 3
    assert said in caplog.text


def _wrong_inputs(folder: Path) -> dict[str, Callable[[], object]]:
    return {
        "missing file": lambda: (folder / "b.bw").unlink(),
        "bigwig naming": lambda: bigwig(folder / "b.bw", {"1": CHR1, "2": CHR2}),
        "bigwig naming of some": lambda: bigwig(folder / "b.bw", {"1": CHR1, "chr2": CHR2}),
        "bigwig longer": lambda: bigwig(folder / "b.bw", {"chr1": CHR1 + 1, "chr2": CHR2}),
        "bigwig cut": lambda: (folder / "b.bw").write_bytes((folder / "a.bw").read_bytes()[:2000]),
        "not a bigwig": lambda: (folder / "b.bw").write_text("chr1\t0\t1\t5\n"),
        "bed naming": lambda: (folder / "peaks.bed").write_text("1\t10\t20\t.\t5\n"),
        "bed longer": lambda: (folder / "peaks.bed").write_text("chr1\t10\t99999999999999999999\t.\t5\n"),
        "bed elsewhere": lambda: (folder / "peaks.bed").write_text("chr1\t40000\t40010\t.\t5\n"),
        "no summit": lambda: (folder / "peaks.bed").write_text("chr1\t10\t20\n"),
        "reversed": lambda: (folder / "ambig.bed").write_text("chr1\t20\t10\n"),
        "long genome": lambda: (folder / "chrom.sizes").write_text("chr1\t3000000000\nchr2\t2000000000\n"),
    }


@pytest.mark.parametrize(
    ("what", "kind", "said"),
    [
        ("missing file", StoreError, r"names 1 files that do not exist.*\n.*b\.bw \(track of B\)"),
        ("bigwig naming", GenomeError, r"'chr1' is not in .*b\.bw: it is called '1' there"),
        ("bigwig naming of some", GenomeError, r"'chr1' is not in .*b\.bw: it is called '1' there, 'chr1' here"),
        ("bigwig longer", GenomeError, r"chr1 has 40,000 bases here but 40,001 in .*b\.bw"),
        ("bigwig cut", StoreError, r"b\.bw is not a whole bigWig file"),
        ("not a bigwig", StoreError, r"b\.bw is not a whole bigWig file"),
        ("bed naming", GenomeError, r"'1' of .*peaks\.bed is not in the genome: it is called 'chr1' there"),
        ("bed longer", GenomeError, r"peaks\.bed line 1: chr1:10-9+ ends beyond any chromosome"),
        ("bed elsewhere", GenomeError, r"peaks\.bed: chr1:40000-40010 starts beyond"),
        ("no summit", GenomeError, r"peaks\.bed line 1 has 3 columns and no summit"),
        ("reversed", GenomeError, r"ambig\.bed line 1: chr1:20-10 is not an interval"),
        ("long genome", StoreError, r"5,000,000,000 bases does not fit the array's 32-bit rows"),
    ],
)
def test_wrong_input_is_named_before_anything_is_written(
    folder: Path, run: Ingest, what: str, kind: type[KerasacError], said: str
) -> None:
    _wrong_inputs(folder)[what]()
    with pytest.raises(kind, match=said):
        run()
    assert not list(folder.glob("out.tdb*"))


def test_long_genome_without_tracks_leaves_nothing(folder: Path, run: Ingest) -> None:
    (folder / "chrom.sizes").write_text("chr1\t3000000000\nchr2\t2000000000\n")
    (folder / "metadata.tsv").write_text("dataset\ttrack\tpeak\tambig\nA\t\t\t\n")
    with pytest.raises(StoreError, match="does not fit the array's 32-bit rows"):
        run()
    assert not list(folder.glob("out.tdb*"))


@pytest.mark.parametrize("out", ["peaks.bed/out.tdb", "peaks.bed/stores/out.tdb"])
def test_array_below_a_file_is_an_error(folder: Path, out: str) -> None:
    files = [folder / name for name in ("metadata.tsv", "attributes.tsv", "chrom.sizes", out)]
    with pytest.raises(StoreError, match=r"peaks\.bed is a file, so there is no place for .*out\.tdb; choose another"):
        ingest(*files)


def test_infinite_values_are_an_error(folder: Path, run: Ingest) -> None:
    with pyBigWig.open(str(folder / "b.bw"), "w") as file:
        file.addHeader(list(SIZES.items()))
        file.addEntries(["chr1"], [3], ends=[4], values=[np.inf])
    with pytest.raises(StoreError, match=r"b\.bw holds infinite values on chr1"):
        run()


@pytest.mark.shared
def test_cells_equal_seqdataloaders(shared_dir: Path, tmp_path: Path) -> None:
    genome = shared_dir / "reference" / "genome"
    files = [genome / name for name in ("metadata.tsv", "attributes.tsv", "chrom.sizes")]
    layout = ingest(*files, tmp_path / "ours.tdb")
    with tiledb.open(str(genome / "store.tdb")) as theirs, tiledb.open(layout.path) as ours:
        expected, found = theirs[:], ours[:]
        assert [theirs.attr(i).name for i in range(theirs.nattr)] == list(layout.attributes)
    for attribute, values in expected.items():
        # The row after the last base is written by nobody, and holds each type's own filling.
        np.testing.assert_array_equal(found[attribute][:-1], values[:-1], err_msg=attribute)
        assert found[attribute].dtype == (values.dtype if values.dtype.kind == "f" else np.uint8)


def test_runs_of_peaks_are_kept_with_the_array(run: Ingest, small_slabs: None, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = run()
    monkeypatch.setattr("kerasac.store.scan._scan", pytest.fail)
    for attribute, threshold in (("peak", 1), ("peak", 2), ("ambig", 1)):
        for dataset in ("A", "B"):
            reached = np.flatnonzero(cells(layout, attribute, dataset) >= threshold)
            spans = scan_spans(layout, attribute, [dataset], threshold)
            assert spans.rows_at(np.arange(spans.total_bp)).tolist() == reached.tolist()


def test_bigwig_attributes_are_scanned(run: Ingest) -> None:
    spans = scan_spans(run(), "track", ["A"], 39_990)
    assert spans.rows_at(np.arange(spans.total_bp)).tolist() == list(range(39_990, 40_000))


def test_partitions_are_made_once_for_all_datasets(
    folder: Path, run: Ingest, small_slabs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    partitions, calls = IngestPlan.partitions, []
    monkeypatch.setattr(IngestPlan, "partitions", lambda plan: (calls.append(plan), partitions(plan))[1])
    run()
    n_calls = len(calls)
    with (folder / "metadata.tsv").open("a") as table:
        table.writelines(f"more_{i}\ta.bw\t\t\n" for i in range(5))
    run(overwrite=True)
    assert len(calls) == 2 * n_calls


def test_runs_of_one_track_are_held_at_a_time(run: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[weakref.ref[np.ndarray]] = []

    def watched(parts: Iterator[Runs]) -> Runs:
        runs = join(parts)
        starts.append(weakref.ref(runs.start))
        return runs

    def write(layout: StoreLayout, runs: Mapping[Track, Runs], content: Mapping[Track, str]) -> None:
        assert len(starts) == 4
        assert sum(start() is not None for start in starts) <= 1
        store(layout, runs, content)

    join, store = ingest_room.joined, ingest_room.write_stored
    monkeypatch.setattr(ingest_room, "joined", watched)
    monkeypatch.setattr(ingest_room, "write_stored", write)
    run()


def test_content_follows_the_cells_not_the_way_they_were_written(
    folder: Path, run: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_room, "CHECKSUM_BP", TILE_BP)
    monkeypatch.setattr(ingest_room, "create_array", partial(create_array, tile_bp=TILE_BP))
    tracks = [Track(dataset, attribute) for dataset in ("A", "B") for attribute in ("track", "peak", "ambig")]
    once = run()
    before = {track: track_content(once, track) for track in tracks}
    assert len({before[track] for track in tracks}) == 5  # the peaks of A and B are the same file
    monkeypatch.setattr(ingest_room, "SLAB_BYTES", 1)
    again = run(overwrite=True)
    assert again.state != once.state
    assert {track: track_content(again, track) for track in tracks} == before
    bigwig(folder / "a.bw", SIZES, 3)
    changed = run(overwrite=True)
    assert {track for track in tracks if track_content(changed, track) != before[track]} == {Track("A", "track")}


def more_tables(folder: Path, metadata: str, attributes: str = "track\tbigwig\nfold\tbigwig\n") -> list[Path]:
    (folder / "more.tsv").write_text(metadata)
    (folder / "more_attributes.tsv").write_text(attributes)
    return [folder / name for name in ("more.tsv", "more_attributes.tsv", "chrom.sizes", "out.tdb")]


def test_added_datasets_and_attributes_join_those_that_are_there(folder: Path, run: Ingest, small_slabs: None) -> None:
    before = run()
    kept = {(d, a): cells(before, a, d) for d in before.datasets for a in before.attributes}
    content = track_content(before, Track("A", "track"))
    bigwig(folder / "c.bw", SIZES, 3)
    layout = ingest(*more_tables(folder, "dataset\ttrack\tfold\nC\tc.bw\t\nA\t\tc.bw\n"), add=True)
    assert layout.datasets == ("A", "B", "C")
    assert list(layout.attributes) == ["track", "peak", "ambig", "fold"]
    for (dataset, attribute), values in kept.items():
        np.testing.assert_array_equal(cells(layout, attribute, dataset), values)
    np.testing.assert_array_equal(cells(layout, "track", "C"), expected_track(3))
    np.testing.assert_array_equal(cells(layout, "fold", "A"), expected_track(3))
    assert np.isnan(cells(layout, "fold", "B")).all()
    assert (cells(layout, "peak", "C") == 0).all()
    assert track_content(layout, Track("A", "track")) == content
    assert not (folder / "out.tdb.partial").exists()


def test_added_summits_are_summits(folder: Path, run: Ingest) -> None:
    before = run()
    tables = more_tables(folder, "dataset\tpeak\nC\tpeaks.bed\n", "peak\tbed_summit_from_last_col\n")
    layout = ingest(*tables, add=True)
    np.testing.assert_array_equal(cells(layout, "peak", "C"), cells(before, "peak", "A"))
    assert (cells(layout, "peak", "C") == 2).any()


def test_track_that_is_there_is_replaced_only_when_asked(folder: Path, run: Ingest) -> None:
    run()
    bigwig(folder / "c.bw", SIZES, 3)
    tables = more_tables(folder, "dataset\ttrack\nA\tc.bw\n", "track\tbigwig\n")
    with pytest.raises(StoreError, match=r"has track of A already; say --overwrite as well"):
        ingest(*tables, add=True)
    layout = ingest(*tables, add=True, overwrite=True)
    np.testing.assert_array_equal(cells(layout, "track", "A"), expected_track(3))
    np.testing.assert_array_equal(cells(layout, "track", "B"), expected_track(2))


@pytest.mark.shared
def test_added_array_of_seqdataloader_keeps_its_cells(shared_dir: Path, tmp_path: Path) -> None:
    reference = shared_dir / "reference/genome"
    shutil.copytree(reference / "store.tdb", tmp_path / "store.tdb")
    before = read_layout(str(tmp_path / "store.tdb"))
    kept = cells(before, "idr_peak", "K562")
    (tmp_path / "m.tsv").write_text(f"dataset\textra\nK562\t{reference / 'K562.plus.bw'}\n")
    (tmp_path / "a.tsv").write_text("extra\tbigwig\n")
    files = [tmp_path / "m.tsv", tmp_path / "a.tsv", reference / "chrom.sizes", tmp_path / "store.tdb"]
    layout = ingest(*files, add=True)
    np.testing.assert_array_equal(cells(layout, "idr_peak", "K562"), kept)
    assert dict(layout.attributes) == {**before.attributes, "extra": np.dtype(np.float32)}
    np.testing.assert_array_equal(cells(layout, "extra", "K562"), cells(layout, "count_bigwig_plus_5p", "K562"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"chrom.sizes": "chr1\t40000\nchr2\t3001\n"}, "are of different assemblies|of the same genome"),
        ({"more_attributes.tsv": "track\tbed_no_summit\n"}, "holds float32, which is no bed_no_summit"),
    ],
)
def test_what_cannot_be_added_is_named_and_nothing_is_touched(
    folder: Path, run: Ingest, change: dict[str, str], said: str
) -> None:
    before = run()
    tables = more_tables(folder, "dataset\ttrack\nC\ta.bw\n", "track\tbigwig\n")
    for name, text in change.items():
        (folder / name).write_text(text)
    with pytest.raises(KerasacError, match=said):
        ingest(*tables, add=True)
    assert read_layout(str(folder / "out.tdb")).state == before.state
    assert not (folder / "out.tdb.partial").exists()


@pytest.fixture
def others(folder: Path) -> Iterator[ThreadPoolExecutor]:
    """A thread for a second ingest, of an array that a first one has begun."""
    (folder / "out.tdb.partial" / "array").mkdir(parents=True)
    with ThreadPoolExecutor(1) as pool:
        yield pool


def _wait_until_said(caplog: pytest.LogCaptureFixture, text: str) -> None:
    give_up = time.monotonic() + 60
    while text not in caplog.text:
        assert time.monotonic() < give_up, f"{text!r} is not said"
        time.sleep(0.01)


def test_mistakes_are_said_while_another_ingest_goes_on(folder: Path, run: Ingest, others: ThreadPoolExecutor) -> None:
    (folder / "metadata.tsv").unlink()
    with locked(ingest_room._lock_of(folder / "out.tdb")):
        second = others.submit(run)
        with pytest.raises(StoreError, match=r"metadata table .* does not exist"):
            second.result(timeout=20)


def test_waiting_for_another_ingest_is_said(
    folder: Path, run: Ingest, others: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    with locked(ingest_room._lock_of(folder / "out.tdb"), remove_after=True):
        second = others.submit(run)
        _wait_until_said(caplog, "out.tdb is going on; this one waits")
        assert not second.done()
    assert cells(second.result(timeout=60), "track", "A").tolist() == expected_track(1).tolist()
    assert caplog.text.count("is going on") == 1


def test_add_to_an_array_that_another_ingest_is_making_waits_for_it(
    folder: Path, run: Ingest, others: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    made = run()
    Path(made.path).rename(folder / "made.tdb")
    bigwig(folder / "c.bw", SIZES, 3)
    tables = more_tables(folder, "dataset\ttrack\nC\tc.bw\n", "track\tbigwig\n")
    with locked(ingest_room._lock_of(folder / "out.tdb"), remove_after=True):
        second = others.submit(ingest, *tables, add=True)
        _wait_until_said(caplog, "out.tdb is going on; this one waits")
        (folder / "made.tdb").rename(folder / "out.tdb")
    assert second.result(timeout=60).datasets == ("A", "B", "C")


class KilledError(BaseException):
    """Stands for the end of a process."""


@pytest.mark.parametrize("step", range(4))
def test_add_killed_while_arrays_change_places_loses_none(
    folder: Path, run: Ingest, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Killed before or after either rename, the same command ends with every track."""
    before = run()
    kept = cells(before, "track", "A")
    bigwig(folder / "c.bw", SIZES, 3)
    tables = more_tables(folder, "dataset\ttrack\nC\tc.bw\n", "track\tbigwig\n")
    rename, calls = Path.rename, []

    def killed(self: Path, target: Path) -> Path:
        if self.name not in ("out.tdb", "array"):
            return rename(self, target)
        calls.append(self)
        if len(calls) == step // 2 + 1:
            if step % 2:
                rename(self, target)
            raise KilledError
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KilledError):
            ingest(*tables, add=True)
    if step < 3:
        layout = ingest(*tables, add=True)
    else:  # it was whole, so that C is there already
        with pytest.raises(StoreError, match="has track of C already"):
            ingest(*tables, add=True)
        layout = read_layout(str(folder / "out.tdb"))
    assert layout.datasets == ("A", "B", "C")
    np.testing.assert_array_equal(cells(layout, "track", "A"), kept)
    np.testing.assert_array_equal(cells(layout, "track", "C"), expected_track(3))
    assert [path.name for path in folder.glob("out.tdb*")] == ["out.tdb"]


def test_add_without_an_array_is_an_error(folder: Path, run: Ingest) -> None:
    with pytest.raises(StoreError, match=r"there is no array .*out.tdb to add to; leave --add out"):
        run(add=True)


def test_array_written_while_it_is_added_to_is_an_error(
    folder: Path, run: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = run()
    bigwig(folder / "c.bw", SIZES, 3)

    def also_write(plan: object) -> None:
        with tiledb.open(layout.path, "w") as array:
            array[0:1, 0] = {name: np.zeros(1, dtype) for name, dtype in layout.attributes.items()}
        facts(plan)

    facts = ingest_room._write_facts
    monkeypatch.setattr(ingest_room, "_write_facts", also_write)
    with pytest.raises(StoreError, match="was written to while it was in use"):
        ingest(*more_tables(folder, "dataset\ttrack\nC\tc.bw\n", "track\tbigwig\n"), add=True)
    assert read_layout(layout.path).datasets == ("A", "B")


def test_unfinished_array_without_its_cells_is_made_again(folder: Path, run: Ingest, small_slabs: None) -> None:
    """Its record would say that all is done."""
    expected = cells(run(), "track", "A")
    plan = plan_ingest(*(folder / name for name in ("metadata.tsv", "attributes.tsv", "chrom.sizes", "out.tdb")))
    init(plan)
    with (plan.unfinished / "done.jsonl").open("a") as record:
        record.writelines(f"{part.number}\n" for part in plan.partitions())
    shutil.rmtree(plan.array)
    np.testing.assert_array_equal(cells(run(overwrite=True), "track", "A"), expected)


def test_peaks_that_were_never_written_are_none(tmp_path: Path) -> None:
    layout = create_array(str(tmp_path / "a.tdb"), ASSEMBLY, ["d"], {"peak": np.dtype(np.uint8)})
    assert not cells(layout, "peak", "d").any()


def test_reads_are_counted_by_strand_and_shifted(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "f.tsv").write_text("chr1\t100\t150\nchr1\t100\t160\nchr2\t2998\t3000\n")
    (folder / "m.tsv").write_text("dataset\tplus\tminus\tboth\nA\tf.tsv\tf.tsv\tf.tsv\n")
    (folder / "a.tsv").write_text("plus\treads_plus\nminus\treads_minus\nboth\treads_unstranded\n")
    files = [folder / name for name in ("m.tsv", "a.tsv", "chrom.sizes", "r.tdb")]
    layout = ingest(*files, reads=ReadsSpec(shift=Shift(4, -4)))
    plus, minus, both = (cells(layout, name, "A") for name in ("plus", "minus", "both"))
    assert {int(row): plus[row] for row in np.flatnonzero(plus)} == {104: 2}  # the third is shifted off chr2
    assert {int(row): minus[row] for row in np.flatnonzero(minus)} == {145: 1, 155: 1, CHR1 + 2995: 1}
    np.testing.assert_array_equal(both, plus + minus)
    assert "6 5' ends, shift +4/−4 (as given); left out: 1 shifted off their chromosome" in caplog.text
    with pytest.raises(StoreError, match=r"found by its motif, which needs the FASTA"):
        ingest(*files, overwrite=True)


@pytest.mark.shared
def test_fragments_give_the_bigwigs_of_yeast(
    shared_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = shared_dir / "data/yeast-atac"
    kinds = {"plus": "reads_plus", "minus": "reads_minus", "unstranded": "reads_unstranded"}
    names = [*kinds, *(f"{name}_bw" for name in kinds)]
    reads, tracks = [str(data / "atac.fragments.bed.gz")] * 3, [str(data / f"atac.{name}.bw") for name in kinds]
    rows = ("\t".join(["dataset", *names]), "\t".join(["yeast", *reads, *tracks]))
    (tmp_path / "m.tsv").write_text("\n".join(rows) + "\n")
    (tmp_path / "a.tsv").write_text("".join(f"{name}\t{kinds.get(name, 'bigwig')}\n" for name in names))
    files = [tmp_path / "m.tsv", tmp_path / "a.tsv", data / "sacCer3.chrom.sizes", tmp_path / "r.tdb"]
    layout = ingest(*files, fasta=data / "sacCer3.fa.gz")
    for name in kinds:
        np.testing.assert_array_equal(cells(layout, name, "yeast"), cells(layout, f"{name}_bw", "yeast"))
    assert "829,822 5' ends, shift +4/−4 (found by the motif)" in caplog.text
