"""Write an experiment to start from: the commented template, with what an array or a folder of files holds."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kerasac.errors import ConfigError
from kerasac.sampling.batches import other_strands
from kerasac.store.schema import StoreLayout
from kerasac.store.tables import AttributeType

TEMPLATE = Path(__file__).parents[1] / "templates" / "experiment.yaml"

_BIGWIG = re.compile(r"\.(bw|bigwig)$", re.IGNORECASE)
_BED = re.compile(r"\.(narrowpeak|bed)(\.gz)?$", re.IGNORECASE)
_FASTA = re.compile(r"\.(fa|fasta|fna)(\.gz)?$", re.IGNORECASE)
_SIZES = re.compile(r"\.sizes$", re.IGNORECASE)
_WORDS = re.compile(r"[._-]+")
# Words of a file's name that say what it is, and the attribute that it becomes.
_STRANDS = {"plus": "plus", "pos": "plus", "minus": "minus", "neg": "minus", "unstranded": "unstranded"}
_KINDS = {"fc": "fc", "pval": "pval", "control": "control", "ambig": "ambig", "ambiguous": "ambig"}
_PEAKS = {"idr": "idr_peak", "overlap": "overlap_peak", "peaks": "peak", "peak": "peak"}


@dataclass(frozen=True)
class Choices:
    """What goes into the template: paths as they are to be written, names of the array's datasets and attributes."""

    name: str
    store: str
    datasets: tuple[str, ...]
    outputs: tuple[str, ...]
    controls: tuple[str, ...] = ()
    peak_attribute: str | None = None
    ambiguous: str | None = None
    fasta: str | None = None
    chrom_sizes: str | None = None
    blacklist: str | None = None
    peaks: str | None = None
    folds: str | None = None


def of_store(layout: StoreLayout, **paths: str | None) -> Choices:
    """Choose the tracks of an array by their names; ``paths`` are other fields of :class:`Choices`.

    Raises
    ------
    ConfigError
        When no attribute looks like counts, or none like peaks and no peak file is given.
    """
    signals = [name for name, dtype in layout.attributes.items() if dtype.kind == "f"]
    marks = [name for name in layout.attributes if name not in signals]
    ambiguous = next((name for name in marks if "ambig" in name), None)
    peaks = [name for name in marks if name != ambiguous]
    peak_attribute = next((n for word in ("overlap", "idr", "peak", "") for n in peaks if word in n), None)
    if peak_attribute is None and paths.get("peaks") is None:
        raise ConfigError(
            f"{layout.path} has no attribute of peaks ({_listed(layout.attributes)}); name a file: --peaks"
        )
    return Choices(
        name=Path(layout.path).stem,
        store=layout.path,
        datasets=layout.datasets,
        outputs=_counts(signals, layout.path),
        controls=_pair([name for name in signals if "control" in name]),
        peak_attribute=peak_attribute,
        ambiguous=ambiguous,
        **paths,
    )


def experiment_text(choices: Choices) -> str:
    """Return the template with these choices: the same sections and comments, ready to be checked."""
    text = TEMPLATE.read_text(encoding="utf-8")
    outputs = f"[{', '.join(choices.outputs)}]"
    text = _put(text, "name: my-experiment", f"name: {_plain(choices.name)}")
    text = _put(text, "fasta: genome.fa.gz  ", f"fasta: {choices.fasta or 'genome.fa.gz'}  ")
    sizes = f"chrom_sizes: {choices.chrom_sizes or 'null'}  "
    text = _put(text, "chrom_sizes: genome.chrom.sizes  ", sizes)
    text = _put(text, "blacklist: null  ", f"blacklist: {choices.blacklist or 'null'}  ")
    text = _put(text, "store: signal.tdb\n", f"store: {choices.store}\n")
    text = _put(text, "datasets: my-dataset\n", f"datasets: [{', '.join(choices.datasets)}]\n")
    text = text.replace("[count_plus, count_minus]", outputs)
    if choices.controls:
        text = text.replace("[control_plus, control_minus]", f"[{', '.join(choices.controls)}]")
    text = _put(text, "ambiguous: ambig_peak  ", f"ambiguous: {choices.ambiguous or 'null'}  ")
    if choices.folds is not None:
        text = _put(text, "  # files: folds.json  ", f"  files: {choices.folds}  ")
        text = _put(text, "  n: 5\n", "  n: null\n")
    if choices.peaks is not None:
        return _put(text, "bed: peaks.narrowPeak  ", f"bed: {choices.peaks}  ")
    assert choices.peak_attribute is not None, "there is one where no file is given"
    return _with_positions(text, choices.peak_attribute)


@dataclass(frozen=True)
class Found:
    """Files of a folder by what they are: tracks by dataset and attribute, and files of the genome."""

    tracks: Mapping[str, Mapping[str, Path]]
    kinds: Mapping[str, AttributeType]
    genome: Mapping[str, Path]
    unknown: tuple[Path, ...] = field(default=())


def find_files(folder: Path, given: Mapping[str, Path | None]) -> Found:
    """Tell the files of a folder by their names; ``given`` names files of the genome that are known already.

    Raises
    ------
    ConfigError
        When there is no bigWig, or two files could be the same thing.
    """
    tracks: dict[str, dict[str, Path]] = {}
    kinds: dict[str, AttributeType] = {}
    genome: dict[str, list[Path]] = {}
    unknown = []
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        role = _genome_role(path)
        if role is not None:
            genome.setdefault(role, []).append(path)
            continue
        if not (_BIGWIG.search(path.name) or _BED.search(path.name)):
            unknown.append(path)
            continue
        dataset, attribute, kind = _track(path)
        if attribute in tracks.setdefault(dataset, {}):
            raise ConfigError(
                f"{path} and {tracks[dataset][attribute]} could both be {attribute} of {dataset}; move one"
            )
        tracks[dataset][attribute], kinds[attribute] = path, kind
    if not any(kind is AttributeType.BIGWIG for kind in kinds.values()):
        raise ConfigError(f"{folder} has no bigWig (*.bw, *.bigWig); name another folder")
    return Found(tracks, kinds, _one_each(genome, given), tuple(unknown))


def write_start(folder: Path, out: Path, given: Mapping[str, Path | None]) -> list[Path]:
    """Write metadata.tsv, attributes.tsv and experiment.yaml for a folder of bigWigs and peaks; returns their paths.

    Raises
    ------
    ConfigError
        When one of them is there already, or the folder's files cannot be told.
    """
    names = ("metadata.tsv", "attributes.tsv", "experiment.yaml")
    there = [out / name for name in names if (out / name).exists()]
    if there:
        raise ConfigError(f"{there[0]} is there already; choose another --out")
    found = find_files(folder, given)
    choices = _of_found(found, folder, out)
    rows = ["\t".join(["dataset", *found.kinds])]
    for dataset, files in found.tracks.items():
        rows.append("\t".join([dataset, *(_shown(files[a], out) if a in files else "" for a in found.kinds)]))
    texts = ("\n".join(rows) + "\n", "".join(f"{a}\t{k}\n" for a, k in found.kinds.items()), experiment_text(choices))
    out.mkdir(parents=True, exist_ok=True)
    for name, text in zip(names, texts, strict=True):
        (out / name).write_text(text, encoding="utf-8")
    return [out / name for name in names]


def _of_found(found: Found, folder: Path, out: Path) -> Choices:
    signals = [name for name, kind in found.kinds.items() if kind is AttributeType.BIGWIG]
    peaks = [name for name in found.kinds if name in _PEAKS.values()]
    first = next(iter(found.tracks.values()))
    file = next((first[name] for name in ("peak", "overlap_peak", "idr_peak") if name in first), None)
    if not peaks or file is None:
        raise ConfigError(f"{folder} has no peak file (*.narrowPeak, *peaks*.bed) of {next(iter(found.tracks))}")
    paths = {role: _shown(path, out) for role, path in found.genome.items()}
    one = len(found.tracks) == 1
    return Choices(
        name=_plain(folder.resolve().name),
        store="signal.tdb",
        datasets=tuple(found.tracks),
        outputs=_counts(signals, str(folder)),
        controls=_pair([name for name in signals if "control" in name]),
        peak_attribute=peaks[0],
        ambiguous=next((name for name in found.kinds if "ambig" in name), None),
        peaks=_shown(file, out) if one else None,
        **paths,
    )


def _genome_role(path: Path) -> str | None:
    name = path.name.lower()
    if _FASTA.search(name):
        return "fasta"
    if _SIZES.search(name):
        return "chrom_sizes"
    if "blacklist" in name and _BED.search(name):
        return "blacklist"
    return "folds" if name.endswith(".json") and "fold" in name else None


def _track(path: Path) -> tuple[str, str, AttributeType]:
    """Return dataset, attribute and type of a bigWig or BED file: its name's first word, and what the others say."""
    dataset, *words = [word for word in _WORDS.split(path.name) if word]
    words = [word.lower() for word in words]
    kind = next((_KINDS[word] for word in words if word in _KINDS), None)
    if _BIGWIG.search(path.name):
        strand = next((_STRANDS[word] for word in words if word in _STRANDS), None)
        if strand is not None:
            return dataset, f"{'control_' if kind == 'control' else ''}count_{strand}", AttributeType.BIGWIG
        named = "_".join(word for word in words[:-1]) or "signal"
        return dataset, kind or re.sub(r"\W", "_", named), AttributeType.BIGWIG
    if kind == "ambig":
        return dataset, "ambig_peak", AttributeType.BED_NO_SUMMIT
    plain = [word for word in words if word in _PEAKS]
    others = [word for word in words if word not in _PEAKS and not word.startswith(("narrowpeak", "bed", "gz"))]
    name = _PEAKS[plain[0]] if plain and not others else "_".join([*others, "peak"])
    is_narrow = "narrowpeak" in path.name.lower()
    return dataset, name, AttributeType.BED_SUMMIT_FROM_LAST_COL if is_narrow else AttributeType.BED_NO_SUMMIT


def _one_each(found: Mapping[str, Sequence[Path]], given: Mapping[str, Path | None]) -> dict[str, Path]:
    chosen = {role: path for role, path in given.items() if path is not None}
    for role, paths in found.items():
        if role not in chosen and len(paths) > 1:
            raise ConfigError(
                f"{paths[0]} and {paths[1]} could both be the {role}; say which: --{role.replace('_', '-')}"
            )
        chosen.setdefault(role, paths[0])
    if "fasta" not in chosen:
        raise ConfigError("there is no FASTA (*.fa, *.fa.gz) in the folder; name it with --fasta")
    return chosen


def _counts(signals: Sequence[str], where: str) -> tuple[str, ...]:
    """Choose what a model predicts: counts of both strands, else unstranded counts, else the only signal."""
    signals = [name for name in signals if "control" not in name]
    pair = _pair(signals)
    if pair:
        return pair
    counts = (
        [name for name in signals if "unstranded" in name] or [name for name in signals if "count" in name] or signals
    )
    if len(counts) != 1:
        raise ConfigError(
            f"cannot tell which track of {where} holds counts ({_listed(signals)}); edit outputs afterwards"
        )
    return (counts[0],)


def _pair(names: Sequence[str]) -> tuple[str, ...]:
    """Return the first of the tracks whose other strand is there too, and that."""
    pairs = ((name, other) for name in names for other in other_strands(name) if other in names)
    found = next(pairs, ())
    return tuple(sorted(found, key=lambda name: "plus" not in name)) if found else ()


def _with_positions(text: str, attribute: str) -> str:
    """Turn the template's sampling from the regions of a file to the positions of an attribute."""
    lines = text.split("\n")
    start, end = lines.index("  regions:"), next(i for i, line in enumerate(lines) if line.startswith("  negatives:"))
    commented = [f"  # {line[2:]}" for line in lines[start : end + 1]]
    rest = [re.sub(r"^  # (peaks: |train_size|valid_size)", r"  \1", line) for line in lines[end + 1 :]]
    return "\n".join([*lines[:start], *commented, *rest]).replace("attribute: overlap_peak", f"attribute: {attribute}")


def _put(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"the template has no single {old!r}"
    return text.replace(old, new)


def _shown(path: Path, out: Path) -> str:
    """Return a path relative to where it is written, when it lies below, else absolute."""
    path, out = path.resolve(), out.resolve()
    return os.path.relpath(path, out) if path.is_relative_to(out) else str(path)


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", name).lstrip("._-") or "experiment"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
