from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pysam
import pytest

from kerasac.errors import GenomeError, KerasacError, StoreError
from kerasac.genome.assembly import Assembly
from kerasac.store.reads import Dedup, ReadsFormat, ReadsSpec
from kerasac.store.reads.files import read_ends, reads_format

# Rows: chr1 is 0 … 99, chr2 is 100 … 149.
ASSEMBLY = Assembly(("chr1", "chr2"), (100, 50))


class Found(NamedTuple):
    plus: list[int]
    minus: list[int]
    skipped: dict[str, int]


def found(path: Path, **spec: object) -> Found:
    chunks = list(read_ends(path, ASSEMBLY, ReadsSpec(**spec)))  # type: ignore[arg-type]
    plus, minus = ([row for chunk in chunks for row in chunk[i].row.tolist()] for i in (0, 1))
    skipped = {reason: n for chunk in chunks for reason, n in chunk.skipped.items() if n}
    return Found(plus, minus, skipped)


def written(path: Path, *lines: str) -> Path:
    path.write_text("".join(line.replace(" ", "\t") + "\n" for line in lines))
    return path


def test_fragment_gives_its_first_and_its_last_base(tmp_path: Path) -> None:
    path = written(tmp_path / "f.tsv", "chr1 10 60", "chr2 0 50")
    assert found(path) == ([10, 100], [59, 149], {})


def test_columns_after_the_third_do_not_matter(tmp_path: Path) -> None:
    path = written(tmp_path / "f.tsv", "# id=sample#1", "chr2 5 9 AAAC#1-1 7", "chr1 10 60 AAAG-1 1")
    assert found(path) == ([105, 10], [108, 59], {})


def test_tagalign_gives_the_5_prime_end_of_each_read(tmp_path: Path) -> None:
    path = written(tmp_path / "reads.bed", "chr1 10 46 N 1000 +", "chr1 30 66 N 1000 -", "chr2 0 9 N 1000 -")
    assert found(path) == ([10], [65, 108], {})


@pytest.mark.parametrize("how", ["plain", "gzip", "bgzip", "byte order mark", "track line", "windows"])
def test_text_is_read_however_it_is_stored(tmp_path: Path, how: str) -> None:
    path, text = tmp_path / "f.tsv", "chr1\t10\t60\nchr2\t0\t50\n"
    if how == "gzip":
        path.write_bytes(gzip.compress(text.encode()))
    elif how == "bgzip":
        with pysam.BGZFile(str(path), "wb") as out:
            out.write(text.encode())
    else:
        mark, head = ("\ufeff", "") if how == "byte order mark" else ("", "track x\n" if how == "track line" else "")
        path.write_bytes((mark + head + text.replace("\n", "\r\n" if how == "windows" else "\n")).encode())
    assert found(path) == ([10, 100], [59, 149], {})


def test_files_longer_than_a_chunk_are_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kerasac.store.reads.lines.CHUNK_LINES", 3)
    path = written(tmp_path / "f.tsv", *(f"chr{1 + i % 2} {i} {i + 5}" for i in range(10)))
    assert found(path).plus == [i + 100 * (i % 2) for i in range(10)]


def test_short_fragments_are_left_out(tmp_path: Path) -> None:
    path = written(tmp_path / "f.tsv", "chr1 10 29", "chr1 10 30")
    assert found(path, min_fragment_bp=20) == ([10], [29], {"of a fragment below 20 bp": 2})


def test_only_listed_barcodes_count(tmp_path: Path) -> None:
    path = written(tmp_path / "f.tsv", "chr1 10 60 AA-1 1", "chr1 11 61 CC-1 1", "chr1 12 62 AA-1 4")
    listed = written(tmp_path / "barcodes.tsv", "AA-1 cluster_3", "GG-1 cluster_3")
    assert found(path, barcodes=listed) == ([10, 12], [59, 61], {"with a barcode that is not listed": 2})


def test_chromosomes_that_the_genome_lacks_are_counted(tmp_path: Path) -> None:
    path = written(tmp_path / "f.tsv", "chrUn 10 60", "chr1 10 60")
    assert found(path) == ([10], [59], {"on a chromosome that the genome lacks": 2})


def test_numbers_name_chromosomes_as_text(tmp_path: Path) -> None:
    path = written(tmp_path / "f.tsv", "01 3 9", "1 10 20", "2 0 5", "X 1 2")
    chunks = list(read_ends(path, Assembly(("2", "1"), (50, 100)), ReadsSpec()))
    assert [chunk.plus.row.tolist() for chunk in chunks] == [[60, 0]]


def test_end_beyond_the_chromosome_is_counted(tmp_path: Path) -> None:
    path = written(tmp_path / "f.tsv", "chr2 10 51")
    assert found(path) == ([110], [], {"beyond the end of its chromosome": 1})


HEADER = pysam.AlignmentHeader.from_references(["chr1", "chr2"], [100, 50])


def aligned(
    flag: int,
    start: int,
    *,
    mapq: int = 60,
    length: int = 0,
    cigar: str = "10M",
    chrom: int = 0,
    header: pysam.AlignmentHeader = HEADER,
) -> pysam.AlignedSegment:
    read = pysam.AlignedSegment(header)
    read.query_name, read.flag, read.mapping_quality = "r", flag, mapq
    read.reference_id, read.reference_start, read.template_length = (-1, -1, 0) if flag & 4 else (chrom, start, length)
    if not flag & 4:
        read.cigarstring = cigar
    return read


def bam(path: Path, reads: Sequence[pysam.AlignedSegment], header: pysam.AlignmentHeader = HEADER) -> Path:
    with pysam.AlignmentFile(str(path), "wb", header=header) as out:
        for read in reads:
            out.write(read)
    return path


def test_read_gives_its_first_aligned_base(tmp_path: Path) -> None:
    """On the minus strand that is the last one; deletions lengthen a read, insertions and clipped bases do not."""
    reads = [
        aligned(0, 5),
        aligned(16, 20),
        aligned(0, 7, cigar="3S7M"),
        aligned(16, 30, cigar="4M2D3M2I1M5S"),
        aligned(99, 40, length=50),
        aligned(147, 80, length=-50),
        aligned(1 + 16, 60),  # not properly paired
    ]
    assert found(bam(tmp_path / "x.bam", reads)) == ([5, 7, 40], [29, 39, 89, 69], {})


@pytest.mark.parametrize(
    ("flag", "reason"),
    [
        (4, "unmapped"),
        (256, "secondary"),
        (2048, "supplementary"),
        (512, "failed quality control"),
        (1024, "marked as a duplicate"),
    ],
)
def test_flagged_reads_are_left_out(tmp_path: Path, flag: int, reason: str) -> None:
    assert found(bam(tmp_path / "x.bam", [aligned(flag, 5), aligned(0, 8)])) == ([8], [], {reason: 1})


def test_marked_duplicates_count_when_asked_for(tmp_path: Path) -> None:
    path = bam(tmp_path / "x.bam", [aligned(1024, 5), aligned(0, 8)])
    assert found(path, dedup=Dedup.NONE).plus == [5, 8]


def test_low_mapping_quality_is_left_out(tmp_path: Path) -> None:
    path = bam(tmp_path / "x.bam", [aligned(0, 5, mapq=29), aligned(0, 8, mapq=30), aligned(0, 9, mapq=255)])
    assert found(path) == ([8, 9], [], {"of a mapping quality below 30": 1})
    assert found(path, min_mapq=0).plus == [5, 8, 9]


def test_short_pairs_are_left_out_and_single_reads_are_not(tmp_path: Path) -> None:
    reads = [aligned(99, 5, length=19), aligned(147, 10, length=-19), aligned(0, 8)]
    assert found(bam(tmp_path / "x.bam", reads), min_fragment_bp=20).plus == [8]


def test_bam_chromosomes_may_be_in_another_order_and_more(tmp_path: Path) -> None:
    header = pysam.AlignmentHeader.from_references(["chrUn", "chr2", "chr1"], [10, 50, 100])
    reads = [aligned(0, 5, chrom=i, header=header) for i in range(3)]
    path = bam(tmp_path / "x.bam", reads, header)
    assert found(path) == ([105, 5], [], {"on a chromosome that the genome lacks": 1})


@pytest.mark.parametrize(
    ("name", "line", "kind"),
    [
        ("fragments.tsv", "chr1 1 5", ReadsFormat.FRAGMENTS),
        ("fragments.tsv", "chr1 1 5 AAAC-1 2", ReadsFormat.FRAGMENTS),
        ("x.bed", "chr1 1 5 N 0 +", ReadsFormat.TAGALIGN),
        ("x.bed", "chr1 1 5 N 0 .", ReadsFormat.FRAGMENTS),
        ("x.tagAlign", "chr1 1 5", ReadsFormat.TAGALIGN),
    ],
)
def test_format_is_told_by_the_content(tmp_path: Path, name: str, line: str, kind: ReadsFormat) -> None:
    assert reads_format(written(tmp_path / name, line)) == kind


def test_format_may_be_said(tmp_path: Path) -> None:
    path = written(tmp_path / "x.bed", "chr1 10 60 N 0 +")
    assert found(path, format=ReadsFormat.FRAGMENTS) == ([10], [59], {})


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["chr1 10 60", "chr1 60 50"], "line 2 is not an interval; .*chr1.*60.*50"),
        (["chr1 10 10"], "line 1 is not an interval"),
        (["chr1 -3 10"], "line 1 is not an interval"),
        (["#", "chr1 1 5", "chr1 a 5"], "line 3 is not 'chrom"),
        (["chr1 1 5", "chr1 1"], "line 2 is not 'chrom"),
        (["chr1 1 99999999999999999999"], "line 1 is not 'chrom.*found 'chr1.*99999999999999999999'"),
        (["chr1 1 9223372036854775808"], "line 1 is not 'chrom"),
        (["chrom start end", "chr1 1 5"], "line 1 is not 'chrom"),
        (["chr1 1"], "has 2 tab-separated columns"),
        (["# nothing else"], "holds no line of reads"),
        (["1 10 60"], "chromosome '1' .* is called 'chr1' there"),
        (["chrX 10 60"], "chromosome 'chrX' .* not in the genome"),
        (["chr1 10 60", "chr2 50 60"], "chr2:50-60 begins beyond the chromosome's 50 bases; .* another assembly"),
        (["chr1 1 5 chr1 20 30 name 1 + -"], "is BEDPE"),
        (["chr1 1 5 N 0 +", "chr1 1 5 N 0 *"], r"line 2 has no \+ or - in column 6"),
        (["@HD VN:1.6"], "is SAM; .* samtools view -b"),
    ],
)
def test_mistake_in_text_is_named(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(KerasacError, match=message):
        found(written(tmp_path / "x.tsv", *lines))


def test_tagalign_without_strands_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "x.tagAlign", "chr1 1 5")
    with pytest.raises(StoreError, match=r"has 3 .*columns; tagAlign has chrom, .* strand.* say --format fragments"):
        found(path)
    assert found(path, format=ReadsFormat.FRAGMENTS) == ([1], [4], {})


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"format": ReadsFormat.BAM}, "x.tsv is fragments, not bam"),
        ({"barcodes": "AA-1"}, "none of the barcodes of .*; the list has 'AA-1', the file 'AA'"),
        ({"format": ReadsFormat.TAGALIGN, "min_fragment_bp": 20}, "no fragment length"),
        ({"format": ReadsFormat.TAGALIGN, "barcodes": "AA"}, "barcodes are looked for in fragment files only"),
    ],
)
def test_options_that_do_not_fit_the_file_are_refused(tmp_path: Path, spec: dict[str, object], message: str) -> None:
    if "barcodes" in spec:
        spec = {**spec, "barcodes": written(tmp_path / "barcodes", str(spec["barcodes"]))}
    with pytest.raises(StoreError, match=message):
        found(written(tmp_path / "x.tsv", "chr1 1 50 AA 1"), **spec)


def test_barcodes_need_their_column(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="has 3 tab-separated columns; barcodes"):
        found(written(tmp_path / "x.tsv", "chr1 1 50"), barcodes=written(tmp_path / "barcodes", "AA"))


def many_lines() -> bytes:
    return b"".join(b"chr1\t%d\t%d\n" % (i % 50, 60 + i % 40) for i in range(200_000))


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("how", ["gzip", "bgzip"])
def test_cut_gzip_is_refused(tmp_path: Path, how: str, kept: float) -> None:
    path = tmp_path / "f.tsv.gz"
    if how == "gzip":
        path.write_bytes(gzip.compress(many_lines()))
    else:
        with pysam.BGZFile(str(path), "wb") as out:
            out.write(many_lines())
    whole = path.read_bytes()
    path.write_bytes(whole[: max(20, int(len(whole) * kept))])
    with pytest.raises(KerasacError, match=r"not a whole gzip file|is cut short"):
        found(path)


def test_bgzip_that_lost_only_its_end_marker_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.tsv.gz"
    with pysam.BGZFile(str(path), "wb") as out:
        out.write(many_lines())
    path.write_bytes(path.read_bytes()[:-28])
    with pytest.raises(StoreError, match="lacks bgzip's end-of-file block"):
        found(path)


def test_damaged_gzip_is_refused(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(many_lines()))
    whole[len(whole) // 2] ^= 0xFF
    (tmp_path / "f.tsv.gz").write_bytes(whole)
    with pytest.raises(KerasacError):
        found(tmp_path / "f.tsv.gz")


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9999])
def test_cut_bam_is_refused(tmp_path: Path, kept: float) -> None:
    path = bam(tmp_path / "x.bam", [aligned(0, i % 80, cigar=f"{5 + i % 7}M") for i in range(20_000)])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(StoreError, match=r"cannot be read as BAM|cut short"):
        found(path)


@pytest.mark.parametrize(
    ("names", "sizes", "message"),
    [
        (["1", "2"], [100, 50], "chromosome '1' of .* called 'chr1' there"),
        (["scaffold_1"], [100], "chromosome 'scaffold_1' .* not in the genome"),
        (["chr1", "chr2"], [100, 51], "chromosome chr2 has 50 bases here but 51"),
    ],
)
def test_bam_of_another_assembly_is_refused(tmp_path: Path, names: list[str], sizes: list[int], message: str) -> None:
    path = bam(tmp_path / "x.bam", [aligned(0, 5)], pysam.AlignmentHeader.from_references(names, sizes))
    with pytest.raises(GenomeError, match=message):
        found(path)


def test_bam_without_reads_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no reads"):
        found(bam(tmp_path / "x.bam", []))


@pytest.mark.parametrize("head", [b"CRAM\3", b"\0\1\2\3text", b"\x89PNG\r\n\x1a\n\0\0"])
def test_other_files_are_refused(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "x").write_bytes(head)
    with pytest.raises(KerasacError, match=re.escape(str(tmp_path / "x"))):
        found(tmp_path / "x")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"gone\.tsv does not exist"):
        found(tmp_path / "gone.tsv")
