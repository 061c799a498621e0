import tomllib
from typing import Any

import pytest

from tests.repository.sources import ROOT

BREAKAGES: list[dict[str, Any]] = tomllib.loads((ROOT / "tools" / "mutations.toml").read_text(encoding="utf-8"))[
    "breakage"
]


@pytest.mark.parametrize("breakage", BREAKAGES, ids=[each["name"] for each in BREAKAGES])
def test_a_breakage_fits_the_source_and_names_a_test(breakage: dict[str, Any]) -> None:
    texts: dict[str, str] = {}
    for name, find, put in breakage["edits"]:
        text = texts.get(name) or (ROOT / name).read_text(encoding="utf-8")
        assert text.count(find) == 1, (name, find)
        texts[name] = text.replace(find, put)
    path, _, test = breakage["test"].partition("::")
    assert f"def {test.partition('[')[0]}" in (ROOT / path).read_text(encoding="utf-8"), breakage["test"]
