"""Read and write fold tables in the formats that this field uses."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from kerasac.cache import write_whole
from kerasac.errors import FoldError, suggest
from kerasac.genome.folds import BUILT_IN, SPLITS, Fold, built_in_folds, rotated_folds

_NUMBERED = re.compile(r"fold_(\d+)\.json")


class FoldFormat(StrEnum):
    """A format of fold tables, by the tool that reads it."""

    KERASAC_RAY = "kerasac-ray"  # one file: {"0": {"train", "valid", "test"}, …}
    CHROMBPNET = "chrombpnet"  # a folder of fold_0.json, …: {"train", "valid", "test"}
    BPNET = "bpnet"  # one file: {"0": {"test", "val", "train"}, …}


@dataclass(frozen=True)
class FoldLists:
    """The chromosomes of a fold as its table lists them, right or wrong; ``source`` says where they stand."""

    source: str
    index: int
    train: tuple[str, ...]
    valid: tuple[str, ...]
    test: tuple[str, ...]

    def split(self, name: str) -> tuple[str, ...]:
        """Return the chromosomes of ``train``, ``valid`` or ``test``."""
        return {"train": self.train, "valid": self.valid, "test": self.test}[name]

    def checked(self) -> Fold:
        """Return the fold; raises FoldError, with the source, when splits share a chromosome or are empty."""
        try:
            return Fold(self.index, self.train, self.valid, self.test)
        except FoldError as error:
            raise FoldError(f"{self.source}: {error}") from error


def open_fold_table(names: Sequence[str]) -> tuple[FoldLists, ...]:
    """Read a table by what a person calls it: a built-in name, a file, several files, or a folder of fold_0.json, ….

    Raises
    ------
    FoldError
        When there is no such table, or it is malformed.
    """
    if len(names) == 1 and names[0] in BUILT_IN:
        return tuple(FoldLists(names[0], f.index, f.train, f.valid, f.test) for f in built_in_folds(names[0]))
    paths = [Path(name) for name in names]
    if len(paths) == 1 and paths[0].is_dir():
        return _read_folder(paths[0])
    for path in paths:
        if str(path) in BUILT_IN:
            raise FoldError(f"{path} is a table of its own; name it alone, or files")
        if not path.exists():
            raise FoldError(f"no fold table {str(path)!r}: not a file, nor built in{suggest(str(path), BUILT_IN)}")
    return read_fold_lists(paths)


def read_folds(paths: Sequence[Path]) -> tuple[Fold, ...]:
    """Read a fold table from JSON, as :func:`read_fold_lists`; raises FoldError when a fold leaks."""
    return tuple(lists.checked() for lists in read_fold_lists(paths))


def read_fold_lists(paths: Sequence[Path]) -> tuple[FoldLists, ...]:
    """Read the lists of a fold table from JSON.

    Accepted: one file with all folds, keyed ``"0"``, ``"1"``, … (bpnet's split file, with ``val``; ours, with
    ``valid``); one file with ``{"folds": [[chrom, …], …]}``, where fold k tests on list k and validates on the
    next; or one chrombpnet file a fold (``train``, ``valid``, ``test``), in the order given.

    Raises
    ------
    FoldError
        When a file is missing, is not JSON, or none of these.
    """
    documents = [_read_json(path) for path in paths]
    if len(documents) > 1 or "test" in documents[0]:
        return tuple(_lists(k, document, path) for k, (document, path) in enumerate(zip(documents, paths, strict=True)))
    document, path = documents[0], paths[0]
    if isinstance(document.get("folds"), list):
        return _rotated(document["folds"], path)
    numbered = sorted((key for key in document if key.isdigit()), key=int)
    if not numbered:
        raise FoldError(f'{path} has neither "train"/"valid"/"test", nor "folds", nor folds named "0", "1", …')
    return tuple(_lists(int(key), document[key], path) for key in numbered)


def write_folds(path: Path, folds: Sequence[Fold]) -> None:
    """Write all folds to one JSON file: ``{"0": {"train": […], "valid": […], "test": […]}, …}``."""
    write_whole(path, _json({str(fold.index): fold.as_dict() for fold in folds}))


def write_fold_table(
    folds: Sequence[Fold], out: Path, form: FoldFormat = FoldFormat.KERASAC_RAY, *, overwrite: bool = False
) -> list[Path]:
    """Write a table in a format, and return the files: one, or for chrombpnet a folder of one a fold.

    Raises
    ------
    FoldError
        When there is such a table and ``overwrite`` is false, or ``out`` is a file where a folder is needed, or the
        other way round.
    """
    if form is FoldFormat.CHROMBPNET:
        return _write_folder(folds, out, overwrite=overwrite)
    if out.is_dir():
        raise FoldError(f"{out} is a folder; the {form} format is one file: name it, e.g. {out / 'folds.json'}")
    if out.exists() and not overwrite:
        raise FoldError(f"{out} is there already; name another file, or say --overwrite")
    if form is FoldFormat.BPNET:
        write_whole(out, _json({str(fold.index): _bpnet(fold) for fold in folds}))
    else:
        write_folds(out, folds)
    return [out]


def _write_folder(folds: Sequence[Fold], out: Path, *, overwrite: bool) -> list[Path]:
    if out.suffix == ".json" or out.is_file():
        raise FoldError(f"{out} is a file's name; the chrombpnet format is a folder of fold_0.json, fold_1.json, …")
    there = list(_numbered(out).values())
    if there and not overwrite:
        raise FoldError(f"{out} has {there[0].name} already; name another folder, or say --overwrite")
    written = [out / f"fold_{fold.index}.json" for fold in folds]
    for path, fold in zip(written, folds, strict=True):
        write_whole(path, _json(fold.as_dict()))
    for path in set(there) - set(written):  # folds of the table that was there: they are no part of this one
        path.unlink()
    return written


def _read_folder(folder: Path) -> tuple[FoldLists, ...]:
    files = _numbered(folder)
    if not files:
        raise FoldError(f"{folder} has no fold_0.json, fold_1.json, …; name the files of the table")
    return tuple(_lists(index, _read_json(path), path) for index, path in sorted(files.items()))


def _numbered(folder: Path) -> dict[int, Path]:
    """Return a folder's chrombpnet files by the number of their fold."""
    found = ((_NUMBERED.fullmatch(path.name), path) for path in sorted(folder.glob("fold_*.json")))
    return {int(match[1]): path for match, path in found if match is not None}


def _bpnet(fold: Fold) -> dict[str, list[str]]:
    return {"test": list(fold.test), "val": list(fold.valid), "train": list(fold.train)}


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=1) + "\n"


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise FoldError(f"fold table {path} does not exist")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FoldError(f"fold table {path} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise FoldError(f"fold table {path} holds a {type(document).__name__}; expected an object of folds")
    return document


def _lists(index: int, document: Any, path: Path) -> FoldLists:
    if not isinstance(document, dict):
        raise FoldError(f"fold {index} of {path} is {document!r:.60}; expected lists named train, valid and test")
    lists = {"valid": document.get("val"), **document}
    if any(lists.get(name) is None for name in SPLITS):
        has = ", ".join(document) or "nothing"
        raise FoldError(f"fold {index} of {path} needs train, valid and test; it has {has}")
    splits = (_chromosomes(lists[name], f"{path}: {name} of fold {index}") for name in SPLITS)
    return FoldLists(str(path), index, *splits)


def _rotated(groups: Sequence[Any], path: Path) -> tuple[FoldLists, ...]:
    """Give each group of chromosomes its turn, whatever the groups share."""
    chroms = {str(g): _chromosomes(group, f"{path}: item {g} of folds") for g, group in enumerate(groups)}
    try:
        turns = rotated_folds([[g] for g in chroms])
    except FoldError as error:
        raise FoldError(f"{path}: {error}") from error
    return tuple(
        FoldLists(str(path), turn.index, *(tuple(c for g in turn.split(name) for c in chroms[g]) for name in SPLITS))
        for turn in turns
    )


def _chromosomes(names: Any, what: str) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise FoldError(f'{what} is {names!r:.60}; expected a list of chromosome names: ["chr1", "chr2"]')
    return tuple(names)
