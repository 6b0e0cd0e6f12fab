"""A peer in a process of its own: ``python -m peers.serve NAME FILE_DESCRIPTOR``."""

import importlib
import sys
from multiprocessing.connection import Connection

from peers import PEERS


def serve(name: str, pipe: Connection) -> None:
    """Say what is wrong, or introduce yourself and then fit as told."""
    try:
        peer = importlib.import_module(PEERS[name]).Peer(pipe.recv())
        pipe.send(peer.introduce())
        while True:
            count = max(pipe.recv() // peer.batch, 1) * peer.batch
            pipe.send((count, peer.seconds(count)))
    except EOFError:
        return  # nobody asks any more
    except ModuleNotFoundError as error:
        pipe.send(f"not installed, skipped (no module {error.name})")
    except Exception as error:
        pipe.send(f"failed: {type(error).__name__}: {' '.join(str(error).split())[:160]}")
        raise


if __name__ == "__main__":
    serve(sys.argv[1], Connection(int(sys.argv[2])))
