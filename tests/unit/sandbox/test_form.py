"""Forms with files."""

from typing import Any

import msgspec
import pytest

from tests.unit.sandbox.caller import Caller, json_of, refusal, status


def _part(content: bytes, disposition: str) -> bytes:
    return b"--b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (disposition.encode(), content)


def _sent(caller: Caller, *parts: bytes, method: str = "POST", boundary: str = "b", **changes: Any) -> Any:
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    return caller.send(method, b"".join(parts) + b"--b--\r\n", headers=headers, **changes)


def _json(fields: dict[str, Any]) -> bytes:
    return _part(msgspec.json.encode(fields), 'name="payload_json"')


def _file(n: int, content: bytes, name: str = "chart.png") -> bytes:
    return _part(content, f'name="files[{n}]"; filename="{name}"')


@pytest.mark.parametrize("boundary", ["b", '"b"'])
def test_with_files_the_answer_is_the_message_even_without_wait(boundary: str) -> None:
    caller = Caller()
    parts = (
        _json({"content": "x", "embeds": [{"image": {"url": "attachment://chart.png"}}]}),
        _file(0, b"\r\n--12345"),
    )
    outcome = _sent(caller, *parts, boundary=boundary)
    assert status(outcome) == 200
    message = json_of(outcome)
    assert message["content"] == "x"
    assert [(each["filename"], each["size"]) for each in message["attachments"]] == [("chart.png", 9)]


def test_a_file_alone_is_a_message() -> None:
    assert json_of(_sent(Caller(), _file(0, b"12345")))["attachments"][0]["size"] == 5


def test_without_files_and_json_there_is_nothing_to_show() -> None:
    assert refusal(_sent(Caller(), _part(b"x", 'name="other"'))) == (400, 50006)


def test_at_most_ten_files_of_ten_mebibytes_are_accepted() -> None:
    most = 10 * 1024 * 1024
    assert status(_sent(Caller(), *(_file(n, b"x") for n in range(10)))) == 200
    assert refusal(_sent(Caller(), *(_file(n, b"x") for n in range(11)))) == (400, 30015)
    assert status(_sent(Caller(), _file(0, b"x" * most))) == 200
    assert refusal(_sent(Caller(), _file(0, b"x" * (most + 1)))) == (413, 40005)


def test_an_edit_keeps_only_the_attachments_it_lists() -> None:
    caller = Caller()
    message = json_of(_sent(caller, _file(0, b"a", "a.png"), _file(1, b"b", "b.png")))
    kept = message["attachments"][1]["id"]
    edit = _json({"attachments": [{"id": kept}, "nonsense", {"id": 0, "filename": "c.png"}]})
    outcome = _sent(caller, edit, _file(0, b"c", "c.png"), method="PATCH", message=message["id"])
    assert [each["filename"] for each in json_of(outcome)["attachments"]] == ["b.png", "c.png"]


def test_an_edit_without_an_attachment_list_keeps_them_and_adds_files() -> None:
    caller = Caller()
    message = json_of(_sent(caller, _file(0, b"a", "a.png")))
    outcome = _sent(caller, _json({"content": "x"}), _file(0, b"b", "b.png"), method="PATCH", message=message["id"])
    assert [each["filename"] for each in json_of(outcome)["attachments"]] == ["a.png", "b.png"]


def test_a_part_without_a_name_is_ignored() -> None:
    assert json_of(_sent(Caller(), _part(b"x", 'size="1"'), _json({"content": "y"}), _file(0, b"5")))["content"] == "y"
