"""The git repository of a policy: its commits, its state, and another commit beside it."""

import contextlib
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recovery.errors import RepositoryError
from recovery.inert import plain

_ABOUT_ONE_REPOSITORY: Final = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY",
    "GIT_COMMON_DIR",
)  # fmt: skip
_CHUNK: Final = 2**20


@dataclass(frozen=True, slots=True)
class Repository:
    """A git repository with what is checked out in it.

    Attributes
    ----------
    root : pathlib.Path
        Of what is checked out.
    """

    root: Path

    @classmethod
    def around(cls, folder: Path) -> "Repository":
        """Find the repository that a folder lies in.

        Raises
        ------
        RepositoryError
            If there is none, or git is missing or refuses it.
        """
        try:
            found = _git(folder, "rev-parse", "--show-toplevel")
        except _Refused as error:
            raise RepositoryError(
                f"{folder}: no git repository that can be used ({error}); --base needs one that "
                "the policy lies in"
            ) from error
        if not found:
            raise RepositoryError(f"{folder}: lies in a git repository without a work tree; "
                                  "use a clone that has one")  # fmt: skip
        return cls(Path(found).resolve())

    def commit(self, ref: str) -> str:
        """Return the 40 digits of a commit.

        Raises
        ------
        RepositoryError
            If there is no such commit.
        """
        try:
            return _git(self.root, "rev-parse", "--verify", "--quiet", "--end-of-options",
                        f"{ref}^{{commit}}")  # fmt: skip
        except _Refused:
            raise RepositoryError(
                f"--base {ref}: {self.root} has no such commit; give a branch, tag or commit, and "
                "fetch it first where the clone is a shallow one (git fetch origin BRANCH)"
            ) from None

    def state(self, besides: Path) -> str:
        """Identify what is checked out: the commit, and what was changed since.

        Of files that git does not track, Python files count.

        Parameters
        ----------
        besides : pathlib.Path
            A folder that does not count: what is written there is no part of the code.
        """
        try:
            commit = _git(self.root, "rev-parse", "--verify", "--quiet", "HEAD")
        except _Refused:  # nothing is committed yet
            commit = ""
        but = [":/", f":(exclude,top,literal){_inside(besides, self.root)}"]
        changed = hashlib.blake2b(digest_size=16)
        with contextlib.suppress(_Refused):
            if commit:
                changed.update(_git(self.root, "diff", "HEAD", "--binary", "--no-ext-diff",
                                    "--no-textconv", "--", *but)
                               .encode(errors="surrogateescape"))  # fmt: skip
            others = _git(self.root, "ls-files", "-z", "--others", "--exclude-standard", "--", *but)
            for name in sorted(others.split("\0")):
                if name.endswith(".py"):
                    changed.update(os.fsencode(name) + _content(self.root / name))
        return f"{commit}+{changed.hexdigest()}"

    @contextmanager
    def checked_out(self, commit: str, folder: Path) -> Iterator[Path]:
        """Have a commit in a folder of its own, which is removed at the end.

        Hooks of the repository are not run.

        Raises
        ------
        RepositoryError
            If git cannot check it out.
        """
        try:
            try:
                _git(self.root, "-c", f"core.hooksPath={os.devnull}", "worktree", "add",
                     "--detach", str(folder), commit)  # fmt: skip
            except _Refused as error:
                raise RepositoryError(
                    f"{self.root}: commit {commit[:12]} cannot be checked out ({error}); see "
                    "whether git worktree add does it"
                ) from error
            yield folder.resolve()
        finally:
            with contextlib.suppress(_Refused):
                _git(self.root, "worktree", "remove", "--force", "--force", str(folder))
            shutil.rmtree(folder, ignore_errors=True)
            with contextlib.suppress(_Refused):
                _git(self.root, "worktree", "prune")


class _Refused(Exception):
    """Git ended with an error; the text says how."""


def _git(folder: Path, *words: str) -> str:
    """Run git and return what it says."""
    # A hook that runs this program names its own repository in the environment.
    own = {k: v for k, v in os.environ.items() if k not in _ABOUT_ONE_REPOSITORY}
    try:
        # Its words are ours, but for a reference that no option can hide in.
        ended = subprocess.run(  # noqa: S603  (see above)
            ["git", "-C", str(folder), *words],  # noqa: S607  (git is found on the PATH)
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            env={**own, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
            # Ctrl-C is not for git, which has a worktree to leave in order.
            process_group=0,
        )
    except OSError as error:
        raise _Refused(f"git cannot be run: {error.strerror}") from error
    if ended.returncode:
        lines = plain(ended.stderr.decode(errors="replace"), lines=True).strip().splitlines()
        said = next((line for line in lines if line.startswith(("fatal:", "error:"))), "")
        raise _Refused(said or f"git {words[0]} ended with {ended.returncode}")
    return ended.stdout.decode(errors="surrogateescape").strip("\n")


def _content(file: Path) -> bytes:
    """Return the digest of a file; of one that cannot be read, none."""
    found = hashlib.blake2b(digest_size=16)
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                found.update(chunk)
    except OSError:
        return b""
    return found.digest()


def _inside(folder: Path, root: Path) -> str:
    """Return where a folder lies in the repository; of one outside, a place where nothing is."""
    resolved = folder.resolve()
    return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else ".git"
