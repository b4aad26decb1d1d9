from gifdesc.metrics.base import mean


def test_mean_divides_every_statistic() -> None:
    assert mean((3.0, 0.0, 1.0), 4) == (0.75, 0.0, 0.25)
    assert mean((), 4) == ()
