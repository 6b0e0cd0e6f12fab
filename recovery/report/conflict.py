"""Where a given truth lies so far out in its prior that the two are in conflict."""

from recovery.report.view import View


def conflicts(view: View) -> list[tuple[int, str]]:
    """Return the cells and parameters whose given truth lies far out in the prior."""
    return [key for key, place in view.places.items() if place.conflict and key in view.groups]


def cells_in_conflict(view: View) -> set[int]:
    """Return the cells where any given truth lies far out in the prior."""
    return {position for position, _ in conflicts(view)}
