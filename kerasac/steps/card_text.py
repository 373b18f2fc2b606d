"""Write the facts of a model card as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Facts = Mapping[str, Any]


def card_text(facts: Facts) -> str:
    """Return the card's text."""
    sections = (_head, _inputs, _outputs, _data, _scores, _origin)
    return "\n".join(line for section in sections for line in section(facts)) + "\n"


def _head(facts: Facts) -> Iterator[str]:
    model = facts["model"]
    yield f"# {facts['name']}, {facts['unit']}"
    yield ""
    weights = f", {model['n_weights']:,} weights" if model["n_weights"] else ""
    bias = f"; the enzyme's bias is {model['bias']}" if model["bias"] else ""
    yield f"A `{model['architecture']}` model{weights}{bias}."
    if model["settings"]:
        yield f"Settings: {_settings(model['settings'])}; others are the architecture's defaults."
    yield from ("", "## Use", "", facts["use"], "", *(f"- {limit}" for limit in facts["limits"]), "")


def _inputs(facts: Facts) -> Iterator[str]:
    yield from ("## Inputs", "")
    rows = [(one["name"], _shape(one), one["flank"], _joined(one["tracks"]), one["meaning"]) for one in facts["inputs"]]
    yield from _table(("name", "shape", "flank", "tracks, in order", "meaning"), rows)
    yield from ("", "A window is centre − flank … centre + flank, in bases, 0-based and half-open.", "")


def _outputs(facts: Facts) -> Iterator[str]:
    yield from ("## Outputs", "")
    rows = [
        (one["name"], _shape(one), one["flank"], _joined(one["tasks"]), one["meaning"], one["to_counts"])
        for one in facts["outputs"]
    ]
    yield from _table(("name", "shape", "flank", "tasks, in order", "y", "back to counts"), rows)
    yield ""


def _data(facts: Facts) -> Iterator[str]:
    data, folds, training = facts["data"], facts["folds"], facts["training"]
    yield from ("## Data", "")
    yield f"- Genome: `{data['genome']['fasta']}`"
    if data["store"]:
        yield f"- Tracks: `{data['store']}`, datasets {_joined(data['datasets'])}"
    else:
        yield f"- Labels: `{data['labels']['train']}`"
    yield f"- Sampling: {_settings(data['sampling'])}"
    if folds is None:
        yield from ("", f"The mean of {_joined(facts['members'])}: of profile logits, log counts or values.", "")
        return
    yield from ("", f"Fold {folds['fold']}, seed {folds['seed']}:", "")
    windows = data["windows"] or {}
    rows = [(name, f"{windows[name]:,}" if name in windows else "", _joined(folds[name])) for name in _SPLITS]
    yield from _table(("split", "windows", "chromosomes"), rows)
    if "best_epoch" in training:
        yield ""
        yield f"Trained for {training['epochs']} epochs; epoch {training['best_epoch']} had the least validation loss."
    yield ""


_SPLITS = ("train", "valid", "test")


def _scores(facts: Facts) -> Iterator[str]:
    yield from ("## Scores on the test chromosomes", "")
    scores = facts["scores"]
    if scores is None:
        yield from ("There are none.", "")
        return
    sets = list(scores["windows"])
    named = [metric for metric in scores["definitions"] if any(metric in scores["windows"][one] for one in sets)]
    rows = [(metric, *(_number(scores["windows"][one].get(metric)) for one in sets)) for metric in named]
    numbers = [scores.get("n", {}).get(one, {}).get("n_windows") for one in sets]
    heads = [one if n is None else f"{one} ({n:,})" for one, n in zip(sets, numbers, strict=True)]
    yield from _table(("mean over tasks", *heads), rows)
    yield from ("", *(f"- `{metric}`: {scores['definitions'][metric]}" for metric in named), "")


def _origin(facts: Facts) -> Iterator[str]:
    origin = facts["provenance"]
    yield from ("## Where it comes from", "")
    yield f"- Command: `{origin['command']}`"
    yield f"- Fingerprint of the experiment and its data: `{origin['fingerprint']}`"
    if origin["git_commit"]:
        yield f"- Git commit of the data's folder: `{origin['git_commit']}`"
    yield f"- Versions: {', '.join(f'{name} {version}' for name, version in facts['versions'].items())}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    yield _row(heads)
    yield _row(["---"] * len(heads))
    yield from map(_row, rows)


def _row(cells: Sequence[Any]) -> str:
    return "| " + " | ".join("" if cell is None else str(cell).replace("|", "\\|") for cell in cells) + " |"


def _shape(one: Facts) -> str:
    return f"(n, {', '.join(map(str, one['shape']))}) {one['dtype']}"


def _joined(names: Sequence[str]) -> str:
    return ", ".join(names)


def _settings(values: Facts) -> str:
    return ", ".join(f"{key} `{json.dumps(value)}`" for key, value in values.items())


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
