"""What ends a benchmark with one message for people. Depends on nothing."""

from __future__ import annotations


class BenchmarkFailed(Exception):
    """The benchmark cannot go on, or its figures would mean nothing; the text says why."""


class WrongAnswer(BenchmarkFailed):
    """A server did not answer what its case is about."""
