"""Variants of any of the files that people have are the same variants."""

from __future__ import annotations

import gzip
from pathlib import Path

import pysam
import pytest

from kerasac.errors import GenomeError
from kerasac.genome.assembly import Assembly
from kerasac.interpret.variant_files import read_variants
from kerasac.interpret.variants import GivenVariant

ASSEMBLY = Assembly(("chr1", "chr2"), (10_000, 5_000))
SNV = GivenVariant("rs1", "chr1", 101, "A", "C")
DELETION = GivenVariant("rs2", "chr2", 201, "AT", "A")

VCF = (
    "##fileformat=VCFv4.2\n##contig=<ID=chr1,length=10000>\n##contig=<ID=chr2>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    "chr1\t101\trs1\tA\tC\t.\t.\t.\nchr2\t201\trs2\tAT\tA\t.\t.\t.\n"
)
TABLES = {
    "a header in any order": "alt\tpos\trsid\tchrom\tref\nC\t101\trs1\tchr1\tA\nA\t201\trs2\tchr2\tAT\n",
    "allele1 and allele2": "#chr\tpos\tallele1\tallele2\tvariant_id\nchr1\t101\tA\tC\trs1\nchr2\t201\tAT\tA\trs2\n",
    "a 0-based start": "chr\tstart\tref\talt\tid\nchr1\t100\tA\tC\trs1\nchr2\t200\tAT\tA\trs2\n",
    "kerasAC's order": "rs1\tchr1\t101\tA\tC\nrs2\tchr2\t201\tAT\tA\n",
    "chrombpnet's order": "chr1\t101\tA\tC\trs1\nchr2\t201\tAT\tA\trs2\n",
    "the order of VCF": "chr1\t101\trs1\tA\tC\nchr2\t201\trs2\tAT\tA\n",
    "plink's order": "chr1\trs1\t0\t101\tA\tC\nchr2\trs2\t0\t201\tAT\tA\n",
    "a bed": "chr1\t100\t101\tA\tC\trs1\nchr2\t200\t202\tAT\tA\trs2\n",
}


def test_vcf_is_read_whatever_it_is_packed_by(tmp_path: Path) -> None:
    (tmp_path / "plain.vcf").write_text(VCF)
    with gzip.open(tmp_path / "gzip.vcf.gz", "wt") as out:
        out.write(VCF)
    pysam.tabix_compress(str(tmp_path / "plain.vcf"), str(tmp_path / "bgzip.vcf.gz"))
    with (
        pysam.VariantFile(str(tmp_path / "bgzip.vcf.gz")) as file,
        pysam.VariantFile(str(tmp_path / "a.bcf"), "wb", header=file.header) as packed,
    ):
        for record in file:
            packed.write(record)
    for name in ("plain.vcf", "gzip.vcf.gz", "bgzip.vcf.gz", "a.bcf"):
        assert list(read_variants(tmp_path / name, ASSEMBLY)) == [SNV, DELETION]


def test_a_line_of_several_alternate_alleles_is_several_variants(tmp_path: Path) -> None:
    lines = VCF.splitlines()
    (tmp_path / "a.vcf").write_text("\n".join([*lines[:4], "chr1\t101\trs1\tA\tC,G,<DEL>,*\t.\t.\t."]) + "\n")
    found = list(read_variants(tmp_path / "a.vcf", ASSEMBLY))
    assert [one.alt for one in found] == ["C", "G", "<DEL>", "*"]
    assert {one[:4] for one in found} == {SNV[:4]}


@pytest.mark.parametrize(
    "text",
    [
        "rsid\tchrom\tpos\tref\talt\nrs1\tchr1\t101\tA\tC,G,-\n",
        "chr1\t101\tA\tC,G,-\trs1\n",
        "rs1\tchr1\t101\tA\tC,G,-\n",
    ],
)
def test_so_is_a_line_of_a_table(text: str, tmp_path: Path) -> None:
    (tmp_path / "v.tsv").write_text(text)
    assert list(read_variants(tmp_path / "v.tsv", ASSEMBLY)) == [SNV._replace(alt=alt) for alt in ("C", "G", "")]


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
def test_a_table_is_read_by_its_header_or_by_what_its_columns_hold(text: str, tmp_path: Path) -> None:
    (tmp_path / "v.tsv").write_text(text)
    assert list(read_variants(tmp_path / "v.tsv", ASSEMBLY)) == [SNV, DELETION]


def test_an_allele_of_no_bases_is_a_dash(tmp_path: Path) -> None:
    (tmp_path / "v.tsv").write_text("chr1\t101\tA\t-\trs1\n")
    assert list(read_variants(tmp_path / "v.tsv", ASSEMBLY)) == [GivenVariant("rs1", "chr1", 101, "A", "")]


def test_numbers_as_chromosomes_are_told_from_positions_by_the_genome(tmp_path: Path) -> None:
    (tmp_path / "v.tsv").write_text("rs1\t1\t101\tA\tC\n")
    (found,) = read_variants(tmp_path / "v.tsv", Assembly(("1",), (1000,)))
    assert (found.name, found.chrom, found.position) == ("rs1", "1", 101)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("v.tsv", "a\tb\tc\n", "the columns of .* cannot be told"),
        ("v.tsv", "chr1\t101\tA\tC\tG\n", "may be of .* or "),
        ("v.tsv", "chr1\t501\t12345\tA\tC\n", "the columns of .* cannot be told"),  # no bed: its end is not 502
        ("v.tsv", "chrom\tpos\tref\talt\nchr1\t101\tA\tC,\n", "line 2: expected a chromosome"),
        ("v.tsv", "chrom\tpos\tref\talt\nchr1\tx\tA\tC\n", "line 2: expected a chromosome"),
        ("v.tsv", "chrom\tpos\tref\talt\nchr1\n", "line 2: expected a chromosome"),
        ("v.vcf", "#CHROM\nchr1\t101\trs1\tA\n", "line 2: expected a chromosome"),
        ("v.vcf", "#CHROM\nchr1 101 rs1 A C\n", "line 2: expected a chromosome"),
        ("v.bcf", "no", "as BCF"),
    ],
)
def test_what_cannot_be_read_is_named(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(GenomeError, match=message):
        list(read_variants(tmp_path / name, ASSEMBLY))
    with pytest.raises(GenomeError, match="does not exist"):
        read_variants(tmp_path / "other.vcf", ASSEMBLY)
