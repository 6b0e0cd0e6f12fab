"""``python -m recovery``."""

from recovery.cli import entry

if __name__ == "__main__":
    entry()
