"""A base commit is checked out beside what is there, and leaves nothing behind."""

from pathlib import Path

import pytest
from interleaved.conftest import Project

from recovery.errors import RepositoryError
from recovery.interleaved.repository import Repository


def test_a_commit_is_checked_out_elsewhere_and_removed_whatever_happens(
    project: Project, tmp_path: Path
) -> None:
    project.write("line.py", "changed")
    repository = Repository.around(project.folder)
    assert repository.root == project.root.resolve()
    with pytest.raises(KeyboardInterrupt), repository.checked_out("main", tmp_path / "b") as there:
        assert (there / "checks" / "line.py").read_text().startswith("\nimport os")
        (there / "new").write_text("what a run leaves")
        raise KeyboardInterrupt
    assert not (tmp_path / "b").exists()
    assert project.worktrees() == 1
    assert (project.folder / "line.py").read_text() == "changed"


def test_hooks_are_not_run_for_it(project: Project, tmp_path: Path) -> None:
    hook = project.root / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    with Repository(project.root).checked_out("main", tmp_path / "b"):
        pass
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("ref", ["nowhere", "--all", "", "main:checks", "main..main"])
def test_what_is_no_commit_is_refused_with_a_way_out(project: Project, ref: str) -> None:
    with pytest.raises(RepositoryError, match=r"has no such commit; .*git fetch origin"):
        Repository(project.root).commit(ref)


def test_a_folder_in_no_repository_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(RepositoryError, match="no git repository that can be used .*not a git"):
        Repository.around(tmp_path)


def test_a_repository_named_by_a_hook_is_not_taken_for_this_one(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert Repository.around(project.folder).root == project.root.resolve()


def test_the_state_is_that_of_the_code_and_not_of_what_was_written(project: Project) -> None:
    out = project.folder / "reports" / "ci"
    repository = Repository(project.root)
    states = [repository.state(out)]
    project.write("reports/ci/line/left.py", "written by a run")
    project.git("add", "--all", "--force")
    assert repository.state(out) == states[0]
    project.write("data.csv", "not tracked")
    assert repository.state(out) == states[0]
    for name, text in (("line.py", "changed"), ("line.py", "again"), ("helper.py", "new")):
        project.write(name, text)
        states.append(repository.state(out))
    states.append(repository.state(project.folder / "reports"))
    project.commit()
    states.append(repository.state(out))
    assert len(set(states)) == len(states) - 1  # what was left out twice is the same
