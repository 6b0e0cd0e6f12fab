"""Text that others wrote, made to act on nothing: no terminal, no page, no spreadsheet."""

import re

_ENDS = "\t\n\r\x0b\x0c\x85\u2028\u2029"
_ENDS_OF_LINES = re.compile(f"[{_ENDS}]")
_OTHER_ENDS = re.compile("[\r\x0b\x0c\x85\u2028\u2029]")
# Control characters, and those that turn the direction of the text around.
_ACTIVE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]"
)


def plain(value: object, *, lines: bool = False) -> str:
    """Return text without control characters, for names and messages that others wrote.

    Parameters
    ----------
    value : object
        Anything; its `str` is taken.
    lines : bool
        Keep line ends and tabs, as in a traceback; otherwise they become spaces.
    """
    text = (_OTHER_ENDS if lines else _ENDS_OF_LINES).sub(" ", str(value))
    return encodable(_ACTIVE.sub("", text))


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is, on one line and within one cell of a table."""
    line = " ".join(text.split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace("@", "&#64;")
    line = re.sub(r"([\\`*|~$])", r"\\\1", line)
    # An underscore within a word, and brackets that no link follows, are text as they are.
    line = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\_", line)
    return re.sub(r"\](?=[(\[:])", r"\]", line)


def encodable(text: str) -> str:
    """Return text with a question mark for each half of a character, which no file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def message(error: BaseException) -> str:
    """Return the message of any exception on one line, even of one that cannot say it."""
    try:
        # A panic in compiled code brings pages of native frames along.
        text = " ".join(str(error).partition("Stack backtrace")[0].split())
    except KeyboardInterrupt:
        raise
    except BaseException:  # the user's own exception may raise anything
        return "(no message)"
    return encodable(text)


def said(error: BaseException) -> str:
    """Return the type and the message of any exception on one line."""
    return f"{encodable(type(error).__name__)}: {message(error)}"
