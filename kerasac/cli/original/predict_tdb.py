"""kerasAC_predict_tdb: predictions of windows of an array, in kerasAC's file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasac.cache import with_ending
from kerasac.cli.original.commands import Done
from kerasac.cli.original.experiment import experiment_name, track_sections
from kerasac.cli.original.flags import Given
from kerasac.cli.original.hints import hint, shortest
from kerasac.cli.original.lookups import Lookups
from kerasac.cli.original.models import model_file
from kerasac.cli.original.telling import tell
from kerasac.cli.original.train import local_prefix
from kerasac.config import make_experiment

if TYPE_CHECKING:
    from rich.console import Console

_ENDING = "predictions"


def predict_tdb(given: Given, console: Console) -> Done:
    """Predict windows, and write labels beside; an interrupted prediction goes on, a file that is there is replaced."""
    prefix = local_prefix(given, "predictions_and_labels_hdf5")
    experiment = make_experiment(predicted_document(given, Lookups()), base=Path.cwd(), origin=given.command)
    from kerasac.cli.original.places import find_places, write_centers
    from kerasac.cli.show import progress_bar
    from kerasac.genome.centering import Center
    from kerasac.runs.predict import Places, PredictRequest, predict_to_file

    places = find_places(given, experiment)
    model = model_file(given)
    out = with_ending(prefix, _ENDING)
    with tempfile.TemporaryDirectory() as folder, progress_bar("predicting", console) as advance:
        described, centers = Path(folder) / "experiment.yaml", Path(folder) / "centers.bed"
        described.write_text(experiment.to_yaml(), encoding="utf-8")
        write_centers(centers, places)
        request = PredictRequest(
            sources=(model,),
            out=out,
            places=Places(regions=centers, center=Center.CENTER),
            experiment=described,
            overwrite=True,
        )
        done = predict_to_file(request, advance)
    for why, n in {**places.left_out, **done.left_out}.items():
        tell(console, f"left out: {n:,} {why}")
    return Done(_hint(given, out), (f"{shortest(out)}: {done.n_windows:,} windows",))


def predicted_document(given: Given, lookups: Lookups) -> dict[str, Any]:
    """Return the keys of an experiment whose inputs and outputs are the model's."""
    sections, _ = track_sections(given, Path(), lookups)  # the array is opened, and named if it is not there
    ambiguous = given.text("tdb_ambig_attribute")
    peaks = {
        "attribute": given.needed("tdb_partition_attribute_for_upsample"),
        "threshold": given.number("tdb_partition_thresh_for_upsample"),
    }
    return {
        "name": experiment_name(given.needed("predictions_and_labels_hdf5")),
        "genome": {"fasta": given.needed("ref_fasta")},
        **sections,
        "sampling": {
            "peaks": peaks,
            "train_size": 1,  # nothing is drawn
            "valid_size": 1,
            **({"ambiguous": ambiguous} if ambiguous else {}),
        },
    }


def _hint(given: Given, out: Path) -> str:
    model = Path(given.text("load_model_hdf5") or given.text("json") or "")
    center = given.text("bed_regions_center")
    ours = model if model.suffix == ".keras" else Path(model.with_suffix(".keras").name)
    predicting = hint(
        "predict",
        ours,
        out=shortest(out).with_suffix(".h5"),
        experiment="experiment.yaml",
        regions=given.text("bed_regions") or "peaks.narrowPeak",
        center=None if center in ("random", "edges") else center,
    )
    return predicting if ours == model else f"{predicting}   # after: {hint('convert', model, ours)}"
