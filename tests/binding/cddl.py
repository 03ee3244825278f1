"""docs/spec/binding.cddl as a validator.

pycddl 0.6 has two faults that are worked round here: a `.cbor` control in an array is applied to all items of that
array, so that embedded structures are validated one by one; and `.regexp` is not anchored (RFC 8610, section 3.8.3).
"""

import re
from functools import cache
from pathlib import Path

import pycddl
import pytest

from oob import cbor

CDDL = (Path(__file__).parents[2] / "docs" / "spec" / "binding.cddl").read_text()
EMBEDDED = {
    "binding-statement": {0: "statement-header", 2: "binding-claims"},
    "countersignature": {0: "countersignature-header"},
    "channel-message": {0: "channel-header"},
}


@cache
def schema(rule: str) -> pycddl.Schema:
    """Return the validator of one rule."""
    text = re.sub(r"bstr \.cbor [a-z-]+", "bstr", CDDL)
    text = re.sub(r'\.regexp "(.*)"', r'.regexp "^\1$"', text)
    return pycddl.Schema(f"root = {rule}\n{text}")


def check(rule: str, data: bytes) -> None:
    """Validate encoded CBOR; pycddl.ValidationError if it breaks the rule."""
    schema(rule).validate_cbor(data)
    for index, embedded in EMBEDDED.get(rule, {}).items():
        check(embedded, cbor.decode(data)[index])


def refused(rule: str, data: bytes) -> None:
    """Assert that the rule does not admit `data`."""
    with pytest.raises(pycddl.ValidationError):
        check(rule, data)
