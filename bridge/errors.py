"""One tree of errors; its branches say what the caller does next.

BridgeError
├── InvalidMessage       answer the device with a rejection
├── Unavailable          degrade and go on
│   └── JournalUnavailable   answer nothing, acknowledge nothing, try again
├── ConnectionLost       forget what was pending and reconnect
├── SessionTakenOver     leave: another process speaks under this client id
├── BadBundle            keep the old model
└── ConfigurationError   one line on stderr that says how to mend it; exit 2
"""

from __future__ import annotations


class BridgeError(Exception):
    """Any error of the project's own. Its message never holds a device's text."""


class InvalidMessage(BridgeError):
    """A message that is answered with a rejection.

    Args:
        status: The HTTP status that says the same: 404, 409, 413, 422, 429 or 503.
        type: The stable name that programs match on, such as ``invalid_payload``.
        title: One sentence for people.
        errors: Where and what, as ``{"loc": [...], "msg": "..."}``; never the input itself.
        message_id: The id that the message gave, where one could be read.
    """

    def __init__(
        self,
        status: int,
        type: str,  # noqa: A002 - the problem document's own word (RFC 9457)
        title: str,
        *,
        errors: list[dict[str, object]] | None = None,
        message_id: str | None = None,
    ) -> None:
        super().__init__(title)
        self.status = status
        self.type = type
        self.title = title
        self.errors = errors or []
        self.message_id = message_id


class Unavailable(BridgeError):
    """Something the path can do without for a while did not answer."""


class JournalUnavailable(Unavailable):
    """The journal could not be written: nothing is recorded, so nothing may be acknowledged."""


class ConnectionLost(BridgeError):
    """The connection to the broker ended or spoke nonsense; the session starts over."""


class SessionTakenOver(BridgeError):
    """Another process connected under this instance's client id."""


class BadBundle(BridgeError):
    """A model bundle that must not serve."""


class ConfigurationError(BridgeError):
    """A setting that cannot work; the message names the variable and what would be right."""
