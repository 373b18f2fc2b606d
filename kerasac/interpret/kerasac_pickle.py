"""Turn a pickle of contributions that kerasAC wrote into our files, running no code of it."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
import numpy.typing as npt

from kerasac import __version__
from kerasac.cache import whole_file, with_ending
from kerasac.errors import InterpretError
from kerasac.interpret.contributions import FORMAT_VERSION
from kerasac.steps.hdf5_rows import create_rows
from kerasac.steps.prediction_shards import write_chrom_sizes

Array = npt.NDArray[Any]
Place = tuple[str, int]  # chromosome, and the base in the middle of the window
Content = dict[str, dict[Place, Array]]

_HEADS = {"count_shap": "counts", "profile_shap": "profile"}  # kerasAC's names and ours
_SEQUENCE = "seq"
_MARK = "pickle"  # attribute of files that were made here: they may be replaced
_BLOCK = 256  # windows at a time
_NUMBERS = re.compile(r"[biuf]\d+")  # codes of dtypes: truth values, whole numbers, floats
# What unpickling raises of a damaged file.
_DAMAGE = (
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
    OverflowError,
    MemoryError,
)


def convert_pickle(source: Path, prefix: Path, *, chrom_sizes: Mapping[str, int]) -> tuple[Path, Path]:
    """Write ``<prefix>.counts.h5`` and ``<prefix>.profile.h5`` of a pickle of kerasAC_bpnet_shap_wrapper.

    The pickle is a dictionary whose ``count_shap``, ``profile_shap`` (hypothetical contributions) and ``seq`` (one-hot)
    are dictionaries of arrays (L, 4) by chromosome and centre; what else it has is left out. Windows keep their order.
    It does not say which tasks were explained, or how long chromosomes are.

    Raises
    ------
    InterpretError
        When the file is damaged, holds something else, or asks for a class that arrays have no need of; or a file to
        write is there and was not made of a pickle.
    """
    outs = {name: with_ending(prefix, f"{head}.h5") for name, head in _HEADS.items()}
    for out in outs.values():
        if out.exists() and not is_of_pickle(out):
            raise InterpretError(f"{out} is there already, and was not made of a pickle; give another folder")
    content = _read(source)
    for name, out in outs.items():
        _write(out, content, name, source, chrom_sizes)
    return outs["count_shap"], outs["profile_shap"]


def is_of_pickle(path: Path) -> bool:
    """Whether a file was made of a pickle."""
    if not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r") as file:
        return _MARK in file.attrs


def _write(out: Path, content: Content, name: str, source: Path, chrom_sizes: Mapping[str, int]) -> None:
    places = list(content[_SEQUENCE])
    like = np.empty((1, *content[_SEQUENCE][places[0]].shape))
    center = np.array([place[1] for place in places], dtype=np.int64)
    start = center - like.shape[1] // 2
    with whole_file(out) as beside, h5py.File(beside, "w") as file:
        for dataset, key, dtype in (("hyp_scores", name, np.float32), ("input_seqs", _SEQUENCE, np.int8)):
            create_rows(file, dataset, len(places), like.astype(dtype), _BLOCK)
            for low in range(0, len(places), _BLOCK):
                some = places[low : low + _BLOCK]
                file[dataset][low : low + len(some)] = np.stack([content[key][place] for place in some])
        file.create_dataset("coords_chrom", data=[place[0] for place in places], dtype=h5py.string_dtype())
        file["coords_start"], file["coords_end"], file["center"] = start, start + like.shape[1], center
        write_chrom_sizes(file, chrom_sizes)
        file.attrs.update({"head": _HEADS[name], "format_version": FORMAT_VERSION, "kerasac_version": __version__})
        file.attrs[_MARK] = source.name


def _read(path: Path) -> Content:
    with path.open("rb") as file:
        try:
            content = _Unpickler(file, path).load()
        except _DAMAGE as error:
            said = str(error) or type(error).__name__
            raise InterpretError(
                f"{path} cannot be read as a pickle ({said}); it is damaged, or something else"
            ) from None
    if not isinstance(content, dict) or not all(isinstance(content.get(name), dict) for name in (*_HEADS, _SEQUENCE)):
        has = f"the keys {', '.join(map(str, list(content)[:8]))}" if isinstance(content, dict) else "no dictionary"
        raise InterpretError(
            f"{path} is no pickle of kerasAC_bpnet_shap_wrapper: it has {has}; needed are count_shap, profile_shap "
            "and seq"
        )
    places = list(content[_SEQUENCE])
    _check_places(path, places)
    read: Content = {}
    for name in (*_HEADS, _SEQUENCE):
        if content[name].keys() != content[_SEQUENCE].keys():
            raise InterpretError(f"{path}: {name} has other windows than {_SEQUENCE}; the file is damaged")
        found = {place: content[name][place] for place in places}
        read[name] = {place: one.values if isinstance(one, _Values) else np.array(0) for place, one in found.items()}
    _check_arrays(path, read)
    return read


def _check_places(path: Path, places: Sequence[Any]) -> None:
    if not places:
        raise InterpretError(f"{path} has no windows")
    for place in places:
        match place:
            case (str() as chrom, int() | np.integer() as center) if chrom.isprintable() and 0 <= center < 1 << 31:
                pass
            case _:
                raise InterpretError(f"{path}: {place!r} names no window; windows are (chromosome, centre)")


def _check_arrays(path: Path, content: Content) -> None:
    first = next(iter(content[_SEQUENCE].values()))
    for name, by_place in content.items():
        for (chrom, center), values in by_place.items():
            if values.ndim != 2 or values.shape[1] != 4 or values.shape != first.shape:
                raise InterpretError(
                    f"{path}: {name} of {chrom}:{center} has shape {values.shape}; arrays of all windows are (L, 4), "
                    "with the same L"
                )
            if name == _SEQUENCE and not ((values == 0) | (values == 1)).all():
                raise InterpretError(f"{path}: {name} of {chrom}:{center} is not one-hot")


class _Unpickler(pickle.Unpickler):
    """Read plain containers and NumPy's arrays and numbers.

    NumPy's own functions are not called with what a file says: of a false dtype they make an array that reads or writes
    anywhere in memory. What these names give instead takes numbers alone.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        super().__init__(file)
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a class or function that the file names."""
        match module.replace("numpy._core", "numpy.core"), name:  # NumPy 2 and 1
            case "numpy.core.multiarray", "_reconstruct":
                return self._array
            case "numpy.core.multiarray", "scalar":
                return self._scalar
            case "numpy", "dtype":
                return self._dtype
            case "numpy", "ndarray":
                return None  # an argument of _reconstruct
        raise InterpretError(
            f"{self._path} asks for {module}.{name}, which a file of contributions has no need of; it is not read"
        )

    def _dtype(self, code: str, *_options: bool) -> _Dtype:
        if _NUMBERS.fullmatch(code) is None:
            raise InterpretError(f"{self._path} has values of type {code}; contributions are numbers; it is not read")
        return _Dtype(code)

    def _array(self, *_described: object) -> _Values:
        return _Values()

    def _scalar(self, dtype: _Dtype, data: bytes) -> Any:
        return np.frombuffer(data, dtype.dtype)[0]


class _Dtype:
    """A dtype of numbers, whose state is its byte order."""

    def __init__(self, code: str) -> None:
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _Values:
    """An array, whose state is its shape, dtype, order and bytes."""

    def __init__(self) -> None:
        self.values: Array = np.empty(0)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, is_fortran, data = state
        self.values = np.frombuffer(data, dtype.dtype).reshape(shape, order="F" if is_fortran else "C")
