"""Where the webhook of a destination is found: in a variable, in a file that a variable names, or in the settings."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from signalpost.config.known import IN_A_FILE, variable_of
from signalpost.config.secret_file import is_open_to_others, read_secret
from signalpost.config.sources import FILE, Sources, Variables
from signalpost.config.spelling import path, shown_path
from signalpost.config.toml_file import DESTINATIONS, text_of
from signalpost.errors import InvalidConfiguration
from signalpost.secret import Secret
from signalpost.sinks.discord.address import WebhookAddress


class Webhook(NamedTuple):
    """One webhook that a source names."""

    origin: str
    place: str
    """Where it stands, as a warning names it."""
    read: Callable[[], Secret]
    """Its URL, checked. Raises InvalidConfiguration."""
    in_file: Path | None
    """The file that holds it, if one does."""


def find_webhook(sources: Sources, destination: str) -> Webhook | None:
    """The webhook of the first source that names one for this destination; None where none does.

    Two forms of it in one source are a fault: which of them is meant, nobody can know.
    """
    variable = variable_of(destination)
    found = [each for source in sources.variables if (each := _of_variables(sources, source, variable))]
    if each := _of_file(sources, destination):
        found.append(each)
    return found[0] if found else None


def tell_who_may_read(webhook: Webhook, notes: list[str]) -> None:
    """Note that others may read the file that holds a webhook."""
    if webhook.in_file is not None and is_open_to_others(webhook.in_file):
        note = f"{shown_path(str(webhook.in_file))} holds a webhook, and every user may read it: chmod 600 it"
        if note not in notes:
            notes.append(note)


def _of_variables(sources: Sources, source: Variables, variable: str) -> Webhook | None:
    in_a_file = f"{variable}{IN_A_FILE}"
    direct, named = source.text(variable), source.text(in_a_file)
    if direct and named:
        told = f"{source.place(variable)} and {in_a_file} are both set: take one of them away"
        sources.faults.add(told, "conflict", variable)
    if direct:
        return Webhook(source.origin, source.place(variable), partial(_checked, Secret(direct)), source.path)
    if named:
        return _in_a_file(sources, source.origin, source.place(in_a_file), Path(), named)
    return None


def _of_file(sources: Sources, destination: str) -> Webhook | None:
    file, table = sources.file, sources.table(DESTINATIONS, destination)
    if not {"webhook", "webhook_file"} & table.keys():
        return None
    if {"webhook", "webhook_file"} <= table.keys():
        place = file.place(DESTINATIONS, destination)
        told = f"{place}: webhook and webhook_file are both set: take one of them away"
        sources.faults.add(told, "conflict", f"{DESTINATIONS}.{destination}.webhook")
    key = "webhook" if "webhook" in table else "webhook_file"
    place = file.place(DESTINATIONS, destination, key)
    text = next(iter(sources.checked(place, lambda: text_of(table[key], str, "a text in quotes"))), None)
    if text is None:
        return None
    if key == "webhook":
        return Webhook(FILE, place, partial(_checked, Secret(text)), file.path)
    return _in_a_file(sources, FILE, place, file.path.parent, text)


def _in_a_file(sources: Sources, origin: str, place: str, folder: Path, text: str) -> Webhook | None:
    where = next(iter(sources.checked(place, lambda: folder / _path(text))), None)
    if where is None:
        return None
    return Webhook(origin, place, lambda: _checked(read_secret(where)), where)


def _path(text: str) -> Path:
    if "://" in text:
        raise InvalidConfiguration("it is a URL, and should be the path of a file that holds it", code="not-a-path")
    return path(text)


def _checked(webhook: Secret) -> Secret:
    WebhookAddress.parse(webhook)  # which raises where it cannot be used
    return webhook
