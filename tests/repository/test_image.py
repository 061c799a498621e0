"""The checks of the image that need no Docker: `Dockerfile`, `.dockerignore` and `compose.yaml`."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from zipfile import ZipFile

import pytest
from packaging.specifiers import SpecifierSet

from signalpost.cli import main
from signalpost.cli.serve import serve
from signalpost.config import Config, HttpAddress
from signalpost.config.settings import known_variables
from tests.repository.sources import ROOT, SOURCE

SECONDS_AT_MOST = 60
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")
VARIABLE = re.compile(r"\b(?:SIGNALPOST|DISCORD)_[A-Z_]+")


def _instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile with their arguments."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", "")
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in text.splitlines() if line)]


INSTRUCTIONS = _instructions()
_RUNTIME = max(number for number, (name, _) in enumerate(INSTRUCTIONS) if name == "FROM")
BUILD, RUNTIME = INSTRUCTIONS[:_RUNTIME], INSTRUCTIONS[_RUNTIME:]


def _all(name: str, instructions: list[tuple[str, str]]) -> list[str]:
    return [rest for each, rest in instructions if each == name]


def _only(name: str) -> str:
    (rest,) = _all(name, RUNTIME)
    return rest


def _copied() -> list[tuple[str, str]]:
    """The paths that the build takes from the repository, and where in its folder it puts them."""
    return [(source, place) for *sources, place in map(str.split, _all("COPY", BUILD)) for source in sources]


def _environment() -> dict[str, str]:
    return dict(pair.partition("=")[::2] for pair in shlex.split(_only("ENV")))


def _health_check() -> list[str]:
    options, command = re.fullmatch(r"(.*)CMD (\[.*\])", _only("HEALTHCHECK")).groups()  # type: ignore[union-attr]
    assert re.findall(r"--(\w+)", options) == ["interval", "timeout", "start", "retries"]
    words: list[str] = json.loads(command)
    return words


def test_the_base_is_an_argument_and_its_python_is_one_that_is_supported() -> None:
    ((name, base),) = [argument.split("=") for argument in _all("ARG", INSTRUCTIONS)]
    image, _, tag = base.partition(":")
    assert (name, image) == ("BASE", "python")
    assert tag.split("-")[0] in SpecifierSet(PROJECT["requires-python"])
    assert [stage.split()[0] for stage in _all("FROM", INSTRUCTIONS)] == ["${BASE}", "${BASE}"]


def test_the_wheel_is_whole_that_is_built_from_what_is_copied_alone(tmp_path: Path) -> None:
    folder, wheels = tmp_path / "build", tmp_path / "wheels"
    for source, place in _copied():
        there = folder / place / (source if place == "./" else "")
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, there, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, there)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel"]
    offline = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet"]
    built = subprocess.run(
        [*pip, *offline, "--wheel-dir", wheels, folder], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = wheels.iterdir()
    package = {str(path.relative_to(SOURCE.parent)) for path in SOURCE.rglob("*") if path.is_file()}
    held = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == {name for name in package if "__pycache__" not in name}


def test_nothing_but_what_is_copied_can_come_into_the_image() -> None:
    """So no `.env`, secret or store can, whatever lies in the folder."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    everything, *allowed = [line for line in lines if not line.startswith("#")]
    assert everything == "*"
    assert {line[1:] for line in allowed if line.startswith("!")} == {source for source, _ in _copied()}
    assert [stage for stage in _all("COPY", RUNTIME) if not stage.startswith("--from=build ")] == []


def test_the_image_holds_no_secret_and_its_environment_says_what_the_configuration_reads() -> None:
    environment = _environment()
    ours = {name: value for name, value in environment.items() if VARIABLE.fullmatch(name)}
    config = Config.from_environment(ours)
    assert ours.keys() == {"SIGNALPOST_HOME", "SIGNALPOST_HTTP"}
    assert (str(config.home), config.http) == (_only("VOLUME"), HttpAddress("0.0.0.0", int(_only("EXPOSE"))))
    assert config.notes == ()
    assert "api/webhooks" not in (ROOT / "Dockerfile").read_text(encoding="utf-8") + COMPOSE


def test_the_port_is_the_usual_one() -> None:
    usual = Config.from_environment({}).http
    assert usual is not None
    assert _only("EXPOSE") == str(usual.port)


def test_the_user_is_a_fixed_one_who_is_not_root_and_owns_the_data_folder() -> None:
    user, group = map(int, _only("USER").split(":"))
    made = _only("RUN")
    assert user > 0
    assert f"groupadd --gid {group} " in made
    assert f"useradd --uid {user} --gid {group} " in made
    assert f"install --directory --owner={user} --group={group} --mode=700 {_only('VOLUME')}" in made


def test_the_installed_command_runs_itself_without_a_shell() -> None:
    (command,), words = json.loads(_only("ENTRYPOINT")), json.loads(_only("CMD"))
    assert command in PROJECT["scripts"]
    assert main.get_command(None, words[0]) is not None  # type: ignore[arg-type]  # it asks nothing of the context
    assert _environment()["PATH"].split(":")[0] == f"{_all('COPY', RUNTIME)[0].split()[-1]}/bin"


def test_the_health_check_queries_the_running_service_which_ends_at_the_stop_signal(tmp_path: Path) -> None:
    environment = {"SIGNALPOST_HOME": str(tmp_path), "SIGNALPOST_HTTP": "127.0.0.1:0"}
    webhook = {"DISCORD_WEBHOOK_SIGNALS_FREE": "http://127.0.0.1:9/api/v10/webhooks/signals-free/token"}
    command = [sys.executable, "-m", "signalpost", *json.loads(_only("CMD"))]
    with _running(command, environment | webhook) as service:
        assert service.stderr is not None
        assert any(line.startswith("running") for line in service.stderr)
        assert _exit_code(environment) == 0
        service.send_signal(signal.Signals[_only("STOPSIGNAL")])
        service.communicate()
        assert service.returncode == 0


def test_the_health_check_fails_where_nothing_runs_and_there_is_no_store(tmp_path: Path) -> None:
    assert _exit_code({"SIGNALPOST_HOME": str(tmp_path / "none")}) == 3


def _exit_code(environment: Mapping[str, str]) -> int:
    """Of the health check, beside a service with this environment."""
    command, *words = _health_check()
    assert command in PROJECT["scripts"]
    kept = {name: value for name, value in os.environ.items() if not VARIABLE.fullmatch(name)}
    run = [sys.executable, "-m", "signalpost", *words]
    ran = subprocess.run(run, env={**kept, **environment}, capture_output=True, timeout=SECONDS_AT_MOST, check=False)
    return ran.returncode


@contextmanager
def _running(command: list[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    kept = {name: value for name, value in os.environ.items() if not VARIABLE.fullmatch(name)}
    with subprocess.Popen(command, env={**kept, **environment}, stderr=subprocess.PIPE, text=True) as process:
        watchdog = Timer(SECONDS_AT_MOST, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()


def test_compose_sets_only_what_the_configuration_reads() -> None:
    assert set(VARIABLE.findall(COMPOSE)) - set(known_variables()) == set()


def test_compose_and_the_unit_of_systemd_wait_longer_for_the_end_than_serve_delivers() -> None:
    within = next(option.default for option in serve.params if option.name == "stop_within")
    operate = (ROOT / "docs" / "how-to" / "operate.md").read_text(encoding="utf-8")
    waits = re.findall(r"stop_grace_period: (\d+)s", COMPOSE) + re.findall(r"^TimeoutStopSec=(\d+)$", operate, re.M)
    assert len(waits) == 3
    assert min(map(int, waits)) > within + 5


@pytest.mark.parametrize("address", re.findall(r"ports: \[(.*)\]", COMPOSE))
def test_compose_opens_the_port_to_this_machine_alone(address: str) -> None:
    assert address == f'"127.0.0.1:{_only("EXPOSE")}:{_only("EXPOSE")}"'
