"""Published vectors, run through the public API."""

from oob.conformance.result import Outcome, Result
from oob.conformance.vectors import run_file

__all__ = ["Outcome", "Result", "run_file"]
