"""Foreign text reaches a terminal as text only, and errors reach programs as JSON."""

import ast
import json
import re
from pathlib import Path

import pytest
from click.testing import Result

from signalpost.domain.delivery import DeliveryState
from tests.repository.sources import SOURCE, tree_of
from tests.unit.cli.folder import Folder, alert
from tests.unit.config.webhooks import url

OSC_52 = "\x1b]52;c;cm0gLXJm\x07"
"""Sets the clipboard."""
ATTACKS = (OSC_52, "\x1b]0;title\x07", "\x9b2J", "\u202egnp.exe", "\u2066x\u2069", "\x08\x7f", "\ufeff")
ACTS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def acts(result: Result) -> str:
    """The control codes in what a command printed."""
    return "".join(ACTS.findall(result.stdout + result.stderr))


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
@pytest.mark.parametrize("command", ["list", "why", "show"])
def test_a_message_reaches_the_terminal_as_text_only(folder: Folder, attack: str, command: str) -> None:
    ticket = folder.put(
        alert("a1", f"Disk {attack} full"), state=DeliveryState.DEAD, reason=f"refused {attack} by a server"
    )
    result = folder.run("deliveries", command, *([] if command == "list" else [ticket]))
    assert result.exit_code == 0, result.stderr
    assert acts(result) == ""


def test_a_message_cannot_fake_a_line(folder: Folder) -> None:
    ticket = folder.put(alert("a1"), state=DeliveryState.DEAD, reason="x\nsignals-free: delivered")
    for command in ("why", "show"):
        lines = folder.run("deliveries", command, ticket).stdout.splitlines()
        assert not [line for line in lines if line.startswith("signals-free")]


def _refused_quietly(folder: Folder, arguments: tuple[str, ...]) -> None:
    folder.put(alert("a1"))
    result = folder.run(*arguments, DISCORD_WEBHOOK_URL=url())
    assert result.exit_code == 2, result.stderr
    assert acts(result) == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("tokens", "add", "bot", OSC_52),
        ("replay", f"{OSC_52}.csv", "--pair", "EUR_USD", "--timeframe", "H4", "--fast", "2", "--slow", "3"),
        ("backup", f"{OSC_52}/x.db"),
    ],
    ids=lambda value: ascii(value[0]),
)
def test_an_error_repeats_no_control_codes(folder: Folder, arguments: tuple[str, ...]) -> None:
    _refused_quietly(folder, arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ("deliveries", "why", OSC_52),
        ("deliveries", "cancel", OSC_52),
        ("destinations", "test", OSC_52),
        ("tokens", "revoke", "bot", f"--{OSC_52}"),
        ("check", "--config", OSC_52),
        (OSC_52,),
        (f"--{OSC_52}",),
    ],
    ids=lambda value: ascii(value[0]),
)
def test_an_error_that_quotes_its_argument_repeats_no_control_codes(folder: Folder, arguments: tuple[str, ...]) -> None:
    _refused_quietly(folder, arguments)


@pytest.mark.parametrize("attack", ["\x1b[2J\x1b[H", "\r"])
def test_a_cursor_movement_is_shown_as_its_escape(folder: Folder, attack: str) -> None:
    ticket = folder.put(alert("a1", f"Disk {attack} full"))
    shown = folder.run("deliveries", "why", ticket).stdout
    assert attack.encode("unicode_escape").decode() in shown


def test_letters_of_any_script_and_joined_pictures_stay(folder: Folder) -> None:
    title = "Größe 価格 سعر नमस्ते 👩\u200d💻"
    ticket = folder.put(alert("a1", title))
    assert title in folder.run("deliveries", "why", ticket).stdout


def test_markup_in_a_message_is_text(folder: Folder) -> None:
    folder.put(alert("a1", "[red]x[/red]"), "[link=http://e.x]y[/link]")
    shown = folder.run("deliveries", "list").stdout
    assert "[red]x" in shown
    assert "[link=http" in shown


def test_json_stays_json(folder: Folder) -> None:
    ticket = folder.put(alert("a1"), state=DeliveryState.DEAD, reason=f"x{OSC_52}\n")
    result = folder.run("deliveries", "why", ticket, "--json")
    assert acts(result) == ""
    assert json.loads(result.stdout)["reason"] == f"x{OSC_52}\n"


def test_every_command_prints_through_one_place() -> None:
    """Text is cleaned only there."""
    prints = {
        path.name
        for path in (SOURCE / "cli").glob("*.py")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"click.echo", "click.secho", "print"}
    }
    assert prints <= {"output.py", "replay.py"}  # the second prints JSON of Decimals


def errors(result: Result) -> list[dict[str, str | None]]:
    """The errors in what a command printed, which must be one JSON object."""
    try:
        read = json.loads(result.stdout)["errors"]
    except (ValueError, LookupError, TypeError):
        pytest.fail(f"no errors in {result.stdout!r}")
    assert all({"code", "field", "value", "limit", "detail"} == each.keys() for each in read)
    return list(read)


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code", "code_of_exit"),
    [
        (("deliveries", "why", "none"), 1, 2, None),
        (("deliveries", "list", "--state", "lost"), 1, 2, None),
        (("deliveries", "show", "none"), 1, 2, None),
        (("destinations", "test", "none"), 1, 2, None),
        (("destinations", "list", "--nonsense"), 1, 2, "unknown-option"),
        (("destinations", "enable"), 1, 2, "missing"),
        (("tokens", "add", "Bad Name"), 1, 2, "invalid-name"),
        (("tokens", "revoke", "none"), 1, 2, "not-found"),
        (("purge", "--before", "never"), 1, 2, None),
        (("backup", "none/x/y.db"), 1, 2, None),
        (("sandbox", "--port", "many"), 1, 2, "invalid-value"),
        (("publish", "alert", "--type", "a", "--severity", "loud", "--title", "t"), 1, 2, None),
        (("replay", "none.csv", "--pair", "EUR_USD", "--timeframe", "H4", "--fast", "2", "--slow", "3"), 1, 2, None),
        (("demo", "--speed", "0"), 1, 2, "invalid-value"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else None,
)
def test_every_command_with_json_prints_its_errors_as_json(
    folder: Folder, arguments: tuple[str, ...], code: int, exit_code: int, code_of_exit: str | None
) -> None:
    folder.put(alert("a1"))
    plain = folder.run(*arguments, DISCORD_WEBHOOK_URL=url())
    result = folder.run(*arguments, "--json", DISCORD_WEBHOOK_URL=url())
    assert len(errors(result)) == code
    assert (result.exit_code, plain.exit_code) == (exit_code, exit_code)
    assert result.stderr.strip(), "and a line for people"
    if code_of_exit is not None:
        assert errors(result)[0]["code"] == code_of_exit


def test_all_faults_of_the_settings_come_with_their_names_and_limits(folder: Folder) -> None:
    settings = {"SIGNALPOST_WORKERS": "99", "SIGNALPOST_LIMITS": "perhaps", "SIGNALPOST_HTTP": "nowhere"}
    found = errors(folder.run("check", "--json", **settings))
    by_field = {each["field"]: each for each in found}
    assert {name: by_field.get(name, {}).get("code") for name in settings} == {
        "SIGNALPOST_WORKERS": "out-of-range",
        "SIGNALPOST_LIMITS": "unknown-word",
        "SIGNALPOST_HTTP": "invalid-address",
    }
    assert (by_field["SIGNALPOST_WORKERS"]["value"], by_field["SIGNALPOST_WORKERS"]["limit"]) == ("'99'", "1 to 16")
    assert errors(folder.run("tokens", "list", "--json", **settings)) == found


def test_a_file_of_settings_names_its_faults(folder: Folder, tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('workerz = 2\nworkers = "2"\ntiers = 3\n[destinations.gold]\nmessages_a_minute = 5\n')
    found = errors(folder.run("check", "--json", "--config", str(file)))
    assert {(each["code"], each["field"]) for each in found} == {
        ("unknown-field", "workerz"),
        ("wrong-kind", "workers"),
        ("invalid-setting", "tiers"),
        ("missing", "destinations.gold.webhook"),
    }


def test_an_unusable_store_is_an_error_of_its_own(folder: Folder) -> None:
    folder.path.write_bytes(b"this is not a database, but it is long enough to be taken for one" * 99)
    result = folder.run("deliveries", "list", "--json")
    assert (errors(result)[0]["code"], result.exit_code) == ("not-a-database", 3)


def test_no_error_in_json_shows_a_webhook(folder: Folder) -> None:
    folder.put(alert("a1"))
    result = folder.run("deliveries", "why", url(), "--json")
    assert url().rpartition("/")[2] not in result.stdout + result.stderr
    assert "***" in str(errors(result)[0]["detail"])


def test_a_refused_ticket_has_its_code(folder: Folder) -> None:
    body = json.dumps({"pair": "EURUSD", "tf": "H4", "side": "buy", "price": 1.1, "id": "s1"})
    other = body.replace("1.1", "1.2")
    times = {"time": "2099-01-01T00:00:00Z"}
    first, second = ({**json.loads(each), **times} for each in (body, other))
    web = {"DISCORD_WEBHOOK_URL": url()}
    assert folder.run("publish", "signal", "--no-wait", "--json", stdin=json.dumps(first), **web).exit_code == 0
    result = folder.run("publish", "signal", "--no-wait", "--json", stdin=json.dumps(second), **web)
    assert (result.exit_code, json.loads(result.stdout).get("code")) == (1, "conflict")


def test_an_internal_error_has_a_code_too(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    from signalpost.web.tokens import TokensFile

    monkeypatch.setattr(TokensFile, "read", lambda _: 1 / 0)
    result = folder.run("tokens", "list", "--json")
    assert (errors(result)[0]["code"], result.exit_code) == ("internal-fault", 4)
