"""Values that are presented in one form again and again, and keep it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Presentable:
    """Keeps the form that its presenter gives it. For values that never change."""

    __slots__ = ("_presentation",)

    _presentation: bytes

    def presented(self, present: Callable[[Any], bytes]) -> bytes:
        """Return the form that a presenter gives this value, made once.

        Args:
            present: The presenter; the same one at every call.
        """
        try:
            return self._presentation
        except AttributeError:
            form = present(self)
            # The classes that keep a form are frozen in all else.
            object.__setattr__(self, "_presentation", form)
            return form
