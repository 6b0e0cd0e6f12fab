"""What a command says of a run when it is done."""

from collections import Counter
from typing import Any

from recovery.inert import plain


def told(results: Any) -> int:
    """Say what the store holds, and why fits failed if any did."""
    failed = Counter((stage, error) for stage, error, _ in results.columns.failures.values())
    count, total = sum(failed.values()), len(results.columns)
    print(f"{total} replicates, {count} failed: {plain(results.folder / 'report.html')}")
    lost = results.quantity_failures.groupby("quantity", sort=False)["n"].sum()
    for quantity, times in lost.items():
        print(f"test quantity {plain(quantity)} failed in {times} complete fits; see the report")
    for (stage, error), times in failed.most_common(3):
        print(f"{times} failed at stage {stage}: {plain(error[:200])}")
    return 1 if count else 0
