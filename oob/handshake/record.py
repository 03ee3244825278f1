"""Records: private values of the handshake, which the type checker holds frozen.

A dataclass that freezes itself at run time takes four times as long to make, and a handshake makes dozens of these.
"""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(kind: type[_T]) -> type[_T]:
    """Make a dataclass with slots; to assign to a field of it does not type-check."""
    return dataclass(slots=True)(kind)
