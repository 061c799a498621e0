"""A number out of its range is bad input, before anything is done."""

import pytest

from tests.unit.cli.folder import Folder

PUBLISH = ("publish", "alert", "--type", "disk", "--severity", "low", "--title", "Full", "--timeout")
OFF = "http://127.0.0.1:9/api/v10/webhooks/g/token"


@pytest.mark.parametrize(
    "given",
    [
        (*PUBLISH, "nan"),
        (*PUBLISH, "-1"),
        (*PUBLISH, "inf"),
        ("serve", "--http", "nowhere", "--stop-within", "nan"),
        ("serve", "--http", "nowhere", "--stop-within", "-1"),
        ("demo", "--exit", "--port", "0", "--speed", "nan"),
    ],
)
def test_a_number_out_of_range_is_refused_before_anything_is_done(folder: Folder, given: tuple[str, ...]) -> None:
    result = folder.run(*given, DISCORD_WEBHOOK_ALERTS_GENERAL=OFF)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"'{given[-2]}'" in result.stderr
    assert given[-1] in result.stderr
    assert list(folder.home.iterdir()) == []


def test_a_number_within_the_range_is_accepted(folder: Folder) -> None:
    """`serve` then gets as far as its next mistake."""
    for bound in ("0", "inf", "0.5"):
        result = folder.run("serve", "--http", "nowhere", "--stop-within", bound)
        assert "'nowhere'" in result.stderr
