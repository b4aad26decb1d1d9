import itertools
import subprocess
import sys
import threading

import pytest

from gifdesc.system.threads import grouped_ahead, mapped_ahead
from worlds import process_environment


def test_results_come_in_order_and_in_groups():
    worked = threading.Event()

    def work(number):
        if number == 11:
            worked.set()
        return number * number

    sizes = itertools.chain([1, 2], itertools.repeat(4))
    groups = grouped_ahead(range(12), work, sizes, num_ahead=20)
    first = next(group for group in groups if group)
    assert worked.wait(timeout=60)  # from here on, no group waits for results
    assert [first, *groups] == [[0], [1, 4], [9, 16, 25, 36], [49, 64, 81, 100], [121]]


def test_no_item_gives_no_group():
    groups = grouped_ahead([], lambda item: item, itertools.repeat(3), num_ahead=4)
    assert [group for group in groups if group] == []


def test_a_group_is_empty_while_there_is_no_result():
    more = threading.Event()

    def items():
        more.wait(timeout=60)
        yield 0

    groups = grouped_ahead(items(), lambda item: item, itertools.repeat(2), num_ahead=4)
    assert next(groups) == []
    more.set()
    assert [item for group in groups for item in group] == [0]


@pytest.mark.parametrize("size", [1, 3, 8])
def test_no_more_items_are_fetched_than_there_is_room_for(size):
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    groups = grouped_ahead(items(), lambda item: item, itertools.repeat(size), num_ahead=5)
    for count, group in enumerate(filter(None, groups), start=1):
        assert len(group) <= size
        # In the group, waiting, and one in the thread's hand.
        assert len(taken) <= count * size + 5 + 1
        if count == 3:
            break
    groups.close()


def test_work_continues_while_results_are_used():
    worked = threading.Event()

    def work(item):
        if item == 1:
            worked.set()
        return item

    groups = grouped_ahead(range(3), work, itertools.repeat(1), num_ahead=2)
    assert next(filter(None, groups)) == [0]
    assert worked.wait(timeout=60)
    groups.close()


def test_results_do_not_wait_for_a_stalled_source():
    more = threading.Event()

    def items():
        yield 0
        yield 1
        more.wait(timeout=60)
        yield 2

    groups = grouped_ahead(items(), lambda item: item, itertools.repeat(8), num_ahead=8)
    first = next(filter(None, groups))
    assert 2 not in first
    assert not more.is_set()
    more.set()
    assert [item for group in [first, *groups] for item in group] == [0, 1, 2]


@pytest.mark.parametrize("where", ["source", "work"])
def test_an_error_is_raised_in_order(where):
    def items():
        yield from range(3)
        if where == "source":
            raise ValueError("damaged")
        yield 3

    def work(item):
        if item == 3:
            raise ValueError("damaged")
        return item

    groups = grouped_ahead(items(), work, itertools.repeat(3), num_ahead=8)
    found: list[int] = []
    with pytest.raises(ValueError, match="damaged"):
        found.extend(item for group in groups for item in group)
    assert found == [0, 1, 2]


def test_leaving_early_ends_the_thread():
    before = threading.active_count()
    groups = grouped_ahead(itertools.count(), lambda item: item, itertools.repeat(2), num_ahead=2)
    next(groups)
    groups.close()
    for thread in threading.enumerate():
        if thread.name == "gifdesc-read-ahead":
            thread.join(timeout=60)
    assert threading.active_count() == before


ENDING_EARLY = """
import itertools
import torch
from gifdesc.system.threads import grouped_ahead

def work(item):
    frames = torch.rand(8, 3, 64, 64)
    for _ in range(20):
        torch.nn.functional.interpolate(frames, size=(50, 50), mode="bilinear", antialias=True)

groups = grouped_ahead(itertools.count(), work, itertools.repeat(2), num_ahead=2)
next(groups)
"""


def test_a_process_can_end_during_background_work():
    """PyTorch in a daemon thread aborts a process that is shutting down."""
    command = [sys.executable, "-c", ENDING_EARLY]
    done = subprocess.run(command, capture_output=True, text=True, env=process_environment())
    assert (done.returncode, done.stderr) == (0, "")


def test_mapped_ahead_keeps_the_order_and_fetches_no_more_than_needed():
    taken = []

    def items():
        for number in range(50):
            taken.append(number)
            yield number

    found = mapped_ahead(lambda number: number * number, items(), num_threads=2)
    assert [next(found), next(found)] == [0, 1]
    assert len(taken) <= 7
    assert list(found) == [number * number for number in range(2, 50)]


def test_an_error_of_the_work_is_raised_in_order():
    def work(number):
        if number == 3:
            raise ValueError("three")
        return number

    found = mapped_ahead(work, range(10), num_threads=2)
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(found)
