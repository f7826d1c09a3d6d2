"""What a guard is told to do: shares of memory, each passed once until memory has fallen below it again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from colabpanel.errors import InputError

__all__ = ["Threshold", "insist_on_sense"]

_BAND = 0.05
"""How far memory must fall below a threshold, so that its ups and downs do not pass it again and again."""

_FORECAST_FROM = 0.5
"""Below this share no forecast passes a threshold: loading data is steady growth, too."""


class Threshold:
    """A share of the limit that is not to be passed.

    Args:
        share: Of the limit, from 0 to 1.
        seconds_left: It counts as passed, too, when memory will be full in so many seconds.

    Raises:
        InputError: It is no share.
    """

    def __init__(self, share: float, seconds_left: float | None = None) -> None:
        if not 0 < share < 1:
            raise InputError(f"A threshold of {share:g} is no share of memory.", hint="Write 0.85 for 85%.")
        self.share = share
        self._level, self._seconds_left = share, seconds_left
        self._armed = True

    @property
    def next_share(self) -> float:
        """The share at which something happens next; 1 after it was passed."""
        return self._level if self._armed else 1.0

    def is_reached(self, fraction: float, left: float | None) -> bool:
        """Whether memory is there, passed before or not.

        Args:
            fraction: The used share of memory.
            left: Seconds until memory is full, by the forecast.
        """
        soon = self._seconds_left is not None and left is not None and left <= self._seconds_left
        return fraction >= self._level or (soon and fraction >= _FORECAST_FROM)

    def passes(self, fraction: float, left: float | None) -> bool:
        """Whether it is passed now, for the first time since memory was below it."""
        first = self._armed and self.is_reached(fraction, left)
        if first:
            self._armed = False
        return first

    def calms(self, fraction: float, left: float | None) -> bool:
        """Whether memory has fallen well below it now, after it was passed."""
        if fraction >= self.share - _BAND:
            return False
        self._level = self.share
        if self._armed or self.is_reached(fraction, left):
            return False
        self._armed = True
        return True

    def begin(self, fraction: float) -> None:
        """Be ready for a cell that starts now.

        One that starts above the threshold may be there to free memory, so it may run until half of what is left is
        used up, too.
        """
        if fraction >= self._level or (not self._armed and fraction >= self.share - _BAND):
            self._level = fraction + (1 - fraction) / 2
        self._armed = True


def insist_on_sense(
    *,
    warn: float | None,
    interrupt: float | None,
    snapshot: str | Path | None,
    variables: Sequence[str] | None,
    seconds_left: float | None,
) -> None:
    """Refuse options of a guard that do not fit together.

    Raises:
        InputError: They do not.
    """
    if warn is None and interrupt is None:
        raise InputError("The guard needs a threshold.", hint="Give warn or interrupt a share, such as 0.85.")
    if variables is not None and (snapshot is None or isinstance(variables, str)):
        raise InputError("The guard saves a list of variables into a folder.", hint='Give snapshot="folder", too.')
    for share in (warn, interrupt, seconds_left):
        if share is not None and not (isinstance(share, (int, float)) and math.isfinite(share)):
            raise InputError(f"The guard takes numbers, not {share!r}.", hint="Write 0.85 for 85 % of the limit.")
    if warn is not None and interrupt is not None and interrupt < warn:
        raise InputError("The guard would interrupt before it warns.", hint="Make interrupt the larger share.")
    if seconds_left is not None and seconds_left <= 0:
        raise InputError("seconds_left is a number of seconds above zero.")
