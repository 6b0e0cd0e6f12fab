"""A process of several threads, fed from an agenda."""

from recovery.agenda import Agenda
from recovery.design import Replicate
from recovery.execution.intake import Outbox
from recovery.execution.interpreter import Died, Interpreter, Package


class Member:
    """A process of threads that takes replicates from an agenda; use it in one thread.

    Parameters
    ----------
    package : Package
    threads : int

    Raises
    ------
    WorkerDied
        If the process cannot be started.
    """

    def __init__(self, package: Package, threads: int) -> None:
        self.threads = threads
        self._interpreter = Interpreter(package, threads, stages=False)

    def warm_up(self, replicate: Replicate) -> bool:
        """Let it compile what this replicate needs; say whether it survived."""
        try:
            self._interpreter.send(replicate, fit=False)
            self._interpreter.receive()
        except Died:
            return False
        return True

    def run(self, agenda: Agenda, outbox: Outbox) -> list[Replicate]:
        """Feed it from an agenda until that is empty, or it dies.

        No more is sent than it has threads: what waits here can still be stopped.

        Returns
        -------
        list of Replicate
            What was under way when it died: one of them may be why.
        """
        under_way: dict[str, Replicate] = {}
        try:
            while True:
                while len(under_way) < self.threads:
                    replicate = agenda.take(wait=not under_way)
                    if replicate is None:
                        break
                    under_way[replicate.key] = replicate
                    self._interpreter.send(replicate)
                if not under_way:
                    return []
                record = self._interpreter.receive()
                del under_way[record.key]
                outbox.put(record)
        except Died:
            return list(under_way.values())

    def end(self) -> None:
        """End it, whatever it is doing."""
        self._interpreter.end()

    def close(self) -> None:
        """Kill it, from any thread; whoever feeds it learns that it died."""
        self._interpreter.kill()
