"""Gates: limits with stated error rates, by which a run, or two of them, are judged.

A gate judges every parameter and cell by a test in three ways (`recovery.equivalence`). It fails if
one is shown to be beyond its limit, passes if all are shown to be within, and is inconclusive else.
`limits` has what each gate promises; `ranks`, `estimates`, `shares`, `counts`, `against` and
`costs` what is behind them, `rows` how rows make a verdict, and `judging` puts all together.
"""

from typing import TYPE_CHECKING, Any

from recovery.gates.verdict import Outcome, Verdict, exit_code

if TYPE_CHECKING:
    from recovery.gates.judging import chances, check, without_baseline

__all__ = ["Outcome", "Verdict", "chances", "check", "exit_code", "without_baseline"]


def __getattr__(name: str) -> Any:
    """Import what judges when it is first used (PEP 562): a policy is read without pandas."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from recovery.gates import judging

    return getattr(judging, name)
