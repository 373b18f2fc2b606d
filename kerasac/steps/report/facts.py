"""Say what was run, on which data, with which software, as lines for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, NamedTuple

from kerasac.steps.page import plural
from kerasac.steps.report.files import branch
from kerasac.steps.report.units import UnitView

Facts = list[tuple[str, str]]


class InputFile(NamedTuple):
    """A file that a run read."""

    name: str
    folder: str
    size: str
    changed: str


class DataFacts(NamedTuple):
    """What a run read: what it is, and files with size and date."""

    facts: Facts
    files: list[InputFile]


def run_facts(settings: Mapping[str, Any], units: Sequence[UnitView]) -> Facts:
    """Say what an experiment trains on what; lines for what the experiment does not name are left out."""
    sampling, training = branch(settings, "sampling"), branch(settings, "training")
    binned = bool(branch(settings, "labels"))
    lines = [
        ("Model", _model(branch(settings, "model"), units)),
        ("Bias model", _model(branch(settings, "bias", "model"), ())),
        *((f"Input: {one.get('name')}", _window(one)) for one in _listed(settings, "inputs")),
        *((f"Output: {one.get('name')}", _window(one)) for one in _listed(settings, "outputs")),
        ("Windows drawn", "; ".join(_windows(sampling))),
        ("Training", "; ".join(_training(training))),
        ("Loss weights", _weights(settings, units)),
        ("Folds", _settings_text(branch(settings, "folds"))),
        ("Seeds", _text(settings.get("seeds"))),
        ("Scored", "" if binned else _settings_text(branch(settings, "score"))),
    ]
    return [(what, text) for what, text in lines if text]


def software_facts(provenance: Any, units: Sequence[UnitView]) -> Facts:
    """Return versions, command and commit, and the units that other versions trained."""
    versions = branch(provenance, "versions")
    lines = [
        ("Versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
        ("Command", branch(provenance).get("command")),
        ("Commit of the experiment's repository", branch(provenance).get("git_commit")),
        ("Fingerprint of experiment and data", branch(provenance).get("fingerprint")),
    ]
    for unit in units:
        other = {k: v for k, v in branch(unit.marker, "versions").items() if versions and versions.get(k) != v}
        if other:
            lines.append((f"{unit.name} was finished with", ", ".join(f"{k} {v}" for k, v in other.items())))
    return [(what, str(text)) for what, text in lines if text]


def data_facts(provenance: Any) -> DataFacts:
    """Return what the data are and the files that were read."""
    known = {"command", "versions", "git_commit", "fingerprint", "inputs", "left_out"}
    facts = [
        (f"{name}: {what}" if isinstance(value, Mapping) else str(name), _text(one))
        for name, value in branch(provenance).items()
        if name not in known
        for what, one in (value.items() if isinstance(value, Mapping) else [("", value)])
    ]
    listed = branch(provenance).get("inputs")
    return DataFacts(facts, [_file(one) for one in listed] if isinstance(listed, list) else [])


def _file(one: Any) -> InputFile:
    path = PurePath(str(branch(one).get("path", one)))
    size, changed = branch(one).get("bytes"), branch(one).get("mtime_ns")
    day = datetime.fromtimestamp(changed / 1e9, UTC).strftime("%Y-%m-%d") if isinstance(changed, int) else ""
    return InputFile(path.name, str(path.parent), _bytes(size) if isinstance(size, int) else "", day)


def _bytes(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.3g} {unit}" if unit != "bytes" else f"{size:.0f} {unit}"


def _listed(settings: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = settings.get(key)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _model(model: Mapping[str, Any], units: Sequence[UnitView]) -> str:
    if not model:
        return ""
    rest = {key: value for key, value in model.items() if key != "architecture"}
    sizes = sorted({n for unit in units if isinstance(n := unit.marker.get("model_parameters"), int)})
    size = "".join(f", {plural(n, 'parameter')}" for n in sizes[:1])
    settings = _settings_text(rest)
    return f"{model.get('architecture')}{f' ({settings})' if settings else ''}{size}"


def _window(one: Mapping[str, Any]) -> str:
    """Say what an input or output is: ``count_unstranded, 512 bases, sum, log(counts + 1)``."""
    flank = one.get("flank")
    parts = [_text(one.get("source"))]
    if isinstance(flank, int) and flank:
        parts.append(f"{2 * flank:,} bases")
    if one.get("aggregate") not in (None, "none"):
        parts.append(str(one["aggregate"]))
    if one.get("transform") not in (None, "none"):
        logs = one["transform"] == "log"
        parts.append(f"log(value + {_text(one.get('pseudocount'))})" if logs else str(one["transform"]))
    rest = {key: one[key] for key in ("dataset", "kind", "min", "max") if one.get(key) is not None}
    return ", ".join([*parts, *([_settings_text(rest)] if rest else [])])


def _windows(sampling: Mapping[str, Any]) -> Iterator[str]:
    regions = branch(sampling, "regions")
    if regions:
        jitter = regions.get("jitter")
        moved = f", moved by up to {jitter} bases in training" if jitter else ""
        yield f"peaks of {PurePath(str(regions.get('bed'))).name} at their {regions.get('center')}{moved}"
    if sampling.get("peaks"):
        yield f"peak positions: {_text(sampling['peaks'])}"
    if branch(sampling, "bins"):
        yield f"bins: {_settings_text(branch(sampling, 'bins'))}"
    negatives = branch(sampling, "negatives")
    if negatives:
        bed = f" of {PurePath(str(negatives['bed'])).name}" if negatives.get("bed") else ""
        matched = ", matched in GC" if negatives.get("gc_matched") else ""
        yield f"background{bed}{matched}: {_text(negatives.get('ratio'))} a peak in training"
    if sampling.get("ambiguous"):
        yield f"none from {_text(sampling['ambiguous'])}"
    for split in ("train", "valid"):
        if isinstance(sampling.get(f"{split}_size"), int):
            yield f"{sampling[f'{split}_size']:,} a {'training' if split == 'train' else 'validation'} epoch"
    if sampling.get("reverse_complement"):
        yield "reverse complements too"


def _training(training: Mapping[str, Any]) -> Iterator[str]:
    if not training:
        return
    yield f"at most {training.get('epochs')} epochs, batches of {training.get('batch_size')}"
    yield f"learning rate {_text(training.get('learning_rate'))}, {training.get('schedule')} schedule"
    yield f"ends after {training.get('patience')} epochs without a lower validation loss"
    if training.get("weight_decay") is not None:
        yield f"weight decay {training['weight_decay']}"


def _weights(settings: Mapping[str, Any], units: Sequence[UnitView]) -> str:
    """Say which weights the experiment asks for, and their range over units: ``auto`` is worked out fold by fold."""
    used: dict[str, list[float]] = {}
    for unit in units:
        for output, weight in branch(unit.marker, "loss_weights").items():
            used.setdefault(output, []).append(weight)
    texts = [f"{output} {' to '.join(dict.fromkeys((f'{min(w):g}', f'{max(w):g}')))}" for output, w in used.items()]
    asked = "" if branch(settings, "labels") else _settings_text(branch(settings, "loss"))
    return "; ".join([*([asked] if asked else []), *([f"used: {', '.join(texts)}"] if texts else [])])


def _settings_text(settings: Mapping[str, Any]) -> str:
    """Return ``filters 32, first kernel 21``, without what is not set."""
    named = {key: _text(value) for key, value in settings.items() if value is not None and value != []}
    return ", ".join(f"{str(key).replace('_', ' ')} {text}" for key, text in named.items() if text)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return _settings_text(value)
    if isinstance(value, list | tuple):
        return ", ".join(_text(one) for one in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
