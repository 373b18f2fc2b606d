"""Files are told by content, by name where content does not tell."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyBigWig
import pytest

from kerasac.steps.draft.files import Kind, KnownFile, Unused, look_at, recognise

NARROWPEAK = "chr1\t10\t20\tp\t1\t.\t1\t1\t1\t5\n"


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("genome.fa", ">chr1\nACGT\n", Kind.FASTA),
        ("anything", ">chr1\nACGT\n", Kind.FASTA),
        ("hg38.chrom.sizes", "chr1\t100\nchr2\t50\n", Kind.CHROM_SIZES),
        ("blacklist.v2.bed", "chr1\t1\t2\n", Kind.BLACKLIST),
        ("x.ambig.bed", "chr1\t1\t2\n", Kind.AMBIGUOUS),
        ("x.narrowPeak", NARROWPEAK, Kind.PEAKS),
        ("x.bed", NARROWPEAK, Kind.PEAKS),
        ("x.peaks.bed", "track name=x\nchr1\t1\t2\n", Kind.PEAKS),
        ("folds.json", '{"0": {"train": ["a"], "valid": ["b"], "test": ["c"]}}', Kind.FOLDS),
    ],
)
def test_content_and_name_tell_the_kind(tmp_path: Path, name: str, text: str, kind: Kind) -> None:
    (tmp_path / name).write_text(text)
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
    found = look_at(tmp_path / name)
    assert isinstance(found, KnownFile)
    assert found.kind is kind
    if kind is not Kind.FOLDS:
        zipped = look_at(tmp_path / f"{name}.gz")
        assert isinstance(zipped, KnownFile)
        assert zipped[1:] == found[1:]


@pytest.mark.parametrize(
    ("text", "has_summits"),
    [(NARROWPEAK, True), (NARROWPEAK.replace("\t5\n", "\t-1\n"), True), (NARROWPEAK.replace("\t5\n", "\n"), False)],
)
def test_tenth_column_is_the_summit(tmp_path: Path, text: str, has_summits: bool) -> None:
    (tmp_path / "peaks.bed").write_text(text)
    assert look_at(tmp_path / "peaks.bed") == KnownFile(tmp_path / "peaks.bed", Kind.PEAKS, has_summits)


def test_bigwig_is_one_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "signal.of.something"
    with pyBigWig.open(str(path), "w") as bigwig:
        bigwig.addHeader([("chr1", 100)])
        bigwig.addEntries("chr1", [5], values=[1.0], span=1)
    assert look_at(path) == KnownFile(path, Kind.SIGNAL)
    path.write_bytes(path.read_bytes()[:40])
    assert look_at(path) == Unused(path, "a bigWig that is not whole; make or download it again")


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("x.bw", b"not a bigWig\n", "not understood"),
        ("x.bb", b"\xeb\xf2\x89\x87 and more", "a bigBed"),
        ("hg38.2bit", b"\x43\x27\x41\x1a and more", "a 2bit"),
        ("x.bam", b"\x1f\x8b", "reads"),
        ("x.fragments.bed", b"chr1\t1\t2\n", "reads"),
        ("nonpeaks.bed", b"chr1\t1\t2\n", "background windows"),
        ("x.bed", b"chr1\t1\t2\n", "neither peaks, ambiguous nor blacklist"),
        ("metadata.tsv", b"dataset\tplus\nx\tx.bw\n", "a table of an ingest"),
        ("run.json", b'{"a": 1}', "JSON, but no fold table"),
        ("empty.bed", b"", "empty"),
        ("picture.png", b"\x89PNG\xff\xfe", "cannot be read (is not a text file"),
        ("cut.bed.gz", gzip.compress(b"chr1\t1\t2\n" * 99, mtime=0)[:-9], "cannot be read (is not a whole gzip file"),
        ("README.md", b"# Peaks\n", "not understood"),
    ],
)
def test_what_is_not_used_is_said_with_the_reason(tmp_path: Path, name: str, content: bytes, why: str) -> None:
    (tmp_path / name).write_bytes(content)
    found = look_at(tmp_path / name)
    assert isinstance(found, Unused)
    assert found.why.startswith(why) or why in found.why


def test_folders_arrays_and_indices(tiny_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "signal.tdb").symlink_to(tiny_folder / "signal.tdb")
    (tmp_path / "sub").mkdir()
    for name in ("genome.fa.fai", "genome.fa.gz.gzi", ".hidden"):
        (tmp_path / name).write_text("chr1\t100\n")
    known, unused = recognise(tmp_path)
    assert known == []
    assert [(file.path.name, file.why.split(";")[0]) for file in unused] == [
        ("signal.tdb", "an array"),
        ("sub", "a folder"),
    ]
