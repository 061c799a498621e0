"""Parses a request's body: JSON, or fields and files as a browser or curl sends them."""

import re
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from signalpost.sandbox.rules.exchange import HttpRequest, Problem, Refusal, invalid_form

LARGEST_BODY = 25 * 1024 * 1024
LARGEST_FILE = 10 * 1024 * 1024
MOST_FILES = 10
_TYPES = "{'application/json', 'application/x-www-form-urlencoded', 'multipart/form-data'}"
_BOUNDARY = re.compile(r'boundary="?([^";]{1,200})"?')
_NAME = re.compile(rb"""[;\s]name=(?:"([^"]*)"|([^;\s]+))""", re.IGNORECASE)
_FILENAME = re.compile(rb"""[;\s]filename=(?:"([^"]*)"|([^;\s]+))""", re.IGNORECASE)
_TYPE = re.compile(rb"^content-type:[ \t]*([\w.+-]+/[\w.+-]+)", re.IGNORECASE | re.MULTILINE)
_JSON_PART = "payload_json"
_BOOLEANS = {"true": True, "True": True, "1": True, "false": False, "False": False, "0": False}
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,20}")


class File(NamedTuple):
    """An uploaded file."""

    filename: str
    content: bytes
    type: str | None = None
    """The content type declared by the client."""


class Form(NamedTuple):
    """The fields and files of a body."""

    fields: dict[str, Any]
    files: tuple[File, ...] = ()


def form_of(request: HttpRequest) -> Form:
    """Parse the body of `request`. Raises Refusal if it is not a valid form."""
    if len(request.body) > LARGEST_BODY:
        raise Refusal(413, 40005, "Request entity too large")
    declared = request.headers.get("content-type", "")
    match declared.split(";")[0].strip().lower():
        case "application/json":
            return Form(_coerced(_fields(request.body)))
        case "application/x-www-form-urlencoded":
            return Form(_of_texts(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True)))
        case "multipart/form-data" if boundary := _BOUNDARY.search(declared):
            return _multipart(request.body, boundary[1].encode())
        case _:
            message = f'Expected "Content-Type" header to be one of {_TYPES}.'
            raise invalid_form(Problem((), "CONTENT_TYPE_INVALID", message))


def too_many_files() -> Refusal:
    """Build the refusal of a message with more than MOST_FILES files."""
    return Refusal(400, 30015, f"Maximum number of attachments in a message reached ({MOST_FILES})")


def _fields(body: bytes) -> dict[str, Any]:
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(400, 50109, "The request body contains invalid JSON.") from None
    if not isinstance(fields, dict):
        raise invalid_form(Problem((), "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType"))
    return fields


def _of_texts(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Build the fields from texts; fields in `payload_json` take precedence."""
    texts = dict(pairs)
    fields = _fields(texts.pop(_JSON_PART).encode()) if _JSON_PART in texts else {}
    return _coerced(texts | fields)


def _multipart(body: bytes, boundary: bytes) -> Form:
    texts: list[tuple[str, str]] = []
    files: list[File] = []
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        name, filename = _quoted(_NAME, head), _quoted(_FILENAME, head)
        if filename is not None:
            kind = _TYPE.search(head)
            files.append(File(filename, content, kind[1].decode() if kind else None))
        elif name is not None:
            texts.append((name, content.decode(errors="replace")))
    if len(files) > MOST_FILES:
        raise too_many_files()
    if any(len(file.content) > LARGEST_FILE for file in files):
        raise Refusal(413, 40005, "Request entity too large")
    return Form(_of_texts(texts), tuple(files))


def _quoted(pattern: re.Pattern[bytes], head: bytes) -> str | None:
    found = pattern.search(head)
    return None if found is None else (found[2] if found[1] is None else found[1]).decode(errors="replace")


def _coerced(fields: dict[str, Any]) -> dict[str, Any]:
    """Convert numbers and booleans sent as text, as Discord does: `"16711680"`, `"true"`.

    Other texts stay as they are, and the checks reject them.
    """
    converted = _with(fields, flags=_number, tts=_boolean, embeds=_coerced_embeds)
    assert isinstance(converted, dict)  # noqa: S101  # a dict stays a dict
    return converted


def _coerced_embeds(embeds: Any) -> Any:
    return (
        [_with(each, color=_number, fields=_coerced_fields) for each in embeds] if isinstance(embeds, list) else embeds
    )


def _coerced_fields(fields: Any) -> Any:
    return [_with(each, inline=_boolean) for each in fields] if isinstance(fields, list) else fields


def _with(value: Any, **change_by_name: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return value | {name: change(value[name]) for name, change in change_by_name.items() if name in value}


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value) else value


def _boolean(value: Any) -> Any:
    return _BOOLEANS.get(value, value) if isinstance(value, str) else value
