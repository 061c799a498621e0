"""Each command that needs a configuration takes `--home` and `--config`, which win over the environment."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from signalpost.cli.options import Flags, configured


@click.command()
@configured
def shown(flags: Flags) -> None:
    config = flags.config(SIGNALPOST_HTTP="off", SIGNALPOST_RETENTION=None)
    click.echo(f"{config.home} {config.workers} {config.http} {config.retention.days}")


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        ((), "/environment 2 None 30"),
        (("--home", "/flag"), "/flag 2 None 30"),
        (("--config", "s.toml"), "/environment 5 None 30"),
        (("--config", "s.toml", "--home", "/flag"), "/flag 5 None 30"),
    ],
)
def test_flags_win_and_missing_flags_change_nothing(
    arguments: tuple[str, ...], output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.toml").write_text('home = "/file"\nworkers = 5\nhttp = "127.0.0.1:1"', encoding="utf-8")
    result = CliRunner().invoke(shown, arguments, env={"SIGNALPOST_HOME": "/environment"}, catch_exceptions=False)
    assert result.output == f"{output}\n"


@pytest.mark.parametrize("option", ["--home", "--config"])
def test_an_empty_path_is_refused(option: str) -> None:
    """Otherwise a script with an unset variable would use the current folder for its data."""
    result = CliRunner().invoke(shown, [option, ""])
    assert result.exit_code == 2
    assert f"'{option}'" in result.output
