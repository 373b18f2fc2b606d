"""Two chromosomes of 21 and 11 bins, a third that is too short; peaks of two tasks, and a bigWig whose value is 2."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyBigWig
import pytest

from kerasac.cache import locked
from kerasac.errors import KerasacError, StoreError
from kerasac.store.labels import build as build_room
from kerasac.store.labels import files as files_room
from kerasac.store.labels.build import LabelReport, TaskCounts, write_labels
from kerasac.store.labels.outputs import OutputSpec
from kerasac.store.labels.read import BinLabels, read_labels
from kerasac.store.labels.spec import Approach, FileType, LabelSpec, Transform

SUMMITS = LabelSpec(Approach.SUMMIT_CLASSIFICATION, ambiguous=True)
PEAK = "{}\t900\t1200\t.\t0\t.\t0\t0\t0\t110\n"  # bins 9 … 12, and 8 and 13 beside them
POSITIVE, BESIDE = [9, 10, 11, 12], [8, 13]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sizes = {"chr1": 2000, "chr2": 1500, "chr3": 900}
    (tmp_path / "chrom.sizes").write_text("".join(f"{name}\t{size}\n" for name, size in sizes.items()))
    (tmp_path / "a.narrowPeak").write_text(PEAK.format("chr1"))
    (tmp_path / "b.narrowPeak").write_text(PEAK.format("chr2"))
    (tmp_path / "ambig.bed").write_text("chr1\t410\t420\n")  # bin 0
    with pyBigWig.open(str(tmp_path / "two.bw"), "w") as file:
        file.addHeader(list(sizes.items()))
        for name, size in sizes.items():
            file.addEntries([name], [0], ends=[size], values=[2.0])
    rows = "a\ta.narrowPeak\ttwo.bw\tambig.bed\nx/b\tb.narrowPeak\ttwo.bw\t\n"
    (tmp_path / "tasks.tsv").write_text(f"task\tnarrowPeak\tbigwig\tambig\n{rows}")
    return tmp_path


def build(folder: Path, name: str, spec: LabelSpec = SUMMITS, options: dict[str, Any] = {}, **how: Any) -> LabelReport:  # noqa: B006
    output = OutputSpec(folder / name, **how)
    return write_labels(folder / "tasks.tsv", folder / "chrom.sizes", output, spec, **options)


def expected() -> np.ndarray:
    labels = np.zeros((32, 2), dtype=np.float32)
    labels[POSITIVE, 0], labels[[*BESIDE, 0], 0] = 1, np.nan
    labels[[21 + 9, 21 + 10], 1], labels[21 + 8, 1] = 1, np.nan  # chr2 has no bins 11 … 13
    return labels


@pytest.mark.parametrize("name", ["x.hdf5", "x.h5", "x.tsv", "x.tsv.gz", "x.tsv.bz2"])
def test_labels_of_all_tasks_are_written_in_the_order_of_the_genome(folder: Path, name: str) -> None:
    report = build(folder, name)
    labels = read_labels(folder / name)
    assert (labels.tasks, labels.chroms) == (("a", "x/b"), ("chr1", "chr2"))
    assert labels.chrom.tolist() == ["chr1"] * 21 + ["chr2"] * 11
    assert labels.start.tolist() == [*range(0, 1050, 50), *range(0, 550, 50)]
    np.testing.assert_array_equal(labels.values, expected())
    assert report == LabelReport((folder / name,), 32, (TaskCounts("a", 4, 3), TaskCounts("x/b", 2, 1)))


def test_text_is_seqdataloaders(folder: Path) -> None:
    build(folder, "x.tsv")
    lines = (folder / "x.tsv").read_text().split("\n")
    assert lines[:2] == ["CHR\tSTART\tEND\ta\tx/b", "chr1\t0\t1000\tNaN\t0.0"]
    assert (lines[10], lines[33:]) == ("chr1\t450\t1450\t1.0\t0.0", [""])


def test_output_type_outdoes_the_name(folder: Path) -> None:
    build(folder, "labels.bed", file_type=FileType.GZIP)
    assert gzip.decompress((folder / "labels.bed").read_bytes()).startswith(b"CHR\tSTART")


def test_settings_are_noted_in_hdf5(folder: Path) -> None:
    build(folder, "x.hdf5", LabelSpec(Approach.ALL_BINS_REGRESSION, transform=Transform.LOG, pseudocount=1))
    noted = read_labels(folder / "x.hdf5").settings["labels"]
    assert (noted["approach"], noted["transform"], noted["pseudocount"]) == ("all_genome_bins_regression", "log", 1)
    assert noted["bins"] == {"size": 200, "stride": 50, "left_flank": 400, "right_flank": 400}


@pytest.mark.parametrize("name", ["x.hdf5", "x.tsv.gz"])
def test_positives_and_universal_negatives_are_parted(folder: Path, name: str) -> None:
    """A bin that is ambiguous in a task and positive in none is in neither file."""
    report = build(folder, name, above=0.0)
    negatives = folder / f"universal_negatives.{name}"
    assert report.files == (folder / name, negatives)
    positive, negative = read_labels(folder / name), read_labels(negatives)
    kept = [*POSITIVE, 30, 31]
    np.testing.assert_array_equal(positive.values, expected()[kept])
    assert positive.start.tolist() == [450, 500, 550, 600, 450, 500]
    assert negative.tasks == ()
    left_out = {0, *BESIDE, 29}
    whole = read_labels_of(folder)
    rows = [n for n in range(32) if n not in {*kept, *left_out}]
    assert negative.chrom.tolist() == whole.chrom[rows].tolist()
    assert negative.start.tolist() == whole.start[rows].tolist()


def read_labels_of(folder: Path) -> BinLabels:
    build(folder, "whole.hdf5")
    return read_labels(folder / "whole.hdf5")


def test_threshold_is_of_labels_as_they_are_stored(folder: Path) -> None:
    """The signal is 2 and its asinh 1.44: above 1.4, not above 1.5."""
    spec = LabelSpec(Approach.SUMMIT_REGRESSION)
    build(folder, "low.tsv", spec, above=1.4)
    build(folder, "high.tsv", spec, above=1.5)
    assert len(read_labels(folder / "low.tsv")) == 6
    assert len(read_labels(folder / "high.tsv")) == 0
    assert len(read_labels(folder / "universal_negatives.high.tsv")) == 32


def test_empty_table_is_written(folder: Path) -> None:
    build(folder, "x.hdf5", LabelSpec(Approach.SUMMIT_REGRESSION), above=9.0)
    assert read_labels(folder / "x.hdf5").values.shape == (0, 2)


@pytest.mark.parametrize("name", ["x.hdf5", "x.tsv.gz"])
def test_files_of_one_chromosome_and_task(folder: Path, name: str) -> None:
    report = build(folder, name, by_chrom=True, by_task=True)
    names = [f"chr1.a.{name}", f"chr1.x.b.{name}", f"chr2.a.{name}", f"chr2.x.b.{name}"]
    assert [path.name for path in report.files] == names
    labels = read_labels(folder / names[3])
    assert (labels.tasks, set(labels.chrom)) == (("x/b",), {"chr2"})
    np.testing.assert_array_equal(labels.values[:, 0], expected()[21:, 1])


def test_positives_of_one_task_are_its_own(folder: Path) -> None:
    build(folder, "x.tsv", by_task=True, above=0.0)
    assert read_labels(folder / "a.x.tsv").start.tolist() == [450, 500, 550, 600]
    assert len(read_labels(folder / "universal_negatives.x.b.x.tsv")) == 32 - 2 - 1


@pytest.mark.parametrize("options", [{"keep": ["chr2"]}, {"exclude": ["chr1"]}])
def test_chromosomes_are_kept_or_left_out(folder: Path, options: dict[str, Any]) -> None:
    build(folder, "x.tsv", options=options)
    labels = read_labels(folder / "x.tsv")
    assert labels.chroms == ("chr2",)
    np.testing.assert_array_equal(labels.values, expected()[21:])


@pytest.mark.parametrize("name", ["x.hdf5", "x.tsv"])
@pytest.mark.parametrize(
    "spec", [SUMMITS, LabelSpec(Approach.ALL_BINS_REGRESSION), LabelSpec(Approach.OVERLAP_REGRESSION)]
)
def test_files_do_not_depend_on_how_the_work_is_cut_and_ordered(
    folder: Path, name: str, spec: LabelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def backwards(work: Callable[[Any], Any], shards: Sequence[Any]) -> Iterator[Any]:
        return map(work, reversed(shards))

    build(folder, f"whole.{name}", spec)
    monkeypatch.setattr(build_room, "_BLOCK_BP", 200)  # blocks of 4 bins
    monkeypatch.setattr(files_room, "_PIECE_CELLS", 35)  # pieces of 7
    steps: list[tuple[int, int]] = []
    build(folder, name, spec, {"shards": backwards, "progress": lambda *step: steps.append(step)})
    n_steps = 2 * (6 + 3) + 5
    assert steps == [(done, n_steps) for done in range(n_steps + 1)]
    ours, theirs = read_labels(folder / name), read_labels(folder / f"whole.{name}")
    np.testing.assert_array_equal(ours.values, theirs.values)
    assert ours.start.tolist() == theirs.start.tolist()


def test_existing_file_is_kept_unless_it_may_be_replaced(folder: Path) -> None:
    (folder / "universal_negatives.x.tsv").write_text("mine")
    with pytest.raises(StoreError, match=r"universal_negatives\.x\.tsv already exists; .*--overwrite"):
        build(folder, "x.tsv", above=0.0)
    assert not (folder / "x.tsv").exists()
    build(folder, "x.tsv", above=0.0, overwrite=True)
    assert (folder / "universal_negatives.x.tsv").read_text().startswith("CHR\tSTART\tEND\n")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda folder: (folder / "a.narrowPeak").write_text("1\t900\t1200\t.\t0\t.\t0\t0\t0\t110\n"),
            "'1' of .* is not",
        ),
        (lambda folder: (folder / "two.bw").write_bytes(b"no"), "two.bw is not a whole bigWig"),
        (lambda folder: (folder / "chrom.sizes").write_text("chr1\t3000\n"), "files are of different assemblies"),
    ],
)
def test_mistake_of_an_input_leaves_nothing_behind(folder: Path, change: Callable[[Path], Any], message: str) -> None:
    change(folder)
    with pytest.raises(KerasacError, match=message):
        build(folder, "out/x.hdf5", LabelSpec(Approach.SUMMIT_REGRESSION))
    assert not (folder / "out").exists()


@pytest.mark.parametrize("name", ["x.hdf5", "x.tsv"])
def test_error_in_the_work_leaves_nothing_behind(folder: Path, name: str) -> None:
    with pytest.raises(StoreError, match="log of signal"):
        build(folder, f"out/{name}", LabelSpec(Approach.SUMMIT_REGRESSION, transform=Transform.LOG, pseudocount=0))
    assert list((folder / "out").iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from kerasac.store.labels.build import write_labels
from kerasac.store.labels.outputs import OutputSpec
from kerasac.store.labels.spec import Approach, LabelSpec

def kill(done, total):
    if done == total:
        os.kill(os.getpid(), signal.SIGKILL)

folder = Path(sys.argv[1])
spec = LabelSpec(Approach.OVERLAP_CLASSIFICATION)
write_labels(folder / "tasks.tsv", folder / "chrom.sizes", OutputSpec(folder / "out/x.hdf5"), spec, progress=kill)
"""


def test_what_a_killed_process_left_is_removed_by_the_next(folder: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False)
    left = [path for path in (folder / "out").rglob("*") if path.is_file()]
    assert {path.suffix or path.name for path in left} == {"matrix", ".part", ".lock"}
    n_matrices: list[int] = []

    def count(done: int, total: int) -> None:
        n_matrices.append(len(list((folder / "out").rglob("matrix"))))

    build(folder, "out/x.hdf5", options={"progress": count})
    assert (n_matrices[0], max(n_matrices)) == (0, 1), "the old one leaves before the new one takes its room"
    assert [path.name for path in (folder / "out").iterdir()] == ["x.hdf5"]


def test_file_that_another_process_wrote_meanwhile_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def locked_late(path: Path, **how: bool) -> Iterator[None]:
        (folder / "x.tsv").write_text("another's")
        with locked(path, **how):
            yield

    monkeypatch.setattr(build_room, "locked", locked_late)
    with pytest.raises(StoreError, match=r"x\.tsv already exists"):
        build(folder, "x.tsv")
    assert (folder / "x.tsv").read_text() == "another's"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": ["1"]}, "chromosome '1' is not in .*chrom.sizes: it is called 'chr1' there"),
        ({"exclude": ["chr1", "chr2", "chr3"]}, "no chromosome is left to label"),
    ],
)
def test_unknown_or_no_chromosomes_are_an_error(folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(StoreError, match=message):
        build(folder, "x.tsv", options=options)


def test_names_of_chromosomes_and_negatives_may_come_last(folder: Path) -> None:
    report = build(folder, "x.tsv", by_chrom=True, above=0.0, chrom_last=True, negatives_last=True)
    assert sorted(path.name for path in report.files) == [
        f"x.tsv.{chrom}{rest}" for chrom in ("chr1", "chr2") for rest in ("", ".universal_negatives")
    ]


def test_name_that_says_no_format_is_an_error() -> None:
    with pytest.raises(StoreError, match=r"the name labels\.pkl does not say its format; end it in \.hdf5"):
        OutputSpec(Path("labels.pkl"))


@pytest.mark.shared
@pytest.mark.parametrize("approach", [Approach.SUMMIT_REGRESSION, Approach.ALL_BINS_REGRESSION])
def test_signal_of_a_genome_is_that_of_its_bigwigs(shared_dir: Path, tmp_path: Path, approach: Approach) -> None:
    genome = shared_dir / "reference/genome"
    rows = "".join(f"{name}\t{name}.idr.narrowPeak\t{name}.unstranded.bw\n" for name in ("K562", "GM12878"))
    (tmp_path / "tasks.tsv").write_text(f"task\tnarrowPeak\tbigwig\n{rows}")
    spec = LabelSpec(approach, transform=Transform.NONE)
    out = OutputSpec(tmp_path / "x.hdf5")
    write_labels(tmp_path / "tasks.tsv", genome / "chrom.sizes", out, spec, base=genome)
    labels = read_labels(out.path)
    with pyBigWig.open(str(genome / "GM12878.unstranded.bw")) as bigwig:
        checked = np.flatnonzero(labels.values[:, 1])[::20]
        for chrom, start, value in zip(
            labels.chrom[checked].tolist(), labels.start[checked].tolist(), labels.values[checked, 1], strict=True
        ):
            values = bigwig.values(chrom, start + 400, start + 600, numpy=True)
            every = approach == Approach.ALL_BINS_REGRESSION
            assert value == pytest.approx(np.nan_to_num(values).mean() if every else np.nanmean(values), rel=1e-5)
    assert len(checked) > 5
