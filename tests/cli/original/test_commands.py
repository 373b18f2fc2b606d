from __future__ import annotations

import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from flag_tables import documented, flag_tables
from original_flags import FLAGS

from kerasac.cli.original import entry
from kerasac.cli.original.commands import BY_NAME, COMMANDS
from kerasac.cli.original.flags import Flag, Kind, read_flags
from kerasac.errors import ConfigError

ROOT = Path(__file__).parents[3]


def value_of(flag: Flag) -> str:
    """Return a value that a flag takes."""
    if flag.kind is Kind.SWITCH:
        return ""
    return flag.choices[0] if flag.choices else "x" if flag.kind is Kind.TEXT else "1"


@pytest.mark.parametrize("name", BY_NAME)
def test_help_lists_every_flag(name: str, command: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert command(name, "--help") == 0
    said = capsys.readouterr().out
    for flag in BY_NAME[name].flags:
        assert all(f"--{one}" in said for one in flag.names)
        assert flag.meaning, flag.name


@pytest.mark.parametrize("name", FLAGS)
def test_every_flag_that_the_original_declares_is_read(name: str) -> None:
    flags = BY_NAME[name].flags
    by_name = {one: flag for flag in flags for one in flag.names}
    for one in FLAGS[name].split():
        assert one in by_name, one
        words = [f"--{one}", *filter(None, [value_of(by_name[one])])]
        if by_name[one].refused:
            with pytest.raises(ConfigError, match="is not offered"):
                read_flags(name, flags, words)
        else:
            assert read_flags(name, flags, words).has(by_name[one].name)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_names_of_flags_are_unambiguous(command: object) -> None:
    names = [name for flag in command.flags for name in flag.names]  # type: ignore[attr-defined]
    assert len(set(names)) == len(names)


def test_each_command_is_a_script_and_has_what_runs_it() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    ours = {name for name, target in scripts.items() if target == "kerasac.cli.original.entry:main"}
    assert ours == set(BY_NAME)
    for one in COMMANDS:
        module, _, function = one.runner.partition(":")
        assert callable(getattr(import_module(f"kerasac.cli.original.{module}"), function))


def test_the_page_has_all_flags_as_they_are() -> None:
    assert documented() == flag_tables(), "run python tests/flag_tables.py"


def test_each_command_has_all_its_flags_on_the_page() -> None:
    parts = documented().split("### ")[1:]
    assert len(parts) == len(COMMANDS)
    for command, part in zip(COMMANDS, parts, strict=True):
        assert part.partition("\n")[0] == ", ".join(command.names)
        missing = [name for flag in command.flags for name in flag.names if f"`--{name}`" not in part]
        assert not missing, command.name


def test_what_a_flag_is_stands_on_the_page_once() -> None:
    rows = [line for line in documented().splitlines() if line.startswith("| `--")]
    assert len(rows) == len(set(rows))


def test_a_mistake_ends_with_one_message_and_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/kerasAC_score_bpnet", "--predictons", "p"])
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert ended.value.code == 2
    assert "has no flag '--predictons'; did you mean '--predictions'?" in capsys.readouterr().err
