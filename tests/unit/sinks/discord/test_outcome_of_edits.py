"""Answers to an edit, where they mean something else than those to a message."""

from typing import Any

import pytest

from signalpost.sinks.discord.outcome import EDIT, is_archived, loss_of
from signalpost.sinks.evidence import Loss, Receipt, Rejected, Throttled, Unavailable, Unconfirmed
from tests.unit.sinks.discord.test_outcome import BROKEN, NO_BODY, PAGE, RATE, VIA, answer, code, result


@pytest.mark.parametrize("body", [NO_BODY, PAGE, BROKEN, code(0), code(50035), code(10015)])
def test_an_edit_is_never_in_doubt_and_else_has_the_result_of_a_message(body: dict[str, Any]) -> None:
    for status in range(100, 600):
        message, edit = result(answer(status, **body)), result(answer(status, **body), EDIT)
        expected = Unavailable if isinstance(message, Unconfirmed) else type(message)
        assert type(edit) is expected, status
        assert getattr(edit, "status", None) == getattr(message, "status", None)


def test_a_limit_on_edits_of_old_messages_holds_only_edits() -> None:
    for status in (429, 400):
        limited = answer(status, headers=VIA, **code(30046, retry_after=300.0))
        edit, message = result(limited, EDIT), result(limited)
        assert isinstance(edit, Throttled)
        assert isinstance(message, Throttled)
        assert (edit.scope, edit.retry_after, edit.api_code) == ("edits", 300.0, 30046)
        assert message.scope == "destination"
    usual = result(answer(429, headers=VIA, **code(0, retry_after=2.0)), EDIT)
    banned = result(answer(429, headers=VIA, **code(30046, retry_after=2.0) | {"content": {"global": True}}), EDIT)
    assert [getattr(each, "scope", None) for each in (usual, banned)] == ["destination", "host"]


def test_an_edit_in_an_archived_thread_may_work_later() -> None:
    given = answer(400, **code(50083))
    assert (type(result(given, EDIT)), type(result(given)), is_archived(given)) == (Unavailable, Rejected, True)
    assert not is_archived(answer(400, **code(50035)))


def test_the_receipt_of_an_edit_does_not_say_when_the_message_was_first_sent() -> None:
    saved = answer(200, {"id": "175928847299117063", "channel_id": "5"}, RATE)
    edit = result(saved, EDIT)
    assert isinstance(edit, Receipt)
    assert (edit.message_id, edit.sent_at, edit.channel) == ("175928847299117063", None, "5")
    assert edit.rate is not None


@pytest.mark.parametrize(
    ("status", "given", "how"),
    [
        (404, 10008, Loss.DELETED),
        (400, 160005, Loss.LOCKED),
        (403, 160005, Loss.LOCKED),
        (404, 10015, None),
        (500, 10008, None),
        (400, 50083, None),
        (200, 0, None),
    ],
)
def test_only_some_answers_mean_that_the_message_is_lost(status: int, given: int, how: Loss | None) -> None:
    assert loss_of(answer(status, **code(given))) is how
