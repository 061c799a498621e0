"""The file `.env` of the current folder: variables for this folder alone, below those of the environment."""

import os
import re
from collections.abc import Collection
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from signalpost.config.faults import Faults
from signalpost.config.file_rights import reason_to_distrust
from signalpost.config.known import is_meant_for_us

_PROXIES = frozenset({"HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"})
_NEWLINE = re.compile(r"\r\n|\n|\r")


class DotEnv(NamedTuple):
    """What a `.env` says, and what is wrong with it."""

    texts: dict[str, str]
    """Our variables."""
    line_by_variable: dict[str, int]
    faults: Faults
    notes: list[str]


def read_dot_env(path: Path, environment: Collection[str]) -> DotEnv:
    """What is in `path`; nothing where there is no such name, or a virtual environment has it.

    Its faults name the line and never show it. `environment` has the names of the variables that are set.
    """
    found = DotEnv({}, {}, Faults(), [])
    text = distrust = None
    try:
        if not path.is_file():
            if os.path.lexists(path) and not (path / "pyvenv.cfg").is_file():
                told = f"{path}: it is not a readable file: remove it, or put a file in its place"
                found.faults.add(told, "not-readable")
            return found
        with path.open("rb") as file:
            text = file.read().decode("utf-8-sig")
            distrust = reason_to_distrust(path.lstat(), os.fstat(file.fileno()))
    except OSError as fault:  # also of a folder that may not be entered: a file in it could name the data folder
        advice = "let this process read it, or run it in another folder"
        found.faults.add(f"{path}: it cannot be read ({fault.strerror}): {advice}", "not-readable")
    except UnicodeDecodeError:
        found.faults.add(f"{path}: it is not UTF-8: save it as UTF-8", "not-readable")
    if text is not None:
        _parse(path, text, found, environment)
    if distrust is not None and found.texts:  # what it says to other programs is not our concern
        found.faults.add(f"{path}: {distrust}, or set its variables in the environment", "not-trusted")
    return found


def _parse(path: Path, text: str, found: DotEnv, environment: Collection[str]) -> None:
    # Loaded where there is such a file. Its own `dotenv_values` passes over what it cannot read.
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    readable, proxies = [], []
    for binding in parse_stream(StringIO(text)):
        start = binding.original.string
        line = binding.original.line + len(_NEWLINE.findall(start[: len(start) - len(start.lstrip())]))
        if binding.error:
            told = f"{path}, line {line}: it is not VARIABLE=value: look for a missing quote"
            found.faults.add(told, "not-readable")
            continue
        readable.append(start)
        if binding.key and binding.key.upper() in _PROXIES and binding.value and binding.key not in environment:
            told = "it is not used from this file: export it in the environment"  # and its value may hold a password
            proxies.append(f"{path}, line {line}: {binding.key}: {told}")
        if binding.key is None or not is_meant_for_us(binding.key):
            continue
        if binding.value is None:
            found.faults.add(f"{path}, line {line}: {binding.key} has no = and no value", "missing", binding.key)
        if binding.key in found.line_by_variable:
            before = found.line_by_variable[binding.key]
            found.notes.append(f"{path}: {binding.key} is in line {before} and in line {line}, and the last one holds")
        found.line_by_variable[binding.key] = line
    values = dotenv_values(stream=StringIO("".join(readable)))
    found.texts.update({key: value for key, value in values.items() if value is not None and is_meant_for_us(key)})
    if found.texts:  # else the file is another program's
        found.notes.extend(proxies)
