import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usher.names import is_group_name, is_printable_id

# A name, and another one that looks the same, or like nothing.
LOOK_ALIKES = {
    "Hangul filler": "\u3164",
    "halfwidth Hangul filler": "ana\uffa0",
    "Hangul choseong filler": "\u115f",
    "combining grapheme joiner": "ana\u034f",
    "Khmer inherent vowel": "ana\u17b4",
    "Mongolian variation selector": "ana\u180b",
    "variation selector": "ana\ufe0f",
    "variation selector 17": "ana\U000e0100",
    "language tag": "ana\U000e0041",
    "Braille blank": "ana\u2800",
    "zero-width space": "a\u200bna",
    "zero-width joiner": "a\u200dna",
    "soft hyphen": "a\u00adna",
    "byte order mark": "\ufeffana",
    "right-to-left override": "\u202eana",
    "no-break space": "ana\u00a0ana",
    "space at the end": "ana ",
    "space at the start": " ana",
    "NUL": "ana\x00",
    "line break": "ana\n",
    "private use": "ana\ue000",
    "private use, plane 16": "ana\U0010fffd",
    "unassigned": "ana\u0378",
    "surrogate": "ana\ud800",
    "form NFD": "n\u0303andu\u0301",
    "Kelvin sign, which NFC replaces": "\u212aarl",
    "empty": "",
}


@pytest.mark.parametrize("name", LOOK_ALIKES.values(), ids=LOOK_ALIKES)
def test_names_that_look_like_another_name(name: str) -> None:
    assert not is_printable_id(name)
    assert not is_group_name(name)


@pytest.mark.parametrize(
    "name", ["ana", "Ñandú 日本", "a b", "'\"<&>", "한글", "😀", "guest-0", "aad:1"]
)
def test_names_in_any_script(name: str) -> None:
    assert is_printable_id(name)
    assert is_group_name(name)


@given(st.text(st.characters(categories=["L", "M", "N", "P", "S", "Zs", "C"])))
def test_a_name_is_what_it_looks_like(name: str) -> None:
    """Nothing that a reader cannot see is in it, and no normal form changes it."""
    if is_printable_id(name):
        assert name == name.strip() == unicodedata.normalize("NFC", name)
        categories = {unicodedata.category(letter) for letter in name}
        assert not categories & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
        assert {letter for letter in name if letter.isspace()} <= {" "}


def test_every_variation_selector_and_hangul_filler_is_refused() -> None:
    """The ones that this Python's Unicode knows; the ranges in the code are from Unicode itself."""
    hidden = [
        letter
        for letter in map(chr, range(sys.maxunicode + 1))
        if re.search(r"VARIATION SELECTOR|HANGUL.* FILLER", unicodedata.name(letter, ""))
    ]
    assert len(hidden) > 256
    assert [each for each in hidden if is_printable_id(f"a{each}a")] == []
