import pytest
from hypothesis import given
from hypothesis import strategies as st

from oob.errors import IssuanceError
from oob.issuance.problems import MAX_DETAIL, Kind, Problem, Received, Subproblem


def test_a_problem_is_an_issuance_error_with_its_document() -> None:
    subproblem = Subproblem(Kind.NAME_TAKEN, "dns", "lamp.example", "taken")
    problem = Problem(Kind.NAME_TAKEN, "no", subproblems=(subproblem,), extra={"hint": 1})
    assert isinstance(problem, IssuanceError)
    assert problem.problem == "urn:oob:error:nameTaken"
    assert problem.document() == {
        "type": "urn:oob:error:nameTaken",
        "status": 409,
        "detail": "no",
        "hint": 1,
        "subproblems": [
            {
                "type": "urn:oob:error:nameTaken",
                "detail": "taken",
                "identifier": {"type": "dns", "value": "lamp.example"},
            }
        ],
    }


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_a_refusal_of_one_of_two_families(kind: Kind) -> None:
    assert kind.urn.startswith(("urn:ietf:params:acme:error:", "urn:oob:error:"))
    assert 400 <= kind.status < 600


def test_a_client_reads_what_a_server_wrote() -> None:
    subproblem = Subproblem(Kind.REJECTED_IDENTIFIER, "dns", "a.example", "not yours")
    document = Problem(Kind.REJECTED_IDENTIFIER, "refused", subproblems=(subproblem,)).document()
    error = Received.of(document, 403).error("newOrder")
    assert str(error) == "newOrder: refused (not yours)"
    assert error.problem == Kind.REJECTED_IDENTIFIER.urn


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
)


@given(st.dictionaries(st.sampled_from(["type", "detail", "subproblems"]), json) | json)
def test_whatever_an_issuer_sends_is_printable_and_short(document: object) -> None:
    received = Received.of(document, 500)
    for text in (received.urn, received.detail, *received.subproblems):
        assert len(text) <= MAX_DETAIL
        assert not any(ord(character) < 32 or ord(character) == 127 for character in text)
