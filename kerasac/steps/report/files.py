"""Read a run's files as far as they are there and whole: a report is also of a run that is going on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


def read_text(path: Path) -> str | None:
    """Return a file's text; None when it is missing."""
    return path.read_text(encoding="utf-8") if path.exists() else None


def read_json(path: Path) -> Any:
    """Return a file's content; None when it is missing or not whole yet."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def parse_yaml(text: str | None) -> Mapping[str, Any]:
    """Return the mapping that a YAML text holds; empty when it holds none."""
    try:
        parsed = yaml.safe_load(text or "")
    except yaml.YAMLError:
        return {}
    return parsed if isinstance(parsed, Mapping) else {}


def branch(value: Any, *keys: str) -> Mapping[str, Any]:
    """Return the mapping below some keys; empty where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def error_line(text: str) -> str:
    """Return the first line of the error that a traceback ends with, without the module that its class lies in."""
    after = text.rpartition("Traceback (most recent call last):")[2].splitlines()
    named = [line for line in after if line and not line[0].isspace()]
    if not named:
        return text.strip().splitlines()[0] if text.strip() else "error.txt is empty"
    kind, colon, message = named[0].partition(":")
    return f"{kind.rpartition('.')[2]}{colon}{message}"
