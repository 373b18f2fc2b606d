"""Read variants from VCF, or from tables of the tools that people use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import pysam

from kerasac.errors import GenomeError
from kerasac.genome.assembly import Assembly, open_text
from kerasac.interpret.variants import GivenVariant

_VCF = (".vcf", ".vcf.gz", ".vcf.bgz")
_NAMES = {
    "name": ("rsid", "id", "variant_id", "snp", "name"),
    "chrom": ("chrom", "chr", "#chrom", "#chr", "chromosome"),
    "position": ("pos", "position"),
    "start": ("start",),
    "ref": ("ref", "allele1", "reference"),
    "alt": ("alt", "allele2", "alternate"),
}
_ALLELE = re.compile(r"[ACGTNacgtn]+|-")
_ALLELES = re.compile(rf"(?:{_ALLELE.pattern})(?:,(?:{_ALLELE.pattern}))*")
_NONE = "-"  # how variant-scorer writes an allele of no bases
_LOOKED_AT = 100  # lines that tell the order of columns


class _Order(NamedTuple):
    """Places of columns, 0-based; ``before`` is what a position lacks to be 1-based.

    Where there is no header, column ``end`` holds where the reference allele ends, 0-based and half-open, and no field
    of column ``words`` is a number.
    """

    name: int | None
    chrom: int
    position: int
    ref: int
    alt: int
    before: int = 0
    end: int | None = None
    words: int | None = None


_VCF_ORDER = _Order(2, 0, 1, 3, 4)
# Of tables without a header line. The last four are variant-scorer's schemas, by their names there.
_ORDERS = {
    "rsid chrom pos ref alt": _Order(0, 1, 2, 3, 4),
    "chr pos allele1 allele2 [variant_id] (chrombpnet)": _Order(4, 0, 1, 2, 3),
    "chr pos variant_id allele1 allele2 (original)": _Order(2, 0, 1, 3, 4, words=2),
    "chr variant_id ignored pos allele1 allele2 (plink)": _Order(1, 0, 3, 4, 5),
    "chr start end allele1 allele2 [variant_id] (bed, 0-based)": _Order(5, 0, 1, 3, 4, before=1, end=2),
}


def read_variants(path: Path, assembly: Assembly) -> Iterator[GivenVariant]:
    """Yield the variants of a file in its order, those of several alternate alleles one by one.

    VCF and BCF are told by their names, gzipped or not; anything else is a table of tabs, see ``docs/variants.md``.
    ``assembly`` tells columns of chromosomes from others where a table has no header line.

    Raises
    ------
    GenomeError
        When the file is missing or malformed, or its columns cannot be told.
    """
    if not path.is_file():
        raise GenomeError(f"{path} does not exist")
    name = path.name.lower()
    if name.endswith(".bcf"):
        return _of_bcf(path)
    return _of_vcf(path) if name.endswith(_VCF) else _of_table(path, assembly)


def _of_vcf(path: Path) -> Iterator[GivenVariant]:
    """Read the five columns that are needed; pysam reads no VCF of plain gzip."""
    with open_text(path) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip() and not line.startswith("#"):
                yield from _variants(line.rstrip("\r\n").split("\t", 5), _VCF_ORDER, path, number)


def _of_bcf(path: Path) -> Iterator[GivenVariant]:
    try:
        with pysam.VariantFile(str(path)) as file:
            for record in file:
                for alt in record.alts or (".",):
                    yield GivenVariant(record.id or ".", record.chrom, record.pos, record.ref, alt)
    except (OSError, ValueError) as error:
        raise GenomeError(f"cannot read {path} as BCF ({error}); make it again, or give VCF") from error


def _of_table(path: Path, assembly: Assembly) -> Iterator[GivenVariant]:
    with open_text(path) as file:
        lines = ((number, line.rstrip("\r\n").split("\t")) for number, line in enumerate(file, start=1) if line.strip())
        lines = (line for line in lines if not line[1][0].startswith("##"))
        first = list(islice(lines, _LOOKED_AT))
        if not first:
            return
        order = _by_header(first[0][1])
        rows = first[1:] if order is not None else first
        if order is None:
            order = _by_content([fields for _, fields in first], path, assembly)
        for number, fields in chain(rows, lines):
            yield from _variants(fields, order, path, number)


def _by_header(fields: Sequence[str]) -> _Order | None:
    """Return where the columns are when the line names them; None when it does not."""
    found = {}
    for what, names in _NAMES.items():
        places = [i for i, field in enumerate(fields) if field.strip().lower() in names]
        if places:
            found[what] = places[0]
    if not {"chrom", "ref", "alt"} <= found.keys() or not {"position", "start"} & found.keys():
        return None
    by_start = "position" not in found
    position = found["start" if by_start else "position"]
    return _Order(found.get("name"), found["chrom"], position, found["ref"], found["alt"], int(by_start))


def _by_content(rows: Sequence[Sequence[str]], path: Path, assembly: Assembly) -> _Order:
    fitting = [text for text, order in _ORDERS.items() if _fits(rows, order, assembly)]
    if len(fitting) == 1:
        return _ORDERS[fitting[0]]
    problem = f"may be of {' or '.join(fitting)}" if fitting else f"begin with {' '.join(rows[0])[:80]!r}"
    raise GenomeError(
        f"the columns of {path} cannot be told: they {problem}; part them by tabs, put a header line above them, as "
        "rsid<TAB>chrom<TAB>pos<TAB>ref<TAB>alt, and use the genome's names of chromosomes"
    )


def _fits(rows: Sequence[Sequence[str]], order: _Order, assembly: Assembly) -> bool:
    least = max(order.chrom, order.position, order.ref, order.alt) + 1
    return all(
        len(fields) >= least
        and fields[order.position].isdigit()
        and _ALLELE.fullmatch(fields[order.ref])
        and _ALLELES.fullmatch(fields[order.alt])
        and (order.end is None or fields[order.end] == _end(fields, order))
        and (order.words is None or not fields[order.words].isdigit())
        for fields in rows
    ) and any(fields[order.chrom] in assembly for fields in rows)


def _end(fields: Sequence[str], order: _Order) -> str:
    """Return where the reference allele of a 0-based position ends."""
    return str(int(fields[order.position]) + len(_bases(fields[order.ref])))


def _variants(fields: Sequence[str], order: _Order, path: Path, number: int) -> list[GivenVariant]:
    """Return the variants of a line, one of each alternate allele."""
    try:
        name = fields[order.name] if order.name is not None and order.name < len(fields) else "."
        position = int(fields[order.position]) + order.before
        ref, alts = _bases(fields[order.ref]), [_bases(alt) for alt in fields[order.alt].split(",")]
        return [GivenVariant(name or ".", fields[order.chrom], position, ref, alt) for alt in alts]
    except (IndexError, ValueError):
        raise GenomeError(
            f"{path} line {number}: expected a chromosome, a position and two alleles, found {' '.join(fields)[:80]!r}"
        ) from None


def _bases(allele: str) -> str:
    """Return the bases of an allele, none of ``-``."""
    written = allele.strip()
    if not written:
        raise ValueError("an allele of no bases is written -")
    return "" if written == _NONE else written
