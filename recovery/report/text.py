"""Numbers and names as text: pure functions, one format for every table."""

import math
import re

from recovery.inert import plain as plain  # where reports look for it

MISSING = "–"  # noqa: RUF001  (a dash in a table, not a minus sign)


def level(value: object) -> str:
    """Write a level of an axis."""
    if isinstance(value, float):
        return "None" if math.isnan(value) else f"{value:.10g}"
    return plain(value)


def number(value: float, digits: int = 4) -> str:
    """Write a number with so many significant digits; whole from 1000 on."""
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return _minus("∞" if value > 0 else "-∞")
    size = abs(value)
    if size >= 1e7 or 0 < size < 1e-4:
        return _minus(f"{value:.{digits - 1}g}")
    return _minus(f"{value:,.0f}" if size >= 1000 else f"{value:.{digits}g}")


def with_error(estimate: float, mcse: float) -> str:
    """Write an estimate to the second digit of its Monte Carlo standard error, and the error."""
    if not math.isfinite(estimate):
        return number(estimate)
    if not math.isfinite(mcse):
        return f"{number(estimate)} ± n/a"
    decimals = 1 - math.floor(math.log10(mcse)) if mcse > 0 else 4
    if decimals > 8 or abs(estimate) >= 1e7 or mcse >= 1e7:
        return f"{number(estimate)} ± {number(mcse, 2)}"
    places = max(decimals, 0)
    rounded = round(estimate, places) or 0.0  # no negative zero
    return _minus(f"{rounded:,.{places}f} ± {mcse:,.{places}f}")


def share(value: float, digits: int = 2) -> str:
    """Write a share between 0 and 1 with fixed decimals, never rounded to a certainty."""
    if math.isnan(value):
        return MISSING
    text = f"{value:.{digits}f}"
    least = 10.0**-digits
    if 0 < value < 1 and float(text) in (0.0, 1.0):
        return f"<{least:g}" if float(text) == 0 else f">{1 - least:g}"
    return text


def probability(value: float) -> str:
    """Write a p value or tail probability; what is below 0.001 says only that."""
    if math.isnan(value):
        return MISSING
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def seconds(value: float) -> str:
    """Write a duration in the unit that suits it."""
    if math.isnan(value):
        return MISSING
    for limit, factor, unit in ((1, 1e-3, "ms"), (120, 1, "s"), (7200, 60, "min")):
        if value < limit:
            return f"{_three(value / factor)} {unit}"
    return f"{_three(value / 3600)} h"


def _three(value: float) -> str:
    return f"{value:,.0f}" if value >= 999.5 else f"{value:#.3g}".rstrip(".") if value else "0"


def count(n: int, singular: str, plural: str | None = None) -> str:
    """Write a number of things: ``1 fit``, ``2 fits``."""
    return f"{n:,} {singular if n == 1 else plural or singular + 's'}"


def listed(words: list[str]) -> str:
    """Join words with commas and a last *and*."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _minus(text: str) -> str:
    return re.sub(r"(?<![0-9e])-", "−", text)  # noqa: RUF001  (a minus sign is meant)
