"""Read what kerasAC's flags say of inputs and outputs: spaces between them, commas between the channels of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

from kerasac.cli.original.flags import Given
from kerasac.errors import ConfigError, suggest

SEQUENCE = "seq"
Side = str  # input or output

_AGGREGATES = {
    "None": "none",
    "avg": "average",
    "average": "average",
    "max": "max",
    "binary_max": "binary_max",
    "sum": "sum",
}
_TRANSFORMS = {
    "None": "none",
    "log": "log",
    "log10": "log10",
    "asinh": "asinh",
    "counts_to_logit": "counts_to_logit",
}
_TAKE_PSEUDOCOUNT = ("log", "log10", "counts_to_logit")
# kerasAC's names of layers, which its logs and files have.
_NAMES = {
    ("input", "none"): "control_profile",
    ("input", "counts"): "control_logcount",
    ("output", "none"): "profile_predictions",
    ("output", "counts"): "logcount_predictions",
}


def read_tracks(given: Given, side: Side) -> list[dict[str, Any]]:
    """Return the inputs or outputs of a command line, as an experiment has them.

    Raises
    ------
    ConfigError
        When flags have different numbers of values, or the channels of one differ in what they have in common here.
    """
    sources = [value.split(",") for value in given.texts(f"tdb_{side}_source_attribute")]
    if not sources:
        raise ConfigError(f"{given.command} needs --tdb_{side}_source_attribute")
    wanted = given.whole(f"num_{side}s")
    if wanted is not None and wanted != len(sources):
        raise ConfigError(f"--num_{side}s is {wanted}, but --tdb_{side}_source_attribute names {len(sources)}")
    tracks = [_track(given, side, place, channels) for place, channels in enumerate(sources)]
    _give_names(tracks, side)
    return tracks


def named_datasets(given: Given, name: str) -> tuple[str, ...]:
    """Return the datasets that a flag names, with spaces or commas between them."""
    return tuple(dict.fromkeys(_split(given.texts(name))))


def _track(given: Given, side: Side, place: int, channels: Sequence[str]) -> dict[str, Any]:
    if SEQUENCE in channels:
        if len(channels) > 1:
            raise ConfigError(
                f"{side} {place + 1} has {SEQUENCE} beside tracks; give the tracks an {side} of their own"
            )
        return {"source": SEQUENCE, "flank": _flank(given, side, place, channels)}
    aggregate = _common(given, side, "aggregation", place, channels, _named(_AGGREGATES, "aggregation"), "none")
    transform = _common(given, side, "transformation", place, channels, _named(_TRANSFORMS, "transformation"), "none")
    pairs = _pairs(given, side, place, channels)
    if len(set(pairs)) < len(pairs):
        raise ConfigError(f"the channels of {side} {place + 1} ({', '.join(channels)}) repeat; name each once")
    track = {
        **_sources(pairs),
        "flank": _flank(given, side, place, channels),
        **({"aggregate": aggregate} if aggregate != "none" else {}),
        **({"transform": transform} if transform != "none" else {}),
        **({"pseudocount": given.number("tdb_transformation_pseudocount")} if transform in _TAKE_PSEUDOCOUNT else {}),
    }
    return track | _range(given, side, place, channels)


def _flank(given: Given, side: Side, place: int, channels: Sequence[str]) -> int:
    flank: int | None = _common(given, side, "flank", place, channels, _whole, None)
    if flank is None:
        raise ConfigError(f"{given.command} needs --tdb_{side}_flank, one for each {side}")
    return flank


def _range(given: Given, side: Side, place: int, channels: Sequence[str]) -> dict[str, float]:
    """Return min and max of an output; an input has none here."""
    found = {name: _common(given, side, name, place, channels, _number, None) for name in ("min", "max")}
    bounds = {name: value for name, value in found.items() if value is not None}
    if bounds and side == "input":
        raise ConfigError(
            f"--tdb_input_{next(iter(bounds))} is given; inputs have no range here: leave windows out by their outputs "
            "(--tdb_output_min, --tdb_output_max)"
        )
    return bounds


def _pairs(given: Given, side: Side, place: int, channels: Sequence[str]) -> list[tuple[str, str]]:
    """Return dataset and attribute of each channel; none where no flag names datasets of this one."""
    listed = given.texts(f"tdb_{side}_datasets")
    if not listed:
        return [("", attribute) for attribute in channels]
    datasets = _spread(_at(given, side, "datasets", listed, place), len(channels), f"--tdb_{side}_datasets")
    return list(zip(datasets, channels, strict=True))


def by_attribute(attributes: Sequence[str], datasets: Sequence[str]) -> dict[str, Any]:
    """Return source and dataset of the channels that kerasAC makes of --tasks: by attribute, and by task in each."""
    return _sources([(dataset, attribute) for attribute in attributes for dataset in datasets])


def _sources(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return source and dataset of some channels: all their combinations where that gives them in order, or pairs."""
    datasets, attributes = (list(dict.fromkeys(column)) for column in zip(*pairs, strict=True))
    if list(product(datasets, attributes)) == list(pairs):
        return {"source": attributes, **({"dataset": datasets} if datasets != [""] else {})}
    return {
        "source": [attribute for _, attribute in pairs],
        "dataset": [dataset for dataset, _ in pairs],
        "paired": True,
    }


def _common(
    given: Given,
    side: Side,
    what: str,
    place: int,
    channels: Sequence[str],
    read: Callable[[str, str], Any],
    default: Any,
) -> Any:
    """Return the value that all channels of an input or output have."""
    name = f"tdb_{side}_{what}"
    listed = given.texts(name)
    if not listed:
        return default
    words = _spread(_at(given, side, what, listed, place), len(channels), f"--{name}")
    values = [read(word, name) for word in words]
    if any(value != values[0] for value in values[1:]):
        raise ConfigError(
            f"--{name}: the channels of {side} {place + 1} have {', '.join(words)}; here they have one in common: give "
            f"channels that differ {side}s of their own"
        )
    return values[0]


def _at(given: Given, side: Side, what: str, listed: Sequence[str], place: int) -> list[str]:
    n = len(given.texts(f"tdb_{side}_source_attribute"))
    if len(listed) != n:
        raise ConfigError(f"--tdb_{side}_{what} has {len(listed)} values for {n} {side}s; give one for each")
    return listed[place].split(",")


def _spread(words: Sequence[str], n: int, name: str) -> list[str]:
    if len(words) not in (1, n):
        raise ConfigError(
            f"{name}: {','.join(words)} has {len(words)} values for {n} channels; give one, or one for each"
        )
    return list(words) * (n if len(words) == 1 else 1)


def _split(values: Sequence[str]) -> list[str]:
    return [name for value in values for name in value.split(",") if name]


def _give_names(tracks: Sequence[dict[str, Any]], side: Side) -> None:
    """Name tracks as kerasAC's models name their layers; a second one of a kind gets a number."""
    for place, track in enumerate(tracks):
        kind = "counts" if track.get("aggregate") else "none"
        name = "sequence" if track["source"] == SEQUENCE else _NAMES[side, kind]
        same = sum(other.get("name", "").split("-")[0] == name for other in tracks[:place])
        track["name"] = f"{name}-{same + 1}" if same else name


def _named(known: dict[str, str], what: str) -> Callable[[str, str], str]:
    def read(word: str, name: str) -> str:
        if word not in known:
            raise ConfigError(f"--{name}: {word!r} is no {what}{suggest(word, known)}")
        return known[word]

    return read


def _whole(word: str, name: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise ConfigError(f"--{name}: {word!r} is no whole number of bases") from None


def _number(word: str, name: str) -> float | None:
    if word == "None":
        return None
    try:
        return float(word)
    except ValueError:
        raise ConfigError(f"--{name}: {word!r} is no number, nor None") from None
