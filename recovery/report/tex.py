r"""Text as LaTeX that acts on nothing, whatever engine and fonts a paper is made with."""

import re
import string
import unicodedata
from typing import Final

from recovery.inert import plain

GLYPH: Final = r"""\providecommand{\recoveryglyph}[2]{\ifdefined\Umathcode#1\else[#2]\fi}"""
"""What other characters need: engines with Unicode fonts print them, pdfTeX their number."""

_PLAIN: Final = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    # A shorthand of babel in some languages, and a half of ligatures.
    '"': r"\char34{}", "`": r"\char96{}",
    "\u00a0": "~", "\u2013": r"\textendash{}", "\u2014": r"\textemdash{}",
    "\u2018": r"\textquoteleft{}", "\u2019": r"\textquoteright{}",
    "\u201c": r"\textquotedblleft{}", "\u201d": r"\textquotedblright{}",
    "\u2026": r"\ldots{}", "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}",
    "Œ": r"\OE{}", "ø": r"\o{}", "Ø": r"\O{}", "ł": r"\l{}", "Ł": r"\L{}", "\u0131": r"\i{}",
}  # fmt: skip
_MATH: Final = {
    "±": r"\pm", "−": "-", "×": r"\times", "·": r"\cdot", "∞": r"\infty",  # noqa: RUF001
    "≤": r"\leq", "≥": r"\geq", "≠": r"\neq", "≈": r"\approx", "√": r"\surd", "∂": r"\partial",
    "∆": r"\Delta", "∑": r"\Sigma", "µ": r"\mu", "°": r"^{\circ}", "→": r"\rightarrow",
    "←": r"\leftarrow", "▲": r"\uparrow", "▼": r"\downarrow", "ς": r"\varsigma", "ο": "o",  # noqa: RUF001
    **{chr(0x2080 + i): f"_{{{i}}}" for i in range(10)},
    **{"⁰¹²³⁴⁵⁶⁷⁸⁹"[i]: f"^{{{i}}}" for i in range(10)},
}  # fmt: skip
_GREEK: Final = {
    "small": "alpha beta gamma delta epsilon zeta eta theta iota kappa lamda mu nu xi pi rho sigma "
    "tau upsilon phi chi psi omega".split(),
    "capital": "gamma delta theta lamda xi pi sigma upsilon phi psi omega".split(),
}
_ACCENTS: Final = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u",
    "\u0307": ".", "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0323": "d",
    "\u0327": "c",
}  # fmt: skip
_SAFE: Final = frozenset(string.ascii_letters + string.digits + " ./()=+@,'!?:;*[]-")


def tex(text: object) -> str:
    r"""Return text as LaTeX: every character of it is printed and none is obeyed.

    Characters that plain LaTeX fonts lack are written with ``\recoveryglyph``, see `GLYPH`.
    """
    composed = unicodedata.normalize("NFC", plain(text))
    composed = re.sub(r"(?<=\d) %", "\u00a0%", composed)
    written = ""
    for before, character, after in zip(" " + composed, composed, composed[1:] + " ", strict=False):
        if character == " " == before:
            written += "\\ "  # spaces fall together otherwise
        elif character in "-'," and after == character:
            written += character + "{}"  # two of them are one character
        else:
            written += _character(character)
    # What begins a row would belong to the end of the one before.
    return f"{{{written[0]}}}{written[1:]}" if written.startswith(("[", "*")) else written


def _character(character: str) -> str:
    if character in _SAFE:
        return character
    if character in _PLAIN:
        return _PLAIN[character]
    symbol = _MATH.get(character) or _greek(character)
    if symbol:
        return f"${{}}{symbol}$" if symbol[0] in "^_" else f"${symbol}$"
    parts = unicodedata.normalize("NFD", character)
    base, mark = parts[0], _ACCENTS.get(parts[1:])
    if mark is not None and base in string.ascii_letters:
        return f"\\{mark}{{{base}}}"
    if unicodedata.category(character).startswith(("C", "Z")):
        return f"[U+{ord(character):04X}]"  # nobody sees it
    return f"\\recoveryglyph{{{character}}}{{U+{ord(character):04X}}}"


def _greek(character: str) -> str:
    words = unicodedata.name(character, "").lower().split()
    if len(words) == 4 and words[0] == "greek" and words[2] == "letter":
        letter = words[3].replace("lamda", "lambda")
        if words[3] in _GREEK.get(words[1], ()):
            return "\\" + (letter.capitalize() if words[1] == "capital" else letter)
    return ""


def slug(text: object) -> str:
    """Return text as a part of a label: lower case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", plain(text).lower()).strip("-")[:60].strip("-")
