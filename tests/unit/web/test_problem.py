import json
from http import HTTPStatus

import pytest

from signalpost.domain.ticket import Outcome, Refusal, Ticket
from signalpost.errors import Fault
from signalpost.web.answers import of_ticket
from signalpost.web.problem import Problem, not_understood


def test_a_problem_has_the_form_of_the_rfc_and_shows_no_address() -> None:
    problem = Problem(HTTPStatus.CONFLICT, "other", cause="conflict", retry_after=3, headers={"Allow": "GET"})
    assert json.loads(problem.body()) == {
        "title": "Conflict",
        "status": 409,
        "detail": "other",
        "code": "conflict",
        "cause": "conflict",
    }
    assert problem.headers == {"Allow": "GET", "Retry-After": "3"}
    assert str(problem) == "409: other"


def test_all_faults_of_a_body_are_listed_with_their_fields() -> None:
    problem = not_understood([Fault("not-a-number", "'x'", "sl", "'x'"), Fault("not-readable", "\ud800")])
    assert problem.status == 422
    body = json.loads(problem.body())
    assert "2" in body["detail"]
    assert body["errors"] == [
        {"field": "sl", "detail": "'x'", "code": "not-a-number", "value": "'x'", "limit": None},
        {"field": "", "detail": "\ud800", "code": "not-readable", "value": None, "limit": None},
    ]
    assert problem.headers == {}
    assert not_understood([Fault("a", "b")]).detail != body["detail"]


@pytest.mark.parametrize(
    ("cause", "status"), [(Refusal.CONFLICT, 409), (Refusal.UNSTORABLE, 409), (Refusal.STORE, 503)]
)
def test_only_a_refusal_that_a_retry_may_solve_is_503(cause: Refusal, status: int) -> None:
    with pytest.raises(Problem) as caught:
        of_ticket(Ticket(Outcome.REFUSED, "", "why", cause))
    assert (caught.value.status, "Retry-After" in caught.value.headers) == (status, status == 503)


def test_a_problem_has_a_code_of_its_cause_its_first_fault_or_its_status() -> None:
    assert Problem(HTTPStatus.NOT_FOUND, "none").code == "not-found"
    assert not_understood([Fault("missing", "a"), Fault("conflict", "b")]).code == "missing"


def test_a_line_for_the_log_has_each_fault_and_is_never_long() -> None:
    assert Problem(HTTPStatus.NOT_FOUND, "none").in_full() == "404, none"
    line = not_understood([Fault("missing", f"f{number}") for number in range(50)]).in_full()
    assert line.startswith("422, f0; f1; ")
    assert "f9" in line
    assert "f10" not in line
    assert "40" in line


def test_a_ticket_with_warnings_shows_them() -> None:
    ticket = Ticket(Outcome.ACCEPTED, "t1", None, None, ("future",))
    answer = of_ticket(ticket)
    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body)["warnings"] == ["future"]
