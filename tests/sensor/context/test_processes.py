"""The table of processes."""

import os
from pathlib import Path

import pytest

from sensor.context.clock import ticks
from sensor.context.processes import KEPT_AFTER_EXIT, Processes

OFFSET = 1_700_000_000_000_000_000
TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def add(proc: Path, pid: int, ppid: int, start_ticks: int, name: str = "prog") -> None:
    folder = proc / str(pid)
    folder.mkdir(exist_ok=True)
    after = ["S", str(ppid), "1", "1", "0", "0", *["0"] * 13, str(start_ticks), "0"]
    (folder / "stat").write_text(f"{pid} ({name}) {' '.join(after)}\n")
    (folder / "cmdline").write_bytes(f"{name}\0-x\0".encode())


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    add(tmp_path, 1, 0, 10, "init")
    add(tmp_path, 50, 1, 500, "shell")
    (tmp_path / "meminfo").write_text("")
    return tmp_path


@pytest.fixture
def table(proc: Path) -> Processes:
    table = Processes(proc=proc, offset=OFFSET)
    table.seed_from_proc()
    return table


def test_what_runs_already_is_read_with_its_parents(table: Processes) -> None:
    shell = table.get(50)
    assert shell is not None
    assert shell.name == "shell"
    assert shell.parent is table.get(1)
    assert len(table) == 2


def test_an_event_makes_the_start_time_exact(table: Processes) -> None:
    seeded = table.get(50)
    observed = table.observe(50, 1, 500 * TICK + 123, 1000, 100)
    assert observed is seeded
    assert observed.start_time == OFFSET + 500 * TICK + 123
    assert observed.start_ticks == ticks(500 * TICK + 123) == 500
    assert (observed.uid, observed.gid) == (1000, 100)


def test_a_pid_that_is_given_out_anew_is_another_process(table: Processes, proc: Path) -> None:
    old = table.get(50)
    add(proc, 50, 1, 9000, "other")
    new = table.observe(50, 1, 9000 * TICK + 5, 0, 0)
    assert new is not old
    assert (new.name, new.start_ticks) == ("other", 9000)
    assert table.get(50) is new


def test_a_process_that_is_gone_before_it_can_be_read_is_known_by_its_event(table: Processes) -> None:
    process = table.observe(777, 50, 600 * TICK + 1, 33, 34)
    assert (process.pid, process.ppid, process.uid, process.gid) == (777, 50, 33, 34)
    assert process.start_time == OFFSET + 600 * TICK + 1
    assert process.exe is None
    assert process.parent is table.get(50)


def test_another_process_with_the_same_pid_in_proc_is_not_mistaken_for_it(table: Processes, proc: Path) -> None:
    add(proc, 777, 1, 9999, "later")
    process = table.observe(777, 50, 600 * TICK, 0, 0)
    assert process.name is None
    assert process.start_ticks == 600


def test_a_child_is_as_its_maker_but_for_its_identity(table: Processes) -> None:
    parent = table.get(50)
    assert parent is not None
    parent.cwd, parent.tty = "/srv", 34816
    child = table.forked(parent, 51, 50, 700 * TICK + 9, 2)
    assert (child.pid, child.tid, child.ppid, child.vpid) == (51, 51, 50, 2)
    assert (child.start_time, child.start_ticks) == (OFFSET + 700 * TICK + 9, 700)
    assert (child.exe, child.args, child.cwd, child.tty) == (parent.exe, parent.args, "/srv", 34816)
    assert child.parent is parent
    assert table.observe(51, 50, 700 * TICK + 9, 0, 0) is child


def test_a_child_with_another_parent_gets_that_one(table: Processes) -> None:
    maker = table.get(50)
    assert maker is not None
    assert table.forked(maker, 51, 1, 700 * TICK, 51).parent is table.get(1)


def test_an_orphan_moves_to_the_parent_its_events_name(table: Processes) -> None:
    parent = table.get(50)
    assert parent is not None
    child = table.forked(parent, 51, 50, 700 * TICK, 51)
    table.exited(parent)
    assert table.observe(51, 1, 700 * TICK, 0, 0).parent is table.get(1)
    assert child.ppid == 1


def test_who_has_ended_stays_a_moment_and_then_goes(table: Processes) -> None:
    init = table.get(1)
    assert init is not None
    first = table.forked(init, 1000, 1, 1, 1000)
    table.exited(first)
    assert table.get(1000) is first
    assert first.exited is True
    for pid in range(1001, 1001 + KEPT_AFTER_EXIT):
        table.exited(table.forked(init, pid, 1, pid, pid))
    assert table.get(1000) is None
    assert len(table) == 2 + KEPT_AFTER_EXIT


def test_a_new_process_is_kept_when_an_ended_one_had_its_pid(table: Processes) -> None:
    init = table.get(1)
    assert init is not None
    table.exited(table.forked(init, 1000, 1, 1, 1000))
    new = table.forked(init, 1000, 1, 2, 1000)
    for pid in range(1001, 1001 + KEPT_AFTER_EXIT):
        table.exited(table.forked(init, pid, 1, pid, pid))
    assert table.get(1000) is new


def test_the_table_is_bounded_and_counts_what_it_drops(proc: Path) -> None:
    table = Processes(limit=3, proc=proc, offset=OFFSET)
    for pid in range(100, 110):
        table.observe(pid, 0, pid * TICK, 0, 0)
    assert len(table) == 3
    assert table.evicted == 7


def test_a_thread_is_its_process_under_its_own_name(table: Processes) -> None:
    process = table.get(50)
    assert process is not None
    thread = table.thread(process, 55, "worker")
    assert (thread.pid, thread.tid, thread.name, thread.exe) == (50, 55, "worker", process.exe)
    assert (process.tid, process.name) == (50, "shell")


@pytest.mark.parametrize("pid", [0, -1, 123456])
def test_who_is_nowhere_is_none(table: Processes, pid: int) -> None:
    assert table.get(pid) is None
    assert table.get(pid) is None


def test_a_pid_that_was_nowhere_is_found_once_it_was_seen(table: Processes) -> None:
    assert table.get(51) is None
    init = table.get(1)
    assert init is not None
    child = table.forked(init, 51, 1, 5, 51)
    assert table.get(51) is child


def test_parents_that_name_each_other_do_not_hang(proc: Path) -> None:
    add(proc, 60, 61, 1)
    add(proc, 61, 60, 1)
    table = Processes(proc=proc, offset=OFFSET)
    table.seed_from_proc()
    sixty = table.get(60)
    assert sixty is not None
    assert sixty.parent is table.get(61)


def test_a_folder_that_vanishes_while_proc_is_read_is_skipped(proc: Path) -> None:
    (proc / "70").mkdir()
    table = Processes(proc=proc, offset=OFFSET)
    table.seed_from_proc()
    assert table.get(70) is None
