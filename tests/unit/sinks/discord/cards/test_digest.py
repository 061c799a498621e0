"""The digest of a message changes with everything that readers see, and with nothing else."""

from typing import Any

import pytest

from signalpost.sinks.discord.cards.body import digest_of

EMBED = {"title": "one", "color": 1}
POST: dict[str, Any] = {"content": "BUY", "embeds": [EMBED], "allowed_mentions": {"parse": []}}
POSTED = digest_of(POST)
EDITED = digest_of({"content": "", "embeds": [EMBED]}, POSTED)


def test_an_edit_that_leaves_all_as_it_is_keeps_the_digest() -> None:
    for before, body in ((POSTED, {"embeds": [EMBED]}), (EDITED, {"embeds": [EMBED]})):
        assert digest_of(body | {"allowed_mentions": {"parse": []}}, before) == before
    assert digest_of({"content": "", "embeds": [EMBED]}, EDITED) == EDITED


@pytest.mark.parametrize(
    "change",
    [
        {"content": "", "embeds": [EMBED]},
        {"embeds": [EMBED | {"title": "two"}]},
        {"embeds": [EMBED | {"color": 2}]},
        {"embeds": [EMBED | {"image": {"url": "attachment://chart.png"}}], "attachments": [{"id": 0}]},
    ],
)
def test_an_edit_that_readers_see_changes_the_digest(change: dict[str, Any]) -> None:
    assert digest_of(change, POSTED) != POSTED


def test_an_edit_of_a_message_that_is_not_known_for_certain_leaves_a_content_possible() -> None:
    assert digest_of({"embeds": [EMBED]}) == POSTED
    assert digest_of({"content": "", "embeds": [EMBED]}) == EDITED != POSTED
