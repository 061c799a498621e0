"""The configuration of a command that runs in a folder with files of settings."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests import forked
from tests.acceptance import serving

TOKEN = "Zx" * 34
URL = f"https://discord.com/api/webhooks/123456789012345678/{TOKEN}"
ALERT = ("publish", "alert", "--type", "test", "--severity", "critical", "--title", "dry", "--timeout", "3")


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a process in `folder`."""
    command = [sys.executable, "-m", "signalpost", *arguments]
    return _discreet(forked.run(command, cwd=folder, env=_environment(folder, environment)))


def in_process(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in this process, in `folder`."""
    with chdir(folder):
        return _discreet(serving.in_process(_environment(folder, environment), *arguments))


def _environment(folder: Path, more: Mapping[str, str]) -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("DISCORD_", "SIGNALPOST_"))}
    for name in ("COLUMNS", "FORCE_COLOR", "XDG_DATA_HOME"):
        mine.pop(name, None)
    return {**mine, "HOME": str(folder), **more}


def _discreet(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    assert TOKEN not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_a_dot_env_a_file_and_a_secret_together_are_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "hook").write_text(f"{URL}\n", encoding="utf-8")
    (tmp_path / "hook").chmod(0o600)
    (tmp_path / "settings.toml").write_text(
        'workers = 4\nretention = "8w"\n[destinations.signals-gold]\nwebhook_file = "hook"\n'
        '[tiers.gold]\nrank = 15\nsignals_to = ["signals-gold"]\n',
        encoding="utf-8",
    )
    (tmp_path / ".env").write_text("SIGNALPOST_CONFIG=settings.toml\nSIGNALPOST_WORKERS=3\n", encoding="utf-8")
    done = run(tmp_path, "check", "--json", SIGNALPOST_HTTP="off")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    settings = {key: (each["value"], each["from"]) for key, each in found["settings"].items()}
    assert settings["workers"] == (3, ".env")
    assert settings["retention"] == ("56d", "file")
    assert settings["http"] == ("off", "environment")
    assert settings["home"] == (str(tmp_path / ".local/share/signalpost"), "default")
    assert [(each["name"], each["webhook_id"], each["from"]) for each in found["destinations"]] == [
        ("signals-gold", "123456789012345678", "file")
    ]
    assert not (tmp_path / ".local").exists()


def test_the_errors_of_all_sources_are_reported_together(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(
        f'workrs = 4\n[destinations.community]\nwebhook = "{URL}x/slack"\n', "utf-8"
    )
    (tmp_path / ".env").write_text(f"SIGNALPOST_WORKERS=many\nDISCORD_WEBHOOK_URL='{URL}\n", encoding="utf-8")
    for command, by in ((("check",), in_process), (("serve",), run), (("deliveries", "list"), in_process)):
        done = by(tmp_path, *command, "--config", "settings.toml", SIGNALPOST_RESERVE="perhaps")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("error: ")
        lines = done.stderr.splitlines()
        for facts in (
            (".env", "2"),
            (".env", "1", "SIGNALPOST_WORKERS", "'many'"),
            ("SIGNALPOST_RESERVE", "'perhaps'"),
            ("settings.toml", "workrs"),
            ("settings.toml", "destinations.community.webhook"),
        ):
            assert [line for line in lines if all(fact in line for fact in facts)], facts
    as_json = in_process(tmp_path, "check", "--json", "--config", "settings.toml", SIGNALPOST_RESERVE="perhaps")
    found = [(each["code"], each["field"]) for each in json.loads(as_json.stdout)["errors"]]
    assert found == [
        ("not-readable", None),
        ("unknown-field", "workrs"),
        ("out-of-range", "SIGNALPOST_WORKERS"),
        ("unknown-word", "SIGNALPOST_RESERVE"),
        ("invalid-webhook", "destinations.community.webhook"),
    ]


@pytest.mark.parametrize("below", ["", "below"])
def test_a_service_whose_data_folder_is_a_file(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    home = str(tmp_path / "file" / below)
    done = run(tmp_path, "serve", "--home", home, DISCORD_WEBHOOK_URL=URL)
    assert (done.returncode, done.stdout) == (3, "")
    (line,) = done.stderr.splitlines()
    assert f"{home}: " in line


def test_the_example_file_sets_every_default(tmp_path: Path) -> None:
    example = in_process(tmp_path, "check", "--example").stdout
    (tmp_path / "signalpost.toml").write_text(example, encoding="utf-8")
    with_it, without = (
        json.loads(in_process(tmp_path, "check", "--json", *arguments).stdout)
        for arguments in (("--config", "signalpost.toml"), ())
    )
    values = [{key: each["value"] for key, each in found["settings"].items()} for found in (with_it, without)]
    assert values[0] == values[1]
    assert (with_it["warnings"], with_it["destinations"]) == (without["warnings"], without["destinations"])


@pytest.fixture
def local_webhook() -> Iterator[tuple[str, list[str]]]:
    """The URL of a local webhook, and the paths of the requests that it received."""
    paths: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            paths.append(self.path)
            self.send_response(204)
            self.end_headers()

        do_GET = do_POST  # noqa: N815  # the server's own name for it

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api/webhooks/1/{TOKEN}", paths
        server.shutdown()


def test_a_dry_run_sends_nothing_to_a_configured_webhook(tmp_path: Path, local_webhook: tuple[str, list[str]]) -> None:
    """A sandbox may run on this machine's usual port or not, so the exit code is not checked."""
    webhook, paths = local_webhook
    dry = in_process(tmp_path, *ALERT, DISCORD_WEBHOOK_ALERTS_CRITICAL=webhook, SIGNALPOST_DRY_RUN="1")
    assert "sandbox" in dry.stderr
    assert paths == []
    assert [path.name for path in (tmp_path / ".local/share/signalpost").iterdir()] == ["dry-run"]
    in_process(tmp_path, *ALERT, DISCORD_WEBHOOK_ALERTS_CRITICAL=webhook)
    assert paths, "without it, the webhook gets the alert"
