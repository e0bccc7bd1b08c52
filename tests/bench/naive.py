"""The naive way with Cassandra: three synchronous statements a message, in paho's own thread.

``python -m tests.bench.naive PORT ROOT CQL_PORT KEYSPACE``: behind the echo, each text is looked
up, its verdict and its call are written, and then it is answered. No network classifies it, and
the statements are the bridge's own, prepared: only the way to the database is measured.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from functools import partial

from cassandra.cluster import Session
from paho.mqtt.enums import MQTTProtocolVersion

from bridge.settings import Cassandra
from bridge.storage.cassandra.cluster import make_cluster
from bridge.storage.cassandra.statements import READ_VERDICTS, WRITE_CALL, WRITE_VERDICT
from bridge.storage.cassandra.writes import hour_of
from tests.bench.echo import serve

_MODEL = "naive@1"
_DEVICE = "dev-naive"
_SCORES = {"ham": 0.983, "spam": 0.017}


class Naive:
    """One read and two writes for each message.

    Args:
        session: The driver's, with its keyspace.
    """

    def __init__(self, session: Session) -> None:
        self._execute = session.execute
        self._read = session.prepare(READ_VERDICTS)
        self._write_verdict = session.prepare(WRITE_VERDICT)
        self._write_call = session.prepare(WRITE_CALL)

    def answer(self, payload: bytes) -> bytes:
        """Answer a request once all that is known of it lies in the database."""
        request = json.loads(payload)
        text_key = hashlib.blake2b(request["text"].encode(), digest_size=16).digest()
        now_ms = time.time_ns() // 1_000_000
        known = self._execute(self._read, (_MODEL, [text_key])).one()
        cached = "store" if known else "no"
        self._execute(self._write_verdict, (_MODEL, text_key, "ham", 0.017, _SCORES, now_ms))
        call = (_DEVICE, hour_of(now_ms), now_ms, request["id"], "verdict", "ham", 0.017, _SCORES)
        rest = (_MODEL, cached, None, None, text_key, request["text"])
        self._execute(self._write_call, (*call, *rest))
        return json.dumps({"id": request["id"], "label": "ham", "cached": cached}).encode()


def main(port: int, root: str, cql_port: int, keyspace: str) -> None:
    """Serve until killed."""
    settings = Cassandra(contact_points="127.0.0.1", port=cql_port, consistency="ONE")
    session = make_cluster(settings).connect(keyspace)
    serve(port, root, MQTTProtocolVersion.MQTTv5, partial(Naive.answer, Naive(session)))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4])
