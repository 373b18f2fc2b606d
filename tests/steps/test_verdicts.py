import pytest

from kerasac.steps.metric_summary import MetricSummary
from kerasac.steps.verdicts import digits, p_text, value_text


@pytest.mark.parametrize(
    ("scale", "n"),
    [(0.0, 3), (0.5, 3), (0.012, 3), (0.0099, 4), (-0.0004, 5), (1e-9, 6), (1.0, 1), (250.0, 1)],
)
def test_numbers_have_two_figures_of_what_they_are_known_to(scale: float, n: int) -> None:
    assert digits(scale) == n


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"fold-0/s": 0.5, "fold-1/s": 0.6}, "0.550 ± 0.050"),
        ({"fold-0/s": 0.5}, "0.500"),
        ({"fold-0/s": None}, "undefined"),
        ({"fold-0/s": 0.5, "fold-1/s": 0.5}, "0.500 ± 0.000"),
        ({"fold-0/s": -0.5, "fold-1/s": -0.5}, "−0.500 ± 0.000"),
    ],
)
def test_values_are_shown_with_their_standard_error(values: dict[str, float | None], text: str) -> None:
    assert value_text(MetricSummary(values)) == text


def test_no_metric_has_no_value() -> None:
    assert value_text(None) == "–"


@pytest.mark.parametrize(("p", "text"), [(None, "–"), (0.0004, "< 0.001"), (0.0312, "0.031"), (1.0, "1.000")])
def test_p_is_shown_to_three_digits(p: float | None, text: str) -> None:
    assert p_text(p) == text
