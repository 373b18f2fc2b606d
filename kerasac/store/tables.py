"""Read seqdataloader's ingest tables: which tracks there are, and each dataset's file for them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from kerasac.cache import local_copy, location, url_of
from kerasac.errors import RemoteError, StoreError, suggest
from kerasac.genome.assembly import open_text
from kerasac.store.reads import InsertionCounts, Strand
from kerasac.store.schema import StoreLayout

logger = logging.getLogger(__name__)


class AttributeType(StrEnum):
    """What a track's file is and how it becomes cells."""

    BIGWIG = "bigwig"
    BED_NO_SUMMIT = "bed_no_summit"
    BED_SUMMIT_FROM_LAST_COL = "bed_summit_from_last_col"
    BED_SUMMIT_FROM_PEAK_CENTER = "bed_summit_from_peak_center"
    READS_PLUS = "reads_plus"
    READS_MINUS = "reads_minus"
    READS_UNSTRANDED = "reads_unstranded"

    @property
    def strand(self) -> Strand | None:
        """Which 5' ends of a file of reads are counted; None for other files."""
        name = self.value.removeprefix("reads_")
        return Strand(name) if name != self.value else None

    @property
    def is_signal(self) -> bool:
        """Whether cells are a signal (float32) rather than marks of intervals (uint8)."""
        return self == AttributeType.BIGWIG or self.strand is not None


@dataclass(frozen=True)
class StoredTrack:
    """A track that an array holds already."""

    layout: StoreLayout
    dataset: str
    attribute: str


@dataclass(frozen=True)
class CountedReads:
    """A track of the 5' ends in a file of reads, which are counted and whose shift is known."""

    counts: InsertionCounts
    strand: Strand


TrackSource = Path | StoredTrack | CountedReads | None  # what a track's cells are made of; None: it has none


@dataclass(frozen=True)
class Dataset:
    """One row of the metadata table: a name and a source for each attribute, None where its cell is empty."""

    name: str
    files: Mapping[str, TrackSource]


_ENCODE = {
    **dict.fromkeys(("pval_bigwig", "fc_bigwig"), AttributeType.BIGWIG),
    **{f"count_bigwig_{strand}_5p": AttributeType.BIGWIG for strand in ("plus", "minus", "unstranded")},
    **dict.fromkeys(("idr_peak", "overlap_peak"), AttributeType.BED_SUMMIT_FROM_LAST_COL),
    "ambig_peak": AttributeType.BED_NO_SUMMIT,
}
_CONTROLS = {f"control_count_bigwig_{strand}_5p": AttributeType.BIGWIG for strand in ("unstranded", "plus", "minus")}
BUILT_IN_ATTRIBUTES: Mapping[str, Mapping[str, AttributeType]] = {
    "encode_pipeline": _ENCODE,
    "encode_pipeline_with_controls": _ENCODE | _CONTROLS,
    "generic_bigwig": {"bigwig_track": AttributeType.BIGWIG, "ambig_peak": AttributeType.BED_NO_SUMMIT},
}
# What pandas, and so seqdataloader, reads as an empty cell.
_EMPTY_CELLS = ("", "NA", "N/A", "NaN", "nan", "None", "null")
_HEADER_WORDS = ("type", "attribute_type", "attribute type")


def read_attributes(source: Path | str) -> dict[str, AttributeType]:
    """Read a table of two tab-separated columns, name and type, with or without a header line.

    The name of a built-in set (:data:`BUILT_IN_ATTRIBUTES`) may stand in place of a path.

    Raises
    ------
    StoreError
        When a type is unknown, a name is given twice or there is none.
    """
    if str(source) in BUILT_IN_ATTRIBUTES:
        return dict(BUILT_IN_ATTRIBUTES[str(source)])
    path = local_copy(source)
    if not path.exists():
        sets = ", ".join(BUILT_IN_ATTRIBUTES)
        raise StoreError(f"attributes {path} is neither a file nor a built-in set ({sets})")
    attributes: dict[str, AttributeType] = {}
    for number, fields in table_lines(path):
        where = f"{path} line {number}"
        if len(fields) != 2:
            raise StoreError(f"{where}: expected 'name<TAB>type', found {' '.join(fields)!r}")
        name, kind = fields
        if kind.lower() in _HEADER_WORDS and not attributes:
            continue
        if kind not in tuple(AttributeType):
            raise StoreError(
                f"{where}: unknown type {kind!r} of {name}{suggest(kind, (known.value for known in AttributeType))}"
            )
        if name in attributes:
            raise StoreError(f"{where}: attribute {name} is listed twice; keep one line")
        attributes[name] = AttributeType(kind)
    if not attributes:
        raise StoreError(f"{path} lists no attribute; expected lines of 'name<TAB>type'")
    return attributes


def read_metadata(path: Path, attributes: Iterable[str], *, base: Path | None = None) -> tuple[Dataset, ...]:
    """Read the datasets and the file of each of their attributes.

    Relative paths are relative to ``base``, by default the table's folder, else to the working directory. An empty
    cell means that the dataset lacks that track. The table and its cells may be URLs, whose files are fetched.

    Raises
    ------
    StoreError
        When a column is missing, a dataset is listed twice or nameless, or files are missing (all are listed).
    """
    folder = base or path.parent
    path = local_copy(path)
    if not path.exists():
        raise StoreError(f"metadata table {path} does not exist")
    lines = list(table_lines(path))
    if len(lines) < 2:
        raise StoreError(f"{path} lists no dataset; expected a header 'dataset<TAB>attribute…' and a line for each")
    header, rows = lines[0][1], lines[1:]
    attributes = tuple(attributes)
    _check_header(header, attributes, path)
    datasets: dict[str, Dataset] = {}
    for number, fields in rows:
        if len(fields) > len(header):
            raise StoreError(f"{path} line {number} has {len(fields)} columns, its header {len(header)}")
        cells = dict(zip(header, fields, strict=False))
        name = cells["dataset"]
        if name in _EMPTY_CELLS:
            raise StoreError(f"{path} line {number} names no dataset; fill its 'dataset' column")
        if name in datasets:
            raise StoreError(f"{path} line {number}: dataset {name} is listed twice; give each its own name")
        datasets[name] = Dataset(name, {a: resolve_cell(cells.get(a, ""), folder) for a in attributes})
    return check_files(datasets.values(), path)


def table_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells) of the lines that are neither blank nor comments."""
    with open_text(path) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip() and not line.startswith("#"):
                yield number, [cell.strip() for cell in line.rstrip("\n").split("\t")]


def _check_header(header: list[str], attributes: tuple[str, ...], path: Path) -> None:
    doubled = sorted({name for name in header if header.count(name) > 1})
    if doubled:
        raise StoreError(f"{path} has two columns named {doubled[0]!r}; keep one")
    for name in ("dataset", *attributes):
        if name not in header:
            raise StoreError(
                f"{path} has no column {name!r}{suggest(name, header)}. Add the column, with empty cells where"
                " a dataset has no such track, or take the attribute out of the attributes table"
            )
    unused = [name for name in header if name not in ("dataset", *attributes)]
    if unused:
        logger.warning("%s: columns that are no attribute are ignored: %s", path, ", ".join(unused))


def resolve_cell(cell: str, folder: Path) -> Path | None:
    """Return the file that a table's cell names: relative to a folder, else to the working directory; None if empty.

    It may be a URL, also by its folder; :func:`check_files` fetches it.
    """
    if cell in _EMPTY_CELLS:
        return None
    if url_of(cell) is not None:
        return location(cell)
    beside = folder / Path(cell).expanduser()
    here = Path(cell).expanduser()
    return here if here.exists() and not beside.exists() and url_of(beside) is None else beside


def check_files(datasets: Iterable[Dataset], path: Path) -> tuple[Dataset, ...]:
    """Return the datasets with the local copies of their remote files, which are fetched when all others are there.

    Raises
    ------
    StoreError
        Lists every file of a table that does not exist, or that cannot be fetched.
    """
    datasets = tuple(datasets)
    named = [
        (file, f"{attribute} of {dataset.name}")
        for dataset in datasets
        for attribute, file in dataset.files.items()
        if isinstance(file, Path)
    ]
    missing = [f"{file} ({what})" for file, what in named if url_of(file) is None and not file.is_file()]
    if missing:
        listed = "\n  ".join(missing)
        raise StoreError(f"{path} names {len(missing)} files that do not exist; correct their paths:\n  {listed}")
    copies = _fetched([(file, what) for file, what in named if url_of(file) is not None], path)
    return tuple(replace(dataset, files=_with_copies(dataset.files, copies)) for dataset in datasets)


def _with_copies(files: Mapping[str, TrackSource], copies: Mapping[Path, Path]) -> dict[str, TrackSource]:
    return {name: copies.get(file, file) if isinstance(file, Path) else file for name, file in files.items()}


def _fetched(named: list[tuple[Path, str]], path: Path) -> dict[Path, Path]:
    """Return the local copy of each remote file."""
    copies: dict[Path, Path] = {}
    failures = []
    for file, what in named:
        try:
            copies[file] = local_copy(file)
        except RemoteError as error:
            failures.append(f"{what}: {error}")
    if failures:
        listed = "\n  ".join(failures)
        raise StoreError(f"{path} names {len(failures)} files that cannot be fetched:\n  {listed}")
    return copies
