"""Draw the units of a run as a list, those of a study as a matrix of configurations and folds."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from kerasac.runs.progress_state import Line, Phase, Progress
from kerasac.runs.stopping import duration_text
from kerasac.runs.usage import Usage

STYLES: dict[Phase, str] = {
    "waiting": "dim",
    "running": "cyan",
    "paused": "yellow",
    "stopped": "yellow",
    "done": "green",
    "failed": "bold red",
}
_GLYPHS: dict[Phase, str] = {"waiting": "·", "running": "▸", "paused": "‖", "stopped": "■", "done": "✓", "failed": "✗"}
_WORDS: dict[Phase, str] = {
    "waiting": "to come",
    "running": "running, epoch",
    "paused": "waiting for its rung",
    "stopped": "stopped",
    "done": "done",
    "failed": "failed",
}
# What the screen needs beside the rows: headings, "and N more", the legend and the lines below.
_OTHER_LINES = 10
_NAME_WIDTH = 40


def draw(progress: Progress, usage: Usage | None, *, height: int, remaining_s: float | None = None) -> RenderableType:
    """Return the screen: the units, and below them how far all is, at most ``height`` lines where that can be."""
    rows = max(3, height - _OTHER_LINES)
    is_study = any(line.configuration for line in list(progress.lines.values()))
    table = matrix(progress, rows) if is_study else unit_list(progress, rows)
    return Group(table, *footer(progress, usage, remaining_s))


def unit_list(progress: Progress, rows: int) -> RenderableType:
    """Return a line a unit; where there are more than ``rows``, those that run come first."""
    shown = list(progress.lines.items())
    if len(shown) > rows:
        shown = sorted(shown, key=lambda item: _RANK[item[1].phase])[:rows]
    table = _table(("fold / seed", "state", "epoch", "validation loss", "best (epoch)", "s an epoch"))
    for name, line in shown:
        pace = line.seconds_an_epoch
        table.add_row(
            name,
            Text(line.state, style=STYLES[line.phase]),
            f"{line.epoch}/{line.epochs}" if line.epoch else "",
            "" if line.loss is None else f"{line.loss:.3f}",
            "" if line.best_loss is None else f"{line.best_loss:.3f} ({line.best_epoch})",
            "" if pace is None else f"{pace:.1f}",
        )
    return _with_more(table, len(progress.lines) - len(shown))


_RANK: dict[Phase, int] = {"running": 0, "failed": 1, "paused": 2, "stopped": 2, "done": 3, "waiting": 4}


def matrix(progress: Progress, rows: int) -> RenderableType:
    """Return a row a configuration and a column a fold, with a sign a seed.

    Configurations that run come first, the best one with them, then those that are further along.
    """
    lines = list(progress.lines.values())
    folds, seeds = sorted({line.fold for line in lines}), sorted({line.seed for line in lines})
    by_name: dict[str, dict[tuple[int, int], Line]] = {}
    for line in lines:
        by_name.setdefault(line.configuration, {})[line.fold, line.seed] = line
    names = _in_order(by_name, progress)
    scored = bool(progress.scores)
    table = _table(("configuration", *(f"fold {fold}" for fold in folds), *(["score"] if scored else [])))
    table.columns[0].max_width = _NAME_WIDTH
    table.columns[0].overflow = "ellipsis"
    for name in names[:rows]:
        cells = [_cell([by_name[name].get((fold, seed)) for seed in seeds]) for fold in folds]
        table.add_row(_name(name, progress), *cells, *([progress.scores.get(name, "")] if scored else []))
    legend = _legend(lines, seeds)
    return Group(_with_more(table, len(names) - rows), legend)


def _in_order(by_name: dict[str, dict[tuple[int, int], Line]], progress: Progress) -> list[str]:
    best = progress.best.name if progress.best else None

    def rank(name: str) -> tuple[bool, bool, int]:
        phases = [line.phase for line in by_name[name].values()]
        further = sum(line.epoch for line in by_name[name].values())
        return "running" not in phases, name != best, -further

    if len(by_name) == 1:
        return list(by_name)
    return sorted(by_name, key=rank)


def _name(name: str, progress: Progress) -> Text:
    is_best = progress.best is not None and progress.best.name == name
    return Text(f"★ {name}" if is_best else name, style="bold" if is_best else "")


def _cell(lines: Sequence[Line | None]) -> Text:
    """Return a sign a seed, that of a running or waiting unit with its epochs."""
    cell = Text()
    for place, line in enumerate(lines):
        if place:
            cell.append(" ")
        phase: Phase = line.phase if line is not None else "waiting"
        shows_epoch = line is not None and line.epoch and phase in ("running", "paused", "stopped")
        cell.append(f"{_GLYPHS[phase]}{line.epoch if line is not None and shows_epoch else ''}", style=STYLES[phase])
    return cell


def _legend(lines: Sequence[Line], seeds: Sequence[int]) -> Text:
    seen = {line.phase for line in lines}
    legend = Text("  ".join(f"{_GLYPHS[phase]} {word}" for phase, word in _WORDS.items() if phase in seen), style="dim")
    if len(seeds) > 1:
        legend.append(f"  (a sign a seed: {', '.join(map(str, seeds))})")
    return legend


def footer(progress: Progress, usage: Usage | None, remaining_s: float | None) -> list[Text]:
    """Return lines of how far all is, the best so far, the machine's use, errors, and why it is stopping."""
    lines = [Text(_how_far(progress, remaining_s))]
    if progress.best is not None:
        lines.append(Text(f"best so far: {progress.best.name}, {progress.best.text}", style="bold"))
    if usage is not None and str(usage):
        lines.append(Text(f"this machine: {usage}", style="dim"))
    n_failed = progress.counts()["failed"]
    if progress.last_error is not None and n_failed:
        name, message = progress.last_error
        lines.append(Text(f"{n_failed} failed, the last: {name}: {message}", style="red"))
    if progress.stop_reason is not None:
        running = "running units end their epoch first; Ctrl-C ends them at once"
        lines.append(Text(f"stopping, asked by {progress.stop_reason}: {running}", style="yellow"))
    for line in lines:
        line.truncate(300)  # a message may be long; the screen wraps it
    return lines


def _how_far(progress: Progress, remaining_s: float | None) -> str:
    of = f" of {progress.total}" if progress.total is not None else ""
    before = f" ({progress.finished} finished before)" if progress.finished else ""
    parts = [f"{progress.ended}{of} units done{before}"]
    if progress.epochs_now:
        planned = f" of at most {progress.planned_epochs}" if progress.planned_epochs else ""
        had = progress.finished * progress.epochs + sum(line.epoch for line in list(progress.lines.values()))
        trained = had if planned else progress.epochs_now
        parts.append(f"{trained}{planned} epoch{'' if f'{trained}{planned}' == '1' else 's'}")
    if progress.budget:
        parts.append(progress.budget)
    parts.append(duration_text(progress.elapsed_s))
    left = progress.time_left_s()
    if left is not None and progress.counts()["running"]:
        parts.append(f"about {duration_text(left)} left")
    if remaining_s is not None:
        parts.append(f"stops in {duration_text(remaining_s)}")
    return " · ".join(parts)


def _table(headings: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    words = ("configuration", "state", "fold / seed")
    for heading in headings:
        is_word = heading in words or heading.startswith("fold ")
        table.add_column(heading, justify="left" if is_word else "right", no_wrap=True)
    return table


def _with_more(table: Table, n_more: int) -> RenderableType:
    return Group(table, Text(f"and {n_more} more", style="dim")) if n_more > 0 else table
