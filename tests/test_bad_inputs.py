"""Inputs that people really have: each gives one clear message, or a counted skip, and leaves nothing half-written.

The table of ``ingest`` is :data:`INGEST`, that of experiments :data:`EXPERIMENTS`; ``skips`` are inputs that are taken
with a warning, ``harmless`` ones that need none.
"""

from __future__ import annotations

import gzip
import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyBigWig
import pytest
import tiledb
from tiny import ASSEMBLY, tiny_experiment, write_fasta, write_json, write_tracks

from kerasac.errors import KerasacError
from kerasac.steps.check import check
from kerasac.store.ingest import ingest

SIZES = {"chr1": 40_000, "chr2": 3_000}
PEAKS = "chr1\t10\t20\t.\t0\t.\t0\t0\t0\t5\nchr2\t100\t130\t.\t0\t.\t0\t0\t0\t29\n"


class Case(NamedTuple):
    """Files to write over the good ones (text, bytes, or who makes them), and what is said."""

    files: dict[str, Any]
    said: str


def bigwig(path: Path, sizes: dict[str, int], value: float = 1.0) -> None:
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(list(sizes.items()))
        for chrom in sizes:
            file.addEntries([chrom], [5], ends=[50], values=[value])


def tracks(sizes: dict[str, int], value: float = 1.0) -> Callable[[Path], None]:
    return lambda path: bigwig(path, sizes, value)


def truncated(path: Path) -> None:
    bigwig(path, {f"chr{i}": 1000 for i in range(1, 40)})
    path.write_bytes(path.read_bytes()[:300])


def metadata(*rows: str, header: str = "dataset\ttrack\tpeak") -> str:
    return "".join(f"{line}\n" for line in (header, *rows))


ROW = "A\ttrack.bw\tpeaks.bed"

INGEST: dict[str, Case] = {
    "bigWig of another assembly": Case({"track.bw": tracks({"chr1": 41_000})}, "chr1 has 40,000 bases here but 41,000"),
    "bigWig without chr": Case({"track.bw": tracks({"1": 40_000})}, "it is called '1' there, 'chr1' here"),
    "truncated bigWig": Case({"track.bw": truncated}, "track.bw"),
    "text as bigWig": Case({"track.bw": "chr1\t1\t2\n"}, "track.bw is not a whole bigWig file"),
    "infinite values": Case({"track.bw": tracks(SIZES, float("inf"))}, "track.bw holds infinite values on chr1"),
    "BED without chr": Case({"peaks.bed": PEAKS.replace("chr", "")}, "'1' of .*peaks.bed .*is called 'chr1'"),
    "some rows without chr": Case({"peaks.bed": PEAKS + PEAKS.replace("chr", "")}, "is called 'chr1'"),
    "three columns with summits": Case({"peaks.bed": "chr1\t1\t9\n"}, "line 1 has 3 columns and no summit"),
    "negative start": Case({"peaks.bed": PEAKS + "chr1\t-4\t9\t.\t1\n"}, "line 3: chr1:-4-9 is not an interval"),
    "reversed interval": Case({"peaks.bed": "chr1\t9\t4\t.\t1\n"}, "line 1: chr1:9-4 is not an interval"),
    "empty interval": Case({"peaks.bed": "chr1\t9\t9\t.\t0\n"}, "line 1: chr1:9-9 is not an interval"),
    "summit that is no number": Case({"peaks.bed": "chr1\t1\t9\tx\ty\n"}, "the summit column holds 'y'"),
    "summit below -1": Case({"peaks.bed": "chr1\t1\t9\tx\t-2\n"}, "the summit column holds '-2'"),
    "header without #": Case({"peaks.bed": "chrom\tstart\tend\n"}, "line 1: expected 'chrom<TAB>start<TAB>end'"),
    "peak beyond the chromosome": Case({"peaks.bed": "chr2\t4000\t4100\t.\t5\n"}, "chr2:4000-4100 starts beyond"),
    "gzip cut short": Case(
        {"peaks.bed": gzip.compress(PEAKS.encode() * 99)[:-9]}, "peaks.bed is not a whole gzip file"
    ),
    "binary BED": Case({"peaks.bed": b"chr1\t\xff\xfe\n"}, "peaks.bed is not a text file"),
    "dataset twice": Case({"metadata.tsv": metadata(ROW, ROW)}, "line 3: dataset A is listed twice"),
    "dataset without a name": Case({"metadata.tsv": metadata("\ttrack.bw\tpeaks.bed")}, "line 2 names no dataset"),
    "column twice": Case({"metadata.tsv": metadata(ROW, header="dataset\ttrack\ttrack")}, "two columns named 'track'"),
    "column missing": Case({"metadata.tsv": metadata(ROW, header="dataset\ttrak\tpeak")}, "no column 'track'; did you"),
    "blanks for tabs": Case(
        {"metadata.tsv": metadata("A track.bw", header="dataset track peak")}, "no column 'dataset'"
    ),
    "missing files": Case({"metadata.tsv": metadata("A\tno.bw\tnone.bed")}, "(?s)names 2 files .*no.bw .*none.bed"),
    "no dataset": Case({"metadata.tsv": metadata()}, "lists no dataset"),
    "unknown type": Case({"attributes.tsv": "track\tbigwg\n"}, "line 1: unknown type 'bigwg' of track; did you"),
    "attribute twice": Case({"attributes.tsv": "track\tbigwig\ntrack\tbigwig\n"}, "track is listed twice"),
    "sizes that are no numbers": Case({"chrom.sizes": "chr1\tlong\n"}, "line 1: expected 'name<TAB>size'"),
    "chromosome twice": Case({"chrom.sizes": "chr1\t9\nchr1\t9\n"}, "chromosome chr1 is listed twice"),
    "empty sizes": Case({"chrom.sizes": ""}, "lists no chromosome"),
}
SKIPS: dict[str, Case] = {
    "summit outside its peak": Case({"peaks.bed": PEAKS + "chr1\t60\t70\t.\t10\n"}, "1 summits outside their"),
    "peak over the end": Case({"peaks.bed": PEAKS + "chr2\t2990\t3010\t.\t2\n"}, "1 intervals run over the end"),
    "peaks on other contigs": Case({"peaks.bed": PEAKS + "chrUn\t1\t9\t.\t2\n"}, "1 intervals on chrom.*: chrUn"),
    "empty BED": Case({"peaks.bed": "# nothing\n"}, "peaks.bed holds no interval: its cells are 0"),
    "chromosome missing from a bigWig": Case({"track.bw": tracks({"chr1": 40_000})}, "lacks chromosomes chr2"),
    "empty cell": Case({"metadata.tsv": metadata("A\t\tpeaks.bed")}, "dataset A has no track: its cells are NaN"),
    "unused column": Case({"metadata.tsv": metadata(f"{ROW}\tx", header="dataset\ttrack\tpeak\tnote")}, ": note"),
}
HARMLESS: dict[str, dict[str, Any]] = {
    "Windows line ends": {"peaks.bed": PEAKS.replace("\n", "\r\n"), "chrom.sizes": "chr1\t40000\r\nchr2\t3000\r\n"},
    "unsorted": {"peaks.bed": "".join(reversed(PEAKS.splitlines(keepends=True)))},
    "header lines": {"peaks.bed": f"track name=x\nbrowser position chr1\n#chrom\tstart\n\n{PEAKS}"},
    "gzipped": {"peaks.bed": gzip.compress(PEAKS.encode())},
    "no last line end": {"peaks.bed": PEAKS.rstrip("\n")},
    "rows twice": {"peaks.bed": PEAKS * 2},
    "byte order mark": {"metadata.tsv": b"\xef\xbb\xbf" + metadata(ROW).encode()},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    bigwig(tmp_path / "track.bw", SIZES)
    (tmp_path / "peaks.bed").write_text(PEAKS)
    (tmp_path / "chrom.sizes").write_text("".join(f"{name}\t{size}\n" for name, size in SIZES.items()))
    (tmp_path / "attributes.tsv").write_text("track\tbigwig\npeak\tbed_summit_from_last_col\n")
    (tmp_path / "metadata.tsv").write_text(metadata(ROW))
    return tmp_path


def write_over(folder: Path, files: dict[str, Any]) -> None:
    for name, content in files.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        elif isinstance(content, str):
            (folder / name).write_bytes(content.encode())
        else:
            content(folder / name)


def run(folder: Path) -> np.ndarray:
    layout = ingest(*(folder / name for name in ("metadata.tsv", "attributes.tsv", "chrom.sizes", "out.tdb")))
    with tiledb.open(layout.path) as array:
        return array[0 : layout.assembly.total_bp, 0]["peak"].reshape(-1)


@pytest.mark.parametrize("name", INGEST)
def test_ingest_says_what_is_wrong_and_writes_nothing(folder: Path, name: str) -> None:
    write_over(folder, INGEST[name].files)
    with pytest.raises(KerasacError, match=INGEST[name].said):
        run(folder)
    assert not (folder / "out.tdb").exists()
    if name != "infinite values":  # found while writing, and left for the next ingest to go on with
        assert not list(folder.glob("out.tdb*"))


@pytest.mark.parametrize("name", SKIPS)
def test_ingest_counts_what_it_skips(folder: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    write_over(folder, SKIPS[name].files)
    with caplog.at_level(logging.WARNING):
        run(folder)
    said = [record.getMessage() for record in caplog.records]
    assert [True for message in said if re.search(SKIPS[name].said, message)] == [True]


@pytest.mark.parametrize("name", HARMLESS)
def test_ingest_takes_what_is_harmless(folder: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    expected = run(folder)
    shutil.rmtree(folder / "out.tdb")
    write_over(folder, HARMLESS[name])
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(run(folder), expected)
    assert not caplog.records


def shorter_fasta(path: Path) -> None:
    write_fasta(path, {chrom: "A" * (size - (chrom == "chr2")) for chrom, size in ASSEMBLY.as_dict().items()})


def gapped(path: Path) -> None:
    signal(path, lambda values: np.where(np.arange(len(values)) < 50, np.nan, values))


def negative(path: Path) -> None:
    signal(path, lambda values: -values)


def signal(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    values = np.random.default_rng(0).poisson(2, ASSEMBLY.total_bp).astype(np.float32)
    counts = {name: change(values).astype(np.float32) for name in ("plus", "minus")}
    marks = {name: np.zeros(ASSEMBLY.total_bp, dtype=np.int64) for name in ("peak", "ambig")}
    write_tracks(path, ASSEMBLY, {"tiny": {**counts, **marks}})


FOLD_FILE = {"folds": {"files": "f.json", "n": None}}
LEAKING = {"train": ["chr1", "chr2"], "valid": ["chr2"], "test": ["chr3"]}
EXPERIMENTS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "array longer than the FASTA": ({"genome.fa": shorter_fasta}, {}, "chr2 has 36,000 bases here but 35,999"),
    "gzip FASTA": ({"genome.fa": gzip.compress(b">chr1\nACGT\n")}, {}, "it must be plain or bgzip"),
    "negative counts": ({"signal.tdb": negative}, {}, "holds negative values"),
    "peaks without summits": ({"peaks.narrowPeak": "chr1\t100\t900\n"}, {}, "line 1 has 3 columns and no summit"),
    "no peaks": ({"peaks.narrowPeak": ""}, {}, "peaks.narrowPeak holds no interval"),
    "blacklist without chr": ({"blacklist.bed": "1\t5\t9\n"}, {}, "'1' of .*blacklist.bed .*is called 'chr1'"),
    "leaking folds": (
        {"f.json": LEAKING},
        FOLD_FILE,
        "chr2 in both train and valid of fold 0",
    ),
    "empty split": (
        {"f.json": {**LEAKING, "valid": []}},
        FOLD_FILE,
        "has no valid chromosome",
    ),
    "folds of another genome": (
        {"f.json": {"train": ["chr1"], "valid": ["2"], "test": ["chr3"]}},
        FOLD_FILE,
        "'2' of the fold table is not in the genome: it is called 'chr2'",
    ),
}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_check_says_what_is_wrong_with_an_experiment(tiny_folder: Path, tmp_path: Path, name: str) -> None:
    files, changes, said = EXPERIMENTS[name]
    for path in tiny_folder.iterdir():
        if path.name not in files:
            (tmp_path / path.name).symlink_to(path)
    for file, content in files.items():
        write_json(tmp_path / file, content) if isinstance(content, dict) else write_over(tmp_path, {file: content})
    if "negative" in name:  # the logarithm of a negative sum is none
        strands = {"source": ["plus", "minus"], "flank": 30}
        counts = {**strands, "name": "logcount", "aggregate": "sum", "transform": "asinh"}
        changes = {"outputs": [{**strands, "name": "profile"}, counts]}
    result = check(tiny_experiment(tmp_path, **changes))
    assert not result.passed
    (error,) = [str(finding) for finding in result.findings if finding.level == "error" and said_in(said, finding)]
    assert error


def said_in(said: str, finding: Any) -> bool:
    return bool(re.search(said, str(finding)))


def test_gaps_of_a_track_are_counted(tiny_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for path in tiny_folder.iterdir():
        if path.name != "signal.tdb":
            (tmp_path / path.name).symlink_to(path)
    gapped(tmp_path / "signal.tdb")
    with caplog.at_level(logging.WARNING):
        assert check(tiny_experiment(tmp_path, compute={"reader": "map"})).passed
    assert "50 bases of chr1 without a value are read as 0" in caplog.text
