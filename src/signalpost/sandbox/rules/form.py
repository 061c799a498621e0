"""The form in a request's body: JSON, or multipart with a part of JSON and files."""

import re
from typing import Any, NamedTuple

import msgspec

from signalpost.sandbox.rules.exchange import HttpRequest
from signalpost.sandbox.rules.refusal import Problem, Refusal, invalid_form

LARGEST_BODY = 25 * 1024 * 1024
LARGEST_FILE = 10 * 1024 * 1024
MOST_FILES = 10
_TYPES = "{'application/json', 'application/x-www-form-urlencoded', 'multipart/form-data'}"
_BOUNDARY = re.compile(r'boundary="?([^";]{1,200})"?')
_NAME = re.compile(rb'[; ]name="([^"]*)"')
_FILENAME = re.compile(rb'filename="([^"]*)"')


class File(NamedTuple):
    """A file that was uploaded; its content is not kept."""

    filename: str
    size: int


class Form(NamedTuple):
    """What a body says."""

    fields: dict[str, Any]
    files: tuple[File, ...] = ()


def form_of(request: HttpRequest) -> Form:
    """The form in the body of `request`. Raises Refusal for a body that is none."""
    if len(request.body) > LARGEST_BODY:
        raise Refusal(413, 40005, "Request entity too large")
    declared = request.headers.get("content-type", "")
    match declared.split(";")[0].strip().lower():
        case "application/json":
            return Form(_fields(request.body))
        case "multipart/form-data" if boundary := _BOUNDARY.search(declared):
            return _multipart(request.body, boundary[1].encode())
        case _:
            message = f'Expected "Content-Type" header to be one of {_TYPES}.'
            raise invalid_form(Problem((), "CONTENT_TYPE_INVALID", message))


def _fields(body: bytes) -> dict[str, Any]:
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(400, 50109, "The request body contains invalid JSON.") from None
    if not isinstance(fields, dict):
        raise invalid_form(Problem((), "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType"))
    return fields


def _multipart(body: bytes, boundary: bytes) -> Form:
    fields: dict[str, Any] = {}
    files: list[File] = []
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        name, filename = _NAME.search(head), _FILENAME.search(head)
        if filename:
            files.append(File(filename[1].decode(errors="replace"), len(content)))
        elif name and name[1] == b"payload_json":
            fields = _fields(content)
    if len(files) > MOST_FILES:
        raise Refusal(400, 30015, f"Maximum number of attachments in a message reached ({MOST_FILES})")
    if any(file.size > LARGEST_FILE for file in files):
        raise Refusal(413, 40005, "Request entity too large")
    return Form(fields, tuple(files))
