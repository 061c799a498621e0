import os
import re
import signal
import site
import subprocess
import sys
import venv
from pathlib import Path
from threading import Timer
from urllib.request import urlopen
from zipfile import ZipFile

import pytest

from tests.repository.sources import ROOT, SOURCE

SECONDS_AT_MOST = 60
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("PYTHON", "COV_", "COVERAGE_", "PIP_", "COLUMNS"))
}


def run(*command: str | Path, cwd: Path) -> str:
    ran = subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    return ran.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this repository."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of a fresh environment with the wheel and its dependencies, but without this repository."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    pip = (sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "--disable-pip-version-check")
    run(*pip, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    # A folder that a .pth file names is searched last, and its own .pth files (the editable signalpost) are not read.
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()), encoding="utf-8")
    return folder / "bin"


@pytest.mark.parametrize(
    "name",
    [
        r"signalpost/py\.typed",
        r"signalpost/data/strategies\.toml",
        r"signalpost/data/mt5_h4/NOTICE",
        r"signalpost/data/mt5_h4/LICENSE",
        r"signalpost-[\d.]+\.dist-info/licenses/LICENSE",
        r"signalpost-[\d.]+\.dist-info/licenses/NOTICE",
    ],
)
def test_the_wheel_holds_what_the_licences_and_the_types_need(name: str, wheel: Path) -> None:
    assert [each for each in ZipFile(wheel).namelist() if re.fullmatch(name, each)]


def test_the_wheel_holds_each_file_of_the_package_and_nothing_beside_it(wheel: Path) -> None:
    package = {str(path.relative_to(SOURCE.parent)) for path in SOURCE.rglob("*") if path.is_file()}
    wanted = {name for name in package if "__pycache__" not in name}
    held = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == wanted
    assert len([name for name in held if name.endswith("_H4.csv.gz")]) == 7


def test_the_installed_wheel_is_what_runs(installed: Path, tmp_path: Path) -> None:
    printed = run(installed / "python", "-c", "import signalpost; print(signalpost.__file__)", cwd=tmp_path)
    assert Path(printed.strip()).is_relative_to(installed.parent)


def test_the_demo_of_the_wheel_runs_from_an_empty_folder_and_shows_its_page(installed: Path, tmp_path: Path) -> None:
    """Until its first message is on the page: that all are delivered is asserted where the pages are run."""
    assert not tmp_path.is_relative_to(ROOT)
    command = [installed / "signalpost", "demo", "--port", "0"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        watchdog = Timer(SECONDS_AT_MOST, demo.kill)
        watchdog.start()
        try:
            assert demo.stderr
            found = re.search(r"http://127\.0\.0\.1:\d+", demo.stderr.readline())
            assert found
            for file in ("/", "/page.js", "/page.css", "/icon.svg"):
                assert urlopen(f"{found[0]}{file}", timeout=SECONDS_AT_MOST).read()
            with urlopen(f"{found[0]}/_events", timeout=SECONDS_AT_MOST) as events:
                assert any(b"replay started" in line for line in events)
            demo.send_signal(signal.SIGINT)
            printed, _ = demo.communicate()
        finally:
            watchdog.cancel()
    assert demo.returncode == 0
    assert "451" in printed.split()
    assert list(tmp_path.iterdir()) == []


def test_the_wheel_names_its_version_once(wheel: Path, installed: Path, tmp_path: Path) -> None:
    version = wheel.name.split("-")[1]
    assert run(installed / "signalpost", "--version", cwd=tmp_path).split()[-1] == version
