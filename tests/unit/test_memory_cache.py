"""The memory cache: full is full, old is gone, and what was used lately stays."""

from fakes import FakeClock

from bridge.inference.memory_cache import MemoryCache
from bridge.ports import Classification

HAM = Classification("ham", 0.1, '{"ham":0.9,"spam":0.1}', "spam@1")


def key(number: int) -> tuple[str, bytes]:
    """Return the key of one of many texts."""
    return "spam@1", number.to_bytes(16, "big")


def known(cache: MemoryCache, numbers: range) -> list[int]:
    """Return which of the numbers are known."""
    found = cache.get_many([key(number) for number in numbers], 0)
    return [number for number in numbers if key(number) in found]


def test_the_least_recently_used_makes_room():
    """Reading a verdict keeps it."""
    cache = MemoryCache(3, 60, FakeClock())
    cache.put_many({key(number): HAM for number in range(3)})
    assert known(cache, range(1)) == [0]
    cache.put_many({key(3): HAM})
    assert known(cache, range(4)) == [0, 2, 3]


def test_it_never_holds_more_than_its_size():
    """Even where one batch brings more than fits."""
    cache = MemoryCache(10, 60, FakeClock())
    cache.put_many({key(number): HAM for number in range(100)})
    assert cache.figures()["entries"] == 10
    assert known(cache, range(100)) == list(range(90, 100))


def test_a_verdict_expires_and_is_let_go():
    """After its time to live it is unknown, however often it was read."""
    clock = FakeClock()
    cache = MemoryCache(10, 60, clock)
    cache.put_many({key(1): HAM})
    clock.go_on(59.9)
    assert known(cache, range(2)) == [1]
    clock.go_on(0.1)
    assert known(cache, range(2)) == []
    assert cache.figures()["entries"] == 0


def test_writing_again_renews_it():
    """The time to live counts from the last write."""
    clock = FakeClock()
    cache = MemoryCache(10, 60, clock)
    for _ in range(3):
        cache.put_many({key(1): HAM})
        clock.go_on(50)
    assert known(cache, range(2)) == [1]


def test_models_do_not_share_verdicts():
    """A text's verdict is a model version's."""
    cache = MemoryCache(10, 60, FakeClock())
    cache.put_many({key(1): HAM})
    assert cache.get_many([("spam@2", key(1)[1])], 0) == {}


def test_hits_and_misses_are_counted():
    """What `health` says of it."""
    cache = MemoryCache(10, 60, FakeClock())
    cache.put_many({key(1): HAM})
    known(cache, range(3))
    assert cache.figures() == {"entries": 1, "hits": 1, "misses": 2}
