"""Checks: published vectors, run through the public API, and cases that are played against a device of any maker."""

from oob.conformance.result import Outcome, Result
from oob.conformance.vectors import run_file

__all__ = ["Outcome", "Result", "run_file"]
