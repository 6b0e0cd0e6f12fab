"""Text that others wrote, made inert for wherever it is shown."""

import unicodedata

_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def plain(value: object, *, lines: bool = False) -> str:
    """Return text without control characters, for names and messages that others wrote.

    Parameters
    ----------
    value : object
        Anything; its `str` is taken.
    lines : bool
        Keep line ends and tabs, as in a traceback; otherwise they become spaces.
    """
    text = str(value).encode("utf-8", "replace").decode("utf-8")
    kept = []
    for character in text:
        if character in "\t\n\r\x0b\x0c\x85\u2028\u2029":
            kept.append(character if lines and character in "\t\n" else " ")
        elif unicodedata.category(character) != "Cc" and character not in _BIDI:
            kept.append(character)
    return "".join(kept)
