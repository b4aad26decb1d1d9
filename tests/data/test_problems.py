"""Problems are reported once each, whenever they are found."""

from gifdesc.data.problems import Problems


def test_problems_keep_their_order_and_are_added_once():
    problems = Problems(["a.npy: empty"])
    problems.add("b.npy: empty")
    problems.add("a.npy: empty")
    assert list(problems) == ["a.npy: empty", "b.npy: empty"]
    assert len(problems) == 2
    assert not Problems()


def test_problems_found_before_and_after_are_reported_once_each():
    problems = Problems(["a.npy: empty"])
    first, second = [], []
    problems.report_to(first.append)
    problems.add("b.npy: empty")
    problems.report_to(second.append)
    problems.add("b.npy: empty")
    problems.add("c.npy: empty")
    assert first == second == ["a.npy: empty", "b.npy: empty", "c.npy: empty"]
