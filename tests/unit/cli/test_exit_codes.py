"""Failed commands end with one clear line, the right exit code, and no secret."""

import errno
from typing import NoReturn

import click
import pytest
from click.testing import CliRunner, Result

import signalpost.cli.completion
from signalpost.cli import main
from signalpost.errors import InvalidCandleFile, InvalidValue, StoreFailed, StoreUnusable
from signalpost.secret import Secret

SECRET = "a-token-that-must-not-show"
URL = f"https://discord.com/api/webhooks/123/{SECRET}"


def ended(monkeypatch: pytest.MonkeyPatch, fault: BaseException, *options: str) -> Result:
    """Run a command that ends with `fault`."""

    def broken() -> NoReturn:
        raise fault

    monkeypatch.setattr(signalpost.cli.completion, "completion", click.command(broken))
    return CliRunner().invoke(main, [*options, "completion"])


@pytest.mark.parametrize(
    ("fault", "exit_code"),
    [
        (InvalidValue("x"), 2),
        (InvalidCandleFile("x", path="c.csv", line=3), 2),
        (StoreUnusable("x"), 3),
        (StoreFailed("x"), 3),
        (click.UsageError("x"), 2),
        (click.exceptions.Exit(7), 7),
        (SystemExit(1), 1),
    ],
)
def test_each_expected_error_has_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, fault: BaseException, exit_code: int
) -> None:
    assert ended(monkeypatch, fault).exit_code == exit_code


def test_an_error_is_one_line_on_standard_error_with_its_webhooks_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    result = ended(monkeypatch, InvalidValue(f"{URL} [markup] {'x' * 200}"))
    assert result.stdout == ""
    assert result.stderr == f"error: https://discord.com/api/webhooks/123/*** [markup] {'x' * 200}\n"


@pytest.mark.parametrize("options", [(), ("--debug",)])
def test_an_internal_error_is_exit_code_4_and_shows_no_secret(
    monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    kept = Secret(SECRET)
    result = ended(monkeypatch, KeyError(f"{kept.reveal()} in {URL}"), *options)
    assert (result.exit_code, result.stdout) == (4, "")
    assert SECRET not in result.stderr
    *trace, last = result.stderr.splitlines()
    assert "KeyError" in last
    assert "test_exit_codes.py" in last
    assert "`signalpost --debug`" in last
    assert bool(trace) is bool(options), "the traceback only appears with --debug"
    if options:
        assert trace[0].startswith("Traceback")
        assert trace[-1] == "KeyError: '*** in https://discord.com/api/webhooks/123/***'"


def test_ctrl_c_is_exit_code_130_even_at_a_question_and_prints_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ended(monkeypatch, KeyboardInterrupt()).exit_code == 130
    aborted = click.Abort()
    aborted.__context__ = KeyboardInterrupt()
    at_a_question = ended(monkeypatch, aborted)
    assert (at_a_question.exit_code, at_a_question.stderr) == (130, "\n")


def test_the_end_of_the_input_at_a_question_is_not_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    result = ended(monkeypatch, click.Abort())
    assert (result.exit_code, result.stderr) == (1, "Aborted!\n")


def test_a_reader_that_went_away_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    result = ended(monkeypatch, BrokenPipeError(errno.EPIPE, "Broken pipe"))
    assert (result.exit_code, result.output) == (1, "")


@pytest.mark.parametrize(
    ("given", "output"),
    [
        (("delivries",), "'deliveries'"),
        (("lsit",), "'lsit'"),
        (("deliveries", "lits"), "'list'"),
        (("backup", "--forse"), "'--force'"),
        (("completion", "bahs"), "'bash', 'zsh', 'fish'"),
    ],
)
def test_a_misspelt_name_gets_the_nearest_as_a_hint(given: tuple[str, ...], output: str) -> None:
    result = CliRunner().invoke(main, given)
    assert (result.exit_code, result.stdout) == (2, "")
    assert output in result.stderr


def test_an_unknown_option_is_exit_code_2() -> None:
    result = CliRunner().invoke(main, ["--verbose"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--verbose" in result.stderr
