import json
from http import HTTPStatus

from signalpost.errors import Fault
from signalpost.web.problem import Problem, not_understood


def test_a_problem_is_told_as_the_rfc_has_it_and_names_no_address() -> None:
    problem = Problem(HTTPStatus.CONFLICT, "other content", cause="conflict", retry_after=3, headers={"Allow": "GET"})
    assert json.loads(problem.body()) == {
        "title": "Conflict",
        "status": 409,
        "detail": "other content",
        "cause": "conflict",
    }
    assert problem.headers == {"Allow": "GET", "Retry-After": "3"}
    assert str(problem) == "409: other content"


def test_all_faults_of_a_body_are_told_each_with_its_field() -> None:
    problem = not_understood([Fault("not-a-number", "sl is 'x'", "sl", "'x'"), Fault("not-readable", "\ud800")])
    assert problem.status == 422
    told = json.loads(problem.body())
    assert told["detail"] == "2 faults in the body, as `errors` tells; nothing was taken"
    assert told["errors"] == [
        {"field": "sl", "detail": "sl is 'x'", "code": "not-a-number", "value": "'x'", "limit": None},
        {"field": "", "detail": "\ud800", "code": "not-readable", "value": None, "limit": None},
    ]
    assert problem.headers == {}
    assert not_understood([Fault("a", "b")]).detail.startswith("a fault in")
