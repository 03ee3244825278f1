"""Every proof has its words, and there are no words without a proof."""

from oob.pairing.claims import _CLAIMS, explain
from oob.pairing.models import PROOFS


def test_each_proof_is_explained_and_nothing_else() -> None:
    assert {(proof.strength, proof.dynamic) for proof in PROOFS} == _CLAIMS.keys()
    assert all(explain(proof.strength, dynamic=proof.dynamic) for proof in PROOFS)


def test_what_was_copied_is_said_to_be_copied() -> None:
    assert "copied" in explain("secret-static", dynamic=False)
    assert "how far" in explain("secret-dynamic", dynamic=True)
