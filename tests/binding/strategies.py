"""Hypothesis strategies: every value of the binding, and encodings with one fault in them."""

from typing import Any

from hypothesis import strategies as st

from oob import cbor
from oob.binding import Binding, BindingStatement, Proceed, Ready, Receipt, SessionContext, Unable
from oob.cose import CoseKey
from oob.pairing.models import Model, Proof

urls = st.from_regex(r"https://[!-?A-\[\]-~]{1,40}", fullmatch=True)
texts = st.text(max_size=60)
names = st.lists(st.text(min_size=1, max_size=60), max_size=8).map(tuple)
hashes = st.binary(min_size=32, max_size=32)
ids = st.binary(min_size=16, max_size=16)
challenges = st.binary(min_size=16, max_size=64)
times = st.none() | st.integers(0, 2**53 - 1)
proofs = st.builds(
    Proof,
    st.sampled_from(Model),
    texts,
    st.integers(0, 2**64 - 1),
    dynamic=st.booleans(),
    mutual=st.booleans(),
    confirmed=st.booleans(),
)
contexts = st.builds(SessionContext, urls, st.none() | hashes, texts, challenges, names)
statements = st.builds(
    BindingStatement,
    hashes,
    hashes,
    urls,
    challenges,
    texts,
    names,
    proofs,
    hashes,
    hashes,
    ids,
    iat=times,
    exp=times,
)
receipts = st.builds(Receipt, ids, times, times, st.booleans(), st.binary(min_size=64, max_size=64))
records = (
    st.builds(Proceed, st.none() | st.binary(max_size=100))
    | st.builds(Ready, urls, hashes, texts, st.binary(min_size=16, max_size=16) | st.just(b""))
    | st.builds(Unable, texts, texts, texts)
)
bindings = st.builds(
    Binding,
    st.binary(max_size=99),
    st.binary(max_size=99),
    st.builds(CoseKey, st.just(1), hashes, hashes) | st.builds(CoseKey, st.just(6), hashes),
    st.binary(max_size=99),
)

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.integers(-1, 6)
    | st.binary(max_size=80)
    | hashes
    | st.text(max_size=80)
    | urls
)
junk = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.integers(-9, 9), inner), max_leaves=6
)


@st.composite
def faulty(draw: st.DrawFn, encodings: st.SearchStrategy[bytes]) -> bytes:
    """Draw an encoding in which one item, at any depth, is replaced, dropped or added; or that is damaged as bytes."""
    data = draw(encodings)
    if draw(st.booleans()):
        start = draw(st.integers(0, len(data)))
        return data[:start] + draw(st.binary(max_size=4)) + data[draw(st.integers(start, len(data))) :]
    return cbor.encode(_change(draw, cbor.decode(data)))


def _change(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, list | dict) and value and draw(st.integers(0, 4)):
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key = draw(st.sampled_from(keys))
        match draw(st.sampled_from(["replace", "replace", "drop", "add"])):
            case "replace":
                value[key] = _change(draw, value[key])
            case "drop":
                del value[key]
            case _:
                _add(draw, value)
        return value
    return draw(junk)


def _add(draw: st.DrawFn, value: list[Any] | dict[Any, Any]) -> None:
    if isinstance(value, dict):
        value[draw(st.integers(-9, 16))] = draw(leaves)
    else:
        value.insert(draw(st.integers(0, len(value))), draw(leaves))
