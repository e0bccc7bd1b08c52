"""Load on a bridge while its database comes and goes, and what has arrived there afterwards."""

import json
import threading
import time
from collections import Counter
from uuid import uuid4

from bridge_process import eventually

from bridge.storage.cassandra.cluster import make_cluster

LATE_S = 3.0
"""Later than this no verdict may come: fifteen times what a cache may take on an idle machine."""

_PACE_S = 0.02


class Load:
    """New texts, one after the other, until it is told to stop; and when each was answered."""

    def __init__(self, client):
        self._client = client
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self.sent_s = {}

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def go_on(self, seconds):
        """Return when so much time has been lived through."""
        until_s = time.monotonic() + seconds
        eventually(lambda: time.monotonic() >= until_s)

    def latencies_s(self):
        """Wait for all answers, and return how long each took."""
        eventually(lambda: self._client.answered_ids("gw-7") >= self.sent_s.keys(), "the answers")
        answers = self._client.answers("gw-7")
        ids = [json.loads(answer.payload)["id"] for answer in answers]
        assert Counter(ids) == dict.fromkeys(self.sent_s, 1)
        return [
            answer.timestamp - self.sent_s[message_id]
            for answer, message_id in zip(answers, ids, strict=True)
        ]

    def _send(self):
        while not self._ended.wait(_PACE_S):
            message_id = uuid4().hex
            self.sent_s[message_id] = time.monotonic()
            text = f"free prize {message_id}"
            self._client.publish_soon("gw-7", {"id": message_id, "text": text})


def state(client):
    """What the bridge says of itself."""
    return client.document("state").get("state")


def why(client):
    """What it complains about."""
    return " ".join(client.document("state").get("why", []))


def stored_ids(settings):
    """How often each id is in the table."""
    cluster = make_cluster(settings)
    try:
        rows = cluster.connect(settings.keyspace).execute(
            "SELECT message_id FROM calls_by_device_hour"
        )
        return Counter(row.message_id for row in rows)
    finally:
        cluster.shutdown()


def drained(client):
    """Say whether nothing waits to be shipped."""
    return client.document("health").get("outbox", {}).get("rows") == 0


def each_arrived_once(client, settings, ids):
    """Wait until the outbox is empty; then each id has one row."""

    def stored():
        try:
            found = stored_ids(settings) if drained(client) else Counter()
        except Exception:  # noqa: BLE001 - the server may still be coming up
            return None
        return found if found.keys() >= ids.keys() else None

    assert eventually(stored, "every row") == dict.fromkeys(ids, 1)
