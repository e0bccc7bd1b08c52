"""A bridge whose database comes and goes: what it says, and what has arrived there afterwards."""

from collections import Counter

from bridge_process import eventually

from bridge.storage.cassandra.cluster import make_cluster

LATE_S = 3.0
"""Later than this no verdict may come: fifteen times what a cache may take on an idle machine."""


def new_text(message_id):
    """Make a text that no cache knows."""
    return f"free prize {message_id}"


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
