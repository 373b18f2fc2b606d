from __future__ import annotations

import errno
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny import tiny_experiment
from typer.testing import CliRunner

from kerasac import __version__
from kerasac.cli.main import app, main

REPOSITORY = Path(__file__).resolve().parents[2]
COMMAND = re.compile(r"kerasac-ray +(?P<name>[a-z]+(?:-[a-z]+)*)(?P<rest>[^`\n|#]*)")


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, arguments)


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["kerasac-ray", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_version_is_the_packages() -> None:
    assert invoke("--version").output.strip() == f"kerasac-ray {__version__}"


def test_init_prints_an_experiment_file() -> None:
    assert yaml.safe_load(invoke("init").output)["model"]["architecture"] == "bpnet"


def test_cv_asks_for_what_was_typed(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    class StopHereError(Exception):
        pass

    def note(experiment: Any, run_folder: Path, *, console: Any, stop_after_s: float | None) -> None:
        asked.update(experiment=experiment, run_folder=run_folder, stop_after_s=stop_after_s)
        raise StopHereError

    monkeypatch.setattr("kerasac.runs.crossval.cross_validate", note)
    (tmp_path / "e.yaml").write_text(tiny_experiment(tiny_folder).to_yaml())
    options = ("--folds", "4", "--set", "model.filters=8", "--out", "here", "--stop-after", "1h30m")
    result = invoke("cv", str(tmp_path / "e.yaml"), *options)
    assert isinstance(result.exception, StopHereError)
    assert asked["experiment"].folds.n == 4
    assert asked["experiment"].model.parameters["filters"] == 8
    assert asked["run_folder"] == Path("here")
    assert asked["stop_after_s"] == 5400


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "absent.yaml"], "experiment file absent.yaml does not exist; `kerasac-ray init > absent.yaml`"),
        (["ui", "nowhere"], "nowhere holds no MLflow store"),
        (["report", "nowhere"], "nowhere is no run folder"),
    ],
)
def test_mistake_ends_with_one_message_and_status_2(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch, *arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_ingest_writes_an_array(tmp_path: Path) -> None:
    (tmp_path / "chrom.sizes").write_text("chr1\t1000\n")
    (tmp_path / "peaks.bed").write_text("chr1\t10\t20\n")
    (tmp_path / "metadata.tsv").write_text("dataset\tpeak\none\tpeaks.bed\n")
    (tmp_path / "attributes.tsv").write_text("peak\tbed_no_summit\n")
    where = [str(tmp_path / name) for name in ("metadata.tsv", "attributes.tsv", "chrom.sizes", "out.tdb")]
    result = invoke("ingest", where[0], "--attributes", where[1], "--chrom-sizes", where[2], "--out", where[3])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out.tdb").is_dir()


@pytest.mark.parametrize("page", ["README.md", "docs/guide.md", "docs/motifs.md", "examples/yeast-atac/README.md"])
def test_commands_in_the_documents_exist(page: str) -> None:
    """Each `kerasac-ray NAME --option` that a page shows is a command with those options."""
    found = list(COMMAND.finditer((REPOSITORY / page).read_text()))
    assert found, f"{page} shows no command"
    for match in found:
        words = [match["name"], *re.findall(r"^ +(make|show|convert|verify)\b", match["rest"])]
        usage = invoke(*words, "--help")
        assert usage.exit_code == 0, match.group()
        for option in re.findall(r"--[a-z-]+", match["rest"]):
            assert option in usage.output, match.group()


def test_readme_has_exactly_the_two_commands_that_ci_runs() -> None:
    blocks = re.findall(r"<!-- (\w+) -->\n```bash\n(.*?)\n```", (REPOSITORY / "README.md").read_text(), flags=re.DOTALL)
    assert blocks == [
        ("main", "pip install . && kerasac-ray cv --folds 5"),
        ("tests", "pip install -e '.[test]' && pytest -n 2 --dist loadfile"),
    ]


def test_importing_the_package_loads_neither_ray_nor_keras() -> None:
    heavy = ("ray", "keras", "mlflow", "tiledb")
    code = f"import sys, kerasac, kerasac.cli.main; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", ["study/report.html", None])
def test_full_disk_ends_with_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], path: str | None
) -> None:
    def fill(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", *([path] if path else []))

    monkeypatch.setattr("kerasac.cli.main.app", fill)
    assert run_main(monkeypatch, "models") == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: no space left on the disk{f' for {path}' if path else ''}; free some")
    assert "Traceback" not in said
