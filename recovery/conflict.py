"""Whether a store is of this design: a field-by-field comparison, whatever its levels."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from recovery.errors import StoreConflict
from recovery.store import Store

_WAY_OUT: Final = "Use another --out, or --fresh to begin again (the old store is kept beside it)"


def refuse_another_run(
    store: Store,
    identity: Mapping[str, Any],
    descriptions: Mapping[str, Mapping[str, Any]],
    way_out: str = _WAY_OUT,
) -> None:
    """Check that a store is of this design, whatever levels and replicates it has.

    Parameters
    ----------
    store : Store
    identity : mapping
        What must be the same in every session, by field.
    descriptions : mapping
        What the problem of each stored cell is now, by the cell's digest.
    way_out : str
        What to do then.

    Raises
    ------
    StoreConflict
        With every field that differs.
    """
    there = store.identity()
    if not there:
        return
    here = json.loads(json.dumps(identity))
    differences = list(_differences("", there, here))
    for cell in store.cells():
        description = descriptions.get(cell["digest"])
        if description is None:
            continue
        old, new = dict(cell["problem"]), json.loads(json.dumps(description))
        if old.get("graph_of") != new.get("graph_of"):
            old, new = _without_graphs(old), _without_graphs(new)
        found = list(_differences("", old, new))
        if found:
            levels = " ".join(f"{k}={v}" for k, v in cell["levels"].items())
            differences += [f"{text} (at {levels})" for text in found]
            break
    if differences:
        raise StoreConflict(
            f"{store.folder}: holds another run; it differs in {'; '.join(differences)}. {way_out}"
        )


def refuse_changed_quantities(store: Store, asked: Mapping[str, Mapping[str, str]]) -> None:
    """Check that a test quantity computes what the quantity of that name in the store does.

    Parameters
    ----------
    store : Store
    asked : mapping
        What each test quantity computes, by name, by the cell's digest; see
        `recovery.engine.describe.describe_quantities`.

    Raises
    ------
    StoreConflict
        Naming the quantity.
    """
    there = store.quantities()
    for cell, quantities in asked.items():
        for name, here in quantities.items():
            old = there.get(cell, {}).get(name, here)
            # The code of two versions of Python does not compare; a text always does.
            kinds = {text.partition(":")[0] for text in (old, here)}
            if old != here and (len(kinds) == 1 or "text" in kinds):
                raise StoreConflict(
                    f"{store.folder}: test quantity {name!r} computes something else than the one "
                    "of that name in the store; give it another name, which adds it"
                )


def _without_graphs(problem: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what another version writes otherwise for the same graph: it says nothing then."""
    kept = {
        name: value
        for name, value in problem.items()
        if name not in ("graph", "graph_of", "covariates", "predict")
    }
    if "generator" in kept:
        kept["generator"] = _without_graphs(kept["generator"])
    return kept


def _differences(path: str, old: Any, new: Any) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in [*old, *(name for name in new if name not in old)]:
            place = f"{path}.{name}" if path else name
            yield from _differences(place, old.get(name), new.get(name))
    elif old != new and path in ("graph", "generator.graph"):
        model = "model" if path == "graph" else "generator"
        yield f"{path}: the {model} computes something else (a prior, a density or a constant)"
    elif old != new:
        yield f"{path}: {json.dumps(old)} there, {json.dumps(new)} here"
