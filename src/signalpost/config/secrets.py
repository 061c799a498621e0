"""Secrets from the sources of settings. Each is given as a text, or as the path of a file that contains only it."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from signalpost.config.files import is_open_to_others, read_secret
from signalpost.config.parsers import path, shown_path
from signalpost.config.settings import FILE_SUFFIX
from signalpost.config.sources import FILE, Place, Sources, Variables, text_of
from signalpost.errors import InvalidConfiguration
from signalpost.secret import Secret


class GivenSecret(NamedTuple):
    """A secret as one source gives it. It is not checked yet, nor is its file read."""

    origin: str
    place: Place
    text: Secret | None
    """None if it is the content of `in_file`."""
    in_file: Path | None
    """The file that contains it, if any."""


def find_secret(sources: Sources, variable: str, kind: str, name: str, *keys: str) -> GivenSecret | None:
    """The secret in the first source that has it. The other sources are checked, too.

    It is in `variable`, in the file that the variable with FILE_SUFFIX names, or under one of the keys in a table of
    the settings file. Keys that end with `_file` name a file. Both forms in one source are a fault.
    """
    found = [_in_variables(sources, source, variable) for source in sources.variables]
    return next(filter(None, (*found, _in_table(sources, kind, name, keys))), None)


def read_given(
    sources: Sources, given: GivenSecret, content: str, check: Callable[[Secret], object] = lambda _: None
) -> tuple[Secret, ...]:
    """The secret in a tuple; () if it cannot be read, or `check` raises InvalidConfiguration, which is a fault.

    A file that every user can read causes a warning, with `content`, such as `webhook URL`.
    """
    secrets = sources.findings.checked(given.place, _checked, given, content, check)
    if secrets and given.in_file is not None and is_open_to_others(given.in_file):
        file, notes = shown_path(str(given.in_file)), sources.findings.notes
        note = f"{file} contains a {content}, and every user of this machine can read it: run chmod 600 {file}"
        notes += [note] if note not in notes else []
    return secrets


def _checked(given: GivenSecret, content: str, check: Callable[[Secret], object]) -> Secret:
    secret = given.text or read_secret(given.in_file or Path(), f"the {content}")
    check(secret)
    return secret


def _in_variables(sources: Sources, source: Variables, variable: str) -> GivenSecret | None:
    in_a_file = f"{variable}{FILE_SUFFIX}"
    text, file = source.text(variable), source.text(in_a_file)
    if text and file:
        problem = f"{source.place(variable)} and {in_a_file} are both set: remove one of them"
        sources.findings.add(problem, "conflict", variable)
    if text:
        return GivenSecret(source.origin, source.place(variable), Secret(text), source.path)
    return _in_file(sources, source.origin, source.place(in_a_file), Path(), file) if file else None


def _in_table(sources: Sources, kind: str, name: str, keys: tuple[str, ...]) -> GivenSecret | None:
    file, table = sources.file, sources.table(kind, name)
    key, *others = [key for key in keys if key in table] or [""]
    if others:
        problem = f"{file.place(kind, name)}: {key} and {others[0]} are both set: remove one of them"
        sources.findings.add(problem, "conflict", f"{kind}.{name}.{key}")
    place = file.place(kind, name, key)
    for text in sources.findings.checked(place, text_of, table[key], str, "text in quotes") if key else ():
        if key.endswith(FILE_SUFFIX.lower()):
            return _in_file(sources, FILE, place, file.path.parent, text)
        return GivenSecret(FILE, place, Secret(text), file.path)
    return None


def _in_file(sources: Sources, origin: str, place: Place, folder: Path, text: str) -> GivenSecret | None:
    for file in sources.findings.checked(place, _path, folder, text):
        return GivenSecret(origin, place, None, file)
    return None


def _path(folder: Path, text: str) -> Path:
    if "://" in text:
        raise InvalidConfiguration("this is a URL: use the path of a file that contains the secret", code="not-a-path")
    return folder / path(text)
