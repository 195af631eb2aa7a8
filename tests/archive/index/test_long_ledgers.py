"""What is asked of a box's ledger in the index costs the same however long it has become."""

from pathlib import Path

from handschlag_archive.index import Index, Line

BOX = "werkstatt-1"
ASKED = 20


def _steps(folder: Path, length: int) -> int:
    """How much SQLite does to look up the newest lines in a ledger of that length (hundreds of its instructions)."""
    index = Index.in_folder(folder / str(length))
    lines = [Line(seq, f"{seq:064x}", f"{seq - 1:064x}", b"{}") for seq in range(1, length + 1)]
    done = 0

    def step() -> int:
        nonlocal done
        done += 1
        return 0

    with index.transaction() as transaction:
        transaction.add_ledger(BOX, lines)
        driver = transaction._connection.connection.driver_connection
        assert driver is not None
        driver.set_progress_handler(step, 100)
        found = transaction.lines_by_number(BOX, [line.seq for line in lines[-ASKED:]])
        driver.set_progress_handler(None, 0)
    index.close()
    assert found == {line.seq: {line.sha256} for line in lines[-ASKED:]}
    return done


def test_looking_up_lines_does_not_read_the_whole_ledger(tmp_path: Path) -> None:
    """A ledger that is thirty times as long is not thirty times the work: each group of lines asks this."""
    assert _steps(tmp_path, 6000) <= 2 * _steps(tmp_path, 200)
