"""What differs in how two runs were set up, in words."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from recovery.comparison.matching import Matching
from recovery.comparison.side import Side
from recovery.inert import plain

_SHOWN: Final = 3  # values of one run that are named
_LONGEST: Final = 120
_OF_CELLS: Final = ("draws", "tune", "chains", "target_accept", "ess", "sampler")
_OF_PROBLEMS: Final = {
    "truth": "truth of {}",
    "coords": "coords of {}",
    "data": "the values of {}",
    "covariates": "how {} is drawn",
    "predict": "prediction data {}",
}


@dataclass(frozen=True, slots=True)
class Differing:
    """One thing that is not the same in both runs.

    Attributes
    ----------
    what : str
    base, head : str
        What it is in each; empty where `what` says it all.
    """

    what: str
    base: str
    head: str

    @property
    def sentence(self) -> str:
        """The difference in words."""
        if not (self.base or self.head):
            return self.what
        return f"{self.what}: {self.base or 'none'} → {self.head or 'none'}"


def differing(matching: Matching) -> tuple[Differing, ...]:
    """Return what differs between the set-ups of two runs, what matters most first.

    Scenario, model and priors, sampler settings, seeds, levels, versions, code and machine. Of a
    run of several sessions everything that it was made with counts.

    Parameters
    ----------
    matching : Matching
    """
    base, head = matching.base, matching.head
    found = [
        *_compared("scenario", base.results.identity, head.results.identity),
        *_problems(matching),
        *_settings(matching),
        *_compared("seed", base.results.identity, head.results.identity),
        *_levels(matching),
        *_sessions(base, head),
    ]
    return tuple(dict.fromkeys(found))


def _compared(name: str, base: Mapping[str, Any], head: Mapping[str, Any]) -> Iterator[Differing]:
    one, other = base.get(name), head.get(name)
    if one != other:
        yield Differing(plain(name), _words([one]), _words([other]))


def _problems(matching: Matching) -> Iterator[Differing]:
    base, head = matching.base, matching.head
    digests = [side.results.cells["cell"].tolist() for side in (base, head)]
    for cell in matching.cells:
        one = base.results.problems[digests[0][cell.base]]
        other = head.results.problems[digests[1][cell.head]]
        lines = list(_entries("model variable {}", one.get("model"), other.get("model")))
        yield from lines
        for field, words in _OF_PROBLEMS.items():
            yield from _entries(words, one.get(field), other.get(field))
        graphs = [(p.get("graph_of"), p.get("graph")) for p in (one, other)]
        comparable = graphs[0][0] == graphs[1][0]
        if comparable and graphs[0] != graphs[1] and not lines:
            yield Differing("the model's computations, priors or constants differ", "", "")
        if one.get("generator") != other.get("generator"):
            yield Differing("the generators of the data differ", "", "")
    # What a reader is shown of the model of the first cell: its priors with their numbers.
    shown = [_portrait(side) for side in (base, head)]
    yield from _entries("distribution of {}", *shown)


def _portrait(side: Side) -> dict[str, Any]:
    sessions = side.results.sessions
    model = sessions[-1].get("model") if sessions else None
    return {name: line.get("distribution", "") for name, line in (model or {}).items()}


def _entries(words: str, one: Any, other: Any) -> Iterator[Differing]:
    """Compare two mappings entry by entry."""
    one, other = one or {}, other or {}
    for name in dict.fromkeys([*one, *other]):
        if one.get(name) != other.get(name):
            values = [_words([side.get(name)]) for side in (one, other)]
            yield Differing(words.format(plain(name)), *values)


def _settings(matching: Matching) -> Iterator[Differing]:
    base, head = matching.base, matching.head
    for name in _OF_CELLS:
        if name in matching.axes:
            continue
        sides = [
            _values(side.results.settings[position].get(name) for position in positions)
            for side, positions in (
                (base, [cell.base for cell in matching.cells]),
                (head, [cell.head for cell in matching.cells]),
            )
        ]
        if sides[0] != sides[1]:
            yield Differing(name, _words(sides[0]), _words(sides[1]))
    own = {"scenario", "axes", "seed", *_OF_CELLS}
    rest = [{k: v for k, v in s.results.identity.items() if k not in own} for s in (base, head)]
    yield from _entries("parameters of {}", *rest)


def _levels(matching: Matching) -> Iterator[Differing]:
    for axis, why in matching.ignored.items():
        yield Differing(f"axis {plain(axis)} is left aside: {why}", "", "")
    for side, which in ((matching.base, "base"), (matching.head, "head")):
        alone = matching.alone(side)
        if alone:
            words = _words(list(alone), sep="; ")
            yield Differing(f"cells only in {which} ({len(alone)}): {words}", "", "")


def _sessions(base: Side, head: Side) -> Iterator[Differing]:
    told = [side.results.sessions for side in (base, head)]
    names = dict.fromkeys(
        name for sessions in told for one in sessions for name in one.get("packages") or {}
    )
    for name in names:
        yield from _between(name, told, lambda s, name=name: (s.get("packages") or {}).get(name))
    yield from _between("python", told, lambda s: s.get("python"))
    yield from _between("git commit", told, lambda s: s.get("git_commit"))
    yield from _between(
        "text of the scenario's file", told,
        lambda s: ((s.get("scenario") or {}).get("source_digest") or "")[:8],
    )  # fmt: skip
    for part in ("processor", "cores", "system"):
        yield from _between(
            f"machine's {part}", told, lambda s, part=part: (s.get("machine") or {}).get(part)
        )


def _between(what: str, told: list[list[dict[str, Any]]], value: Any) -> Iterator[Differing]:
    one, other = (_values(value(session) for session in sessions) for sessions in told)
    if one != other:
        yield Differing(plain(what), _words(one), _words(other))


def _values(values: Iterable[Any]) -> list[Any]:
    """Return the values once each, in their order; none for those that are not known."""
    found: list[Any] = []
    for value in values:
        if value not in (None, "") and value not in found:
            found.append(value)
    return found


def _words(values: list[Any], sep: str = ", ") -> str:
    """Write values for a sentence, cut where they are long or many."""
    words = [
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for value in values
        if value is not None
    ]
    text = sep.join(plain(word) for word in words[:_SHOWN])
    if len(words) > _SHOWN:
        text += f" and {len(words) - _SHOWN} more"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
