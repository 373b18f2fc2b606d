"""Draft an experiment to start from: of an array, or of a folder of bigWigs and peaks."""

from kerasac.steps.draft.folder import Started, start_from_folder
from kerasac.steps.draft.given import Given
from kerasac.steps.draft.store import draft_of_store
from kerasac.steps.draft.text import Draft, experiment_text, template_text

__all__ = [
    "Draft",
    "Given",
    "Started",
    "draft_of_store",
    "experiment_text",
    "start_from_folder",
    "template_text",
]
