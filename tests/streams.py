"""A stream of messages to a bridge while something happens to it."""

import json
import threading
import time
from collections import Counter
from uuid import uuid4

from bridge_process import eventually

_PACE_S = 0.02


class Stream:
    """Messages of one device, one after the other, until it is told to stop.

    Args:
        client: Sends them and hears the answers.
        text_of: Makes a message's text from its id.
    """

    def __init__(self, client, text_of):
        self._client = client
        self._text_of = text_of
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self.sent_s = {}

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def answers(self):
        """Wait for all answers; return when each message was sent, and what it was told, once."""
        eventually(lambda: self._client.answered_ids("gw-7") >= self.sent_s.keys(), "the answers")
        told = [json.loads(answer.payload) for answer in self._client.answers("gw-7")]
        assert Counter(one["id"] for one in told) == dict.fromkeys(self.sent_s, 1)
        return [(self.sent_s[one["id"]], one) for one in told]

    def latencies_s(self):
        """Wait for all answers, and return how long each took."""
        self.answers()
        return [
            answer.timestamp - self.sent_s[json.loads(answer.payload)["id"]]
            for answer in self._client.answers("gw-7")
        ]

    def _send(self):
        while not self._ended.wait(_PACE_S):
            message_id = uuid4().hex
            self.sent_s[message_id] = time.monotonic()
            message = {"id": message_id, "text": self._text_of(message_id)}
            self._client.publish_soon("gw-7", message)
