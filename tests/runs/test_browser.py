"""What a person sees: the report and MLflow's pages in headless Chromium."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from kerasac.steps.plots import WINDOW_FIGURES

if TYPE_CHECKING:
    from kerasac.runs.crossval import CrossValidation

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.ray,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
]


def chromium(url: str, folder: Path, *options: str) -> str:
    """Open a page and return what Chromium prints."""
    assert CHROMIUM is not None
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    flags += " --disable-component-update --disable-sync --hide-scrollbars --virtual-time-budget=20000"
    command = [CHROMIUM, *flags.split(), f"--user-data-dir={folder / 'profile'}", *options, url]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def is_drawn(image: Path) -> bool:
    """Whether a screenshot shows more than one colour."""
    return float(np.asarray(Image.open(image).convert("L"), dtype=float).std()) > 5


@pytest.fixture(scope="module")
def mlflow_url(run: CrossValidation) -> Iterator[str]:
    """The address of `kerasac-ray ui` on the finished run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "kerasac", "ui", str(run.folder), "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as server:
        try:
            _wait_for(url)
            yield url
        finally:
            subprocess.run(["pkill", "-TERM", "-s", str(server.pid)], check=False)


def test_report_shows_scores_and_figures_without_any_request(run: CrossValidation, tmp_path: Path) -> None:
    report = run.folder / "report.html"
    page = chromium(report.as_uri(), tmp_path, "--dump-dom")
    assert "fold-2/seed-1" in page
    assert page.count("data:image/png") == 3 * len(WINDOW_FIGURES)
    assert 'src="http' not in page
    chromium(report.as_uri(), tmp_path, f"--screenshot={tmp_path / 'report.png'}", "--window-size=1200,2000")
    assert is_drawn(tmp_path / "report.png")


def test_mlflow_lists_the_runs(run: CrossValidation, mlflow_url: str, tmp_path: Path) -> None:
    record = json.loads((run.folder / "mlflow.json").read_text())
    page = chromium(f"{mlflow_url}/#/experiments/{record['experiment']}/runs", tmp_path, "--dump-dom")
    assert ">tiny<" in page


def test_mlflow_shows_a_units_metrics(run: CrossValidation, mlflow_url: str, tmp_path: Path) -> None:
    record = json.loads((run.folder / "mlflow.json").read_text())
    unit = record["units"]["fold-0/seed-1"]
    page = chromium(f"{mlflow_url}/#/experiments/{record['experiment']}/runs/{unit}", tmp_path, "--dump-dom")
    assert "fold-0/seed-1" in page
    assert "val_loss" in page
    assert "all.counts_pearson" in page


def _wait_for(url: str, timeout_s: float = 90) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=5)
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    pytest.fail(f"{url} did not answer in {timeout_s} s")
