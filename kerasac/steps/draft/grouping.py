"""Group bigWigs and BED files into datasets and attributes by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from kerasac.errors import ConfigError
from kerasac.steps.draft.files import Kind, KnownFile, Unused
from kerasac.steps.draft.tracks import CONTROL_WORDS, is_control
from kerasac.store.tables import AttributeType

_SUFFIX = re.compile(r"\.(gz|bgz|bw|bigwig|bed|narrowpeak|broadpeak|txt|tsv)$", re.IGNORECASE)
_SEPARATOR = re.compile(r"[._-]+")
# One word for each strand: what its other strand is called must be found by the words plus and minus.
_PLAIN = {
    **dict.fromkeys(("plus", "pos", "positive", "fwd", "forward"), "plus"),
    **dict.fromkeys(("minus", "neg", "negative", "rev", "reverse"), "minus"),
    "peaks": "peak",
    "summits": "summit",
    "ambiguous": "ambig",
}
# The first of these in a name ends what the dataset is called.
_ROLE_WORDS = frozenset(
    {
        *_PLAIN,
        *CONTROL_WORDS,
        *("unstranded", "count", "counts", "signal", "bigwig", "bw", "track", "coverage", "cov", "cuts", "insertions"),
        *("5p", "fc", "foldchange", "fold", "pval", "pvalue", "log2", "enrichment", "norm", "normalized", "raw"),
        *("cpm", "rpkm", "rpm", "tpm"),
        *("peak", "overlap", "idr", "summit", "conservative", "optimal", "relaxed", "thresholded", "ambig"),
    }
)


@dataclass
class Tracks:
    """Files by dataset and attribute, the attributes' types, and what belongs to no dataset."""

    datasets: dict[str, dict[str, Path]] = field(default_factory=dict)
    types: dict[str, AttributeType] = field(default_factory=dict)
    unused: list[Unused] = field(default_factory=list)

    def add(self, dataset: str, attribute: str, file: KnownFile) -> None:
        """Put a file in its place; raises ConfigError when another is there, or the attribute is of other files."""
        files, kind = self.datasets[dataset], _type_of(file)
        if attribute in files:
            raise ConfigError(
                f"{files[attribute]} and {file.path} would both be {attribute} of {dataset}; move one of them away, or "
                "rename it"
            )
        known = self.types.setdefault(attribute, kind)
        if known.is_signal != kind.is_signal:
            raise ConfigError(f"{file.path} would be {attribute}, which is {known} elsewhere; rename the file")
        if known is not kind:  # peaks, which have summits in some datasets only
            self.types[attribute] = AttributeType.BED_SUMMIT_FROM_PEAK_CENTER
        files[attribute] = file.path

    def signals(self) -> list[str]:
        """Return the attributes that hold values of bases."""
        return [name for name, kind in self.types.items() if kind.is_signal]

    def marks(self) -> list[str]:
        """Return the attributes that mark intervals."""
        return [name for name, kind in self.types.items() if not kind.is_signal]


class _Named(NamedTuple):
    """A track's file, the dataset that its name begins with, and the words that follow."""

    file: KnownFile
    stem: str
    role: tuple[str, ...]

    @property
    def is_signal(self) -> bool:
        """Whether it is a signal, and not of a control: such files make the datasets."""
        return self.file.kind is Kind.SIGNAL and not is_control("_".join(self.role))


def group(files: Sequence[KnownFile], *, nameless: str) -> Tracks:
    """Group files whose names begin alike: ``K562.plus.bw``, ``K562.minus.bw``, ``K562.overlap.narrowPeak`` → K562.

    A name up to the first word that tells a role is the dataset's. Datasets are what has a bigWig that is no control;
    a file that several of their names begin with (``K562.peaks.bed`` of ``K562.rep1`` and ``K562.rep2``; ``peaks.bed``
    of all) is shared by them. ``nameless`` is the dataset of files whose names tell nothing but roles.

    Raises
    ------
    ConfigError
        When two files would be the same attribute of a dataset.
    """
    named = _named(files)
    stems = dict.fromkeys(found.stem for found in named if found.is_signal)
    tracks = Tracks({stem or nameless: {} for stem in stems})
    for found in sorted(named, key=lambda found: found.file.kind is not Kind.SIGNAL):
        owners, extra = _owners(found, list(stems))
        if not owners:
            tracks.unused.append(Unused(found.file.path, "no bigWig has a name that begins like its"))
        for stem in owners:
            tracks.add(stem or nameless, attribute_name((*extra, *found.role), found.file.kind), found.file)
    return tracks


def attribute_name(role: Sequence[str], kind: Kind) -> str:
    """Return what an attribute is called: ``plus``, ``control_minus``, ``overlap_peak``, ``ambig_peak``, …."""
    named = [_PLAIN.get(word.lower(), word.lower()) for word in role]
    if kind is Kind.AMBIGUOUS and "ambig" not in named:
        named = ["ambig"]
    if kind is not Kind.SIGNAL and "peak" not in named:
        named.append("peak")
    return re.sub(r"\W+", "_", "_".join(named)) or "signal"


def _type_of(file: KnownFile) -> AttributeType:
    if file.kind is Kind.SIGNAL:
        return AttributeType.BIGWIG
    if file.kind is Kind.AMBIGUOUS:
        return AttributeType.BED_NO_SUMMIT
    summits = AttributeType.BED_SUMMIT_FROM_LAST_COL, AttributeType.BED_SUMMIT_FROM_PEAK_CENTER
    return summits[0] if file.has_summits else summits[1]


def _named(files: Sequence[KnownFile]) -> list[_Named]:
    """Divide names; one without a role word is divided behind the name of a dataset that others told."""
    split = [_Named(file, *_split(_base(file.path))) for file in files]
    told = {found.stem for found in split if found.is_signal and found.role and found.stem}
    named = []
    for found in split:
        stem = _longest(found.stem, told) if not found.role else None
        named.append(found if stem is None else _Named(found.file, stem, _words(found.stem[len(stem) :])))
    return named


def _owners(found: _Named, stems: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Return the datasets that a file belongs to, and words of its name that none of their names has."""
    if found.stem in stems:
        return [found.stem], ()
    sharing = [stem for stem in stems if _begins(stem, found.stem)]
    if sharing:
        return sharing, ()
    nearest = _longest(found.stem, stems)
    if nearest is None:
        return [], ()
    return [nearest], _words(found.stem[len(nearest) :])


def _base(path: Path) -> str:
    name = path.name
    while _SUFFIX.search(name):
        name = _SUFFIX.sub("", name)
    return name


def _split(base: str) -> tuple[str, tuple[str, ...]]:
    """Divide a name before the first word that tells a role."""
    for word in re.finditer(r"[^._-]+", base):
        if word.group().lower() in _ROLE_WORDS:
            return base[: word.start()].rstrip("._-"), _words(base[word.start() :])
    return base, ()


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in _SEPARATOR.split(text) if word)


def _begins(name: str, start: str) -> bool:
    """Whether a name begins with another, whole words of it."""
    return not start or name == start or (name.startswith(start) and _SEPARATOR.match(name[len(start) :]) is not None)


def _longest(name: str, starts: Sequence[str] | set[str]) -> str | None:
    """Return the longest of the names that a name begins with."""
    return max((start for start in starts if _begins(name, start)), key=len, default=None)
