from __future__ import annotations

import pytest

from colabpanel import errors
from colabpanel.errors import ColabPanelError, JobCancelledError


def test_all_lists_every_error_of_the_module() -> None:
    defined = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert set(errors.__all__) == defined


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_has_a_message_a_hint_and_a_place_in_the_drawing(name: str) -> None:
    error = getattr(errors, name)("It broke.", hint="Mend it.")
    assert isinstance(error, ColabPanelError)
    assert (str(error), error.message, error.hint) == ("It broke.", "It broke.", "Mend it.")
    assert error.status in {"rejected", "failed", "cancelled"}
    assert name in (errors.__doc__ or "")


def test_a_cancelled_job_needs_no_words() -> None:
    assert JobCancelledError().message == "Cancelled."
