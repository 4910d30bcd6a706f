"""Inputs that every run tries: one JSON value a line."""

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

FOLDER = Path(__file__).parent / "corpus"


def read_corpus(name: str) -> list[Any]:
    """Return the entries of one file."""
    lines = (FOLDER / f"{name}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def texts_like(name: str) -> st.SearchStrategy[str]:
    """Return a strategy for changed entries of the corpus: cut, doubled, or with an insertion."""

    @st.composite
    def changed(draw: st.DrawFn) -> str:
        text = str(draw(st.sampled_from(read_corpus(name))))
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, len(text)))
        piece = draw(
            st.text(max_size=5) | st.sampled_from([text[start:end] * 2, "", "\x00", "9" * 40])
        )
        return text[:start] + piece + text[end:]

    return changed()
