from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.keras


def test_of_several_commands_that_need_a_model_one_converts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kerasac.steps import convert

    calls: list[Path] = []

    def convert_slowly(old: Path, new: Path, weights: Path | None = None) -> Any:
        calls.append(new)
        time.sleep(0.2)
        new.write_text("a model")

    monkeypatch.setattr(convert, "convert", convert_slowly)
    new = tmp_path / "cache" / "m.keras"
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(convert.convert_once, tmp_path / "m.hdf5", new) for _ in range(4)]:
            done.result()
    assert calls == [new]
    assert [path.name for path in new.parent.iterdir()] == ["m.keras"]
