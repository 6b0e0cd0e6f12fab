"""What the threads of a runner are at is on file while they are at it, and no longer."""

from pathlib import Path

import pytest

from recovery.execution.underway import FILE_NAME, UnderWay

KEYS = [f"{'0' * 15}{i}-42-{i}" for i in range(8)]


def test_what_was_under_way_when_a_runner_died_is_suspected_by_the_next(tmp_path: Path) -> None:
    with UnderWay(tmp_path) as dying, dying.at(KEYS[0]), dying.at(f"{KEYS[2]}-refit"):
        with dying.at(KEYS[1]):
            pass
        # Were it to die now, without a chance to tidy up.
        assert UnderWay(tmp_path).suspects == {KEYS[0], f"{KEYS[2]}-refit"}


def test_a_runner_that_ends_in_good_order_leaves_no_suspects_and_no_file(tmp_path: Path) -> None:
    with UnderWay(tmp_path) as under_way, under_way.at(KEYS[0]):
        assert (tmp_path / FILE_NAME).exists()
    assert not (tmp_path / FILE_NAME).exists()


def test_suspects_stay_on_file_until_they_are_done(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(f"{KEYS[0]}\n")
    with UnderWay(tmp_path) as second:
        assert second.suspects == {KEYS[0]}
        assert UnderWay(tmp_path).suspects == {KEYS[0]}  # were it to die now
        second.done([KEYS[0], KEYS[1]])
        assert UnderWay(tmp_path).suspects == set()


@pytest.mark.parametrize("content", [b"", b"\0" * 500, b"../../etc/passwd\n", b"\xff" * 96])
def test_a_file_of_anything_else_suspects_nobody(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    assert UnderWay(tmp_path).suspects == set()


def test_a_link_in_its_place_is_neither_read_nor_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text(f"{KEYS[0]}\n")
    (tmp_path / FILE_NAME).symlink_to(other)
    with UnderWay(tmp_path) as under_way, under_way.at(KEYS[1]):
        assert under_way.suspects == set()
    assert other.read_text() == f"{KEYS[0]}\n"


def test_where_it_cannot_be_written_the_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with UnderWay(tmp_path) as under_way, under_way.at(KEYS[0]):
        pass
    assert under_way.suspects == set()
