"""Vector files: `run_file` tells their four shapes apart and judges every vector.

RFC 9529 (two traces and the invalid messages), a list of EDHOC runs, the CPace vectors of its draft, whole pairings.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from oob.conformance.cpace import cpace_vectors
from oob.conformance.edhoc import cross_vectors, trace_vectors
from oob.conformance.invalid import invalid_vectors
from oob.conformance.models import model_vectors
from oob.conformance.result import Result, Vector
from oob.errors import UsageError


def run_file(path: str | Path) -> Iterator[Result]:
    """Judge the vectors of a file, in their order.

    The file is read at once: UsageError if it is missing, no JSON, of no known shape, or if a vector lacks a field. A
    vector that is whole but wrong is a failed result, never an exception.
    """
    vectors = _vectors(_load(Path(path)), Path(path).name)
    return (vector.judge() for vector in vectors)


def _load(path: Path) -> Any:  # noqa: ANN401
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", step="vectors") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON", step="vectors", remedy="Is it cut off?") from error


def _vectors(content: Any, file: str) -> list[Vector]:  # noqa: ANN401
    match content:
        case {"trace1": dict() as trace_1, "trace2": dict() as trace_2, "invalid": list() as invalid}:
            return [*trace_vectors(trace_1, trace_2), *invalid_vectors(invalid)]
        case [{"message_1": _}, *_]:
            return cross_vectors(content)
        case {"G_25519": dict()}:
            return cpace_vectors(content)
        case {"models": list() as models}:
            return model_vectors(models)
    raise UsageError(
        f"{file} is not a file of vectors known here",
        step="vectors",
        remedy="Known are the traces of RFC 9529, EDHOC runs, the vectors of the CPace draft, and whole pairings",
    )
