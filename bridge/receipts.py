"""Acknowledgements as futures: who waits for one, and the network's thread that brings it."""

from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class Receipts:
    """Reason codes by packet id, whether the caller or the network comes first."""

    def __init__(self) -> None:
        self._futures: dict[int, Future[int]] = {}

    def expected(self, packet_id: int) -> Future[int]:
        """Return where the acknowledgement of ``packet_id`` will be, or is already."""
        # setdefault is atomic: the acknowledgement may have overtaken the packet id.
        receipt = self._futures.setdefault(packet_id, Future())
        receipt.add_done_callback(lambda _: self._futures.pop(packet_id, None))
        return receipt

    def arrived(self, packet_id: int, code: int) -> None:
        """Hand the reason code of ``packet_id`` to who waits for it, or will."""
        settle(self._futures.setdefault(packet_id, Future()), code)


def settle(future: Future[T], result: T) -> None:
    """Give ``future`` its result, unless it has one."""
    if not future.done():
        future.set_result(result)
