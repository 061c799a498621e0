"""Texts that people read, stored in one place: `STORE_TEXTS=1 make test` writes them anew, and the diff is reviewed.

Use it for texts whose wording matters and cannot be checked by a code or a fact. Everything else asserts facts.
"""

import os
from pathlib import Path

FOLDER = Path(__file__).with_name("texts")


def assert_stored(name: str, text: str) -> None:
    """Compare `text` with the stored one of this name, which is one file for each name."""
    file = FOLDER / f"{name}.txt"
    if os.environ.get("STORE_TEXTS"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8"), f"{file.name} differs: if that is wanted, run with STORE_TEXTS=1"
