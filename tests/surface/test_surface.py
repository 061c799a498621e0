"""Nothing that users and their programs rely on gets lost by accident."""

import json

from tests.surface.collected import FACTS, HELP, facts, help_texts


def test_every_option_exit_code_json_key_metric_setting_and_docstring_is_still_there() -> None:
    stored, now = json.loads(FACTS.read_text(encoding="utf-8")), facts()
    assert {section: sorted({*lines} - {*now[section]}) for section, lines in stored.items()} == {
        section: [] for section in stored
    }


def test_the_help_of_each_command_is_the_stored_one() -> None:
    """If you changed a text on purpose, run `python -m tests.surface.collected`."""
    assert help_texts() == HELP.read_text(encoding="utf-8")
