"""The same loop with the chains of a fit in processes of their own, as many as there are cores.

That is what `pm.sample` does if nothing is said.
"""

from peers import base, pymc_loop


class Peer(pymc_loop.Peer):
    """Chains beside each other."""

    def __init__(self, task: base.Task) -> None:
        super().__init__(task)
        self.cores = task.workers
