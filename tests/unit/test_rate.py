"""A device's rate: a burst at once, then so many a second, and no device pays for another."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.rate import RateLimit


def test_a_burst_passes_and_the_next_waits():
    """After the burst, the answer says how long until one more passes."""
    rate = RateLimit(per_s=2, burst=3)
    assert [rate.take("gw-7", 0.0) for _ in range(4)] == [None, None, None, 0.5]


def test_waiting_as_told_is_enough():
    """`retry_after_s` is neither too short nor needlessly long."""
    rate = RateLimit(per_s=2, burst=1)
    rate.take("gw-7", 0.0)
    wait_s = rate.take("gw-7", 0.0)
    assert wait_s == 0.5
    assert rate.take("gw-7", wait_s * 0.9) is not None
    assert rate.take("gw-7", wait_s) is None


def test_one_devices_flood_costs_another_nothing():
    """Each has a bucket of its own."""
    rate = RateLimit(per_s=1, burst=1)
    for _ in range(100):
        rate.take("loud", 0.0)
    assert rate.take("quiet", 0.0) is None


@given(
    gaps=st.lists(st.floats(0, 5), min_size=1, max_size=60),
    per_s=st.floats(0.1, 50),
    burst=st.integers(1, 20),
)
def test_never_more_than_burst_and_rate_allow(gaps, per_s, burst):
    """Over any time, at most the burst and what the rate gave meanwhile."""
    rate, now_s, admitted = RateLimit(per_s, burst), 100.0, 0
    for gap_s in gaps:
        now_s += gap_s
        admitted += rate.take("gw-7", now_s) is None
    assert admitted <= burst + (now_s - 100.0) * per_s + 1e-6


def test_the_quota_is_what_is_left():
    """What a device is told about itself."""
    rate = RateLimit(per_s=1, burst=5)
    rate.take("gw-7", 0.0)
    assert rate.quota("gw-7", 0.0) == {"left": 4, "burst": 5, "per_s": 1}
    assert rate.quota("gw-7", 60.0)["left"] == 5


def test_only_devices_that_sent_something_are_told():
    """A quota is published once for each that changed."""
    rate = RateLimit(per_s=1, burst=5)
    rate.take("a", 0.0)
    rate.take("b", 0.0)
    assert rate.take_changed() == {"a", "b"}
    assert rate.take_changed() == set()


def test_a_hundred_thousand_devices_are_remembered_and_no_more():
    """Made-up device names cannot fill the memory."""
    rate = RateLimit(per_s=0.001, burst=1)
    for number in range(100_001):
        rate.take(f"d{number}", 0.0)
    assert rate.left("d1", 0.0) == 0
    assert rate.left("d0", 0.0) == 1
