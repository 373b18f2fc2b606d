"""Serve MLflow's pages of a run folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from kerasac.errors import RunError
from kerasac.runs.tracking_record import read_record
from kerasac.runs.tracking_store import STORE, local_uri


def serve_ui(run_folder: Path, *, host: str, port: int) -> int:
    """Serve MLflow's pages for a run folder's store until interrupted; returns the server's exit status.

    Raises
    ------
    RunError
        When the folder holds no store, or a server keeps its runs.
    """
    uri = read_record(run_folder).uri
    if uri.startswith("http"):
        raise RunError(f"{run_folder} is tracked by the MLflow server at {uri}; open that address in a browser")
    study = run_folder.resolve().parent
    folder = run_folder if (run_folder / STORE).exists() else study
    if not (folder / STORE).exists():
        raise RunError(f"{run_folder} holds no MLflow store ({STORE}); run `kerasac-ray cv` first, or name its folder")
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", local_uri(folder)]
    command += ["--host", host, "--port", str(port), "--workers", "1"]
    # The job runner would start seven more processes, for features that are not used here.
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    try:
        return subprocess.run(command, env=environment, check=False).returncode
    except KeyboardInterrupt:
        return 0


def newest_run(parent: Path) -> Path:
    """Return the run folder in ``parent`` whose store was written last; raises RunError when there is none."""
    stores = sorted(parent.glob(f"*/{STORE}"), key=lambda store: store.stat().st_mtime)
    if not stores:
        raise RunError(f"no run in {parent.resolve()}; run `kerasac-ray cv` first, or name a run folder")
    return stores[-1].parent
