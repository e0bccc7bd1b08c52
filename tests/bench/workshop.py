"""The seed way: the workshop's network behind paho, Keras' ``predict`` for one text at a time.

``.venv-training/bin/python -m tests.bench.workshop PORT ROOT``. Its weights are untrained: they
cost the same.
"""

from __future__ import annotations

import json
import sys

from paho.mqtt.enums import MQTTProtocolVersion

from tests.bench.echo import serve
from tests.bench.texts import dataset
from training import network, workshop
from training.config import WorkshopConfig, load


def main(port: int, root: str) -> None:
    """Serve until killed."""
    config = load("workshop")
    assert isinstance(config, WorkshopConfig)
    model = workshop.WorkshopModel(
        network.workshop(config.network),
        workshop.vocabulary(tuple(dataset()), config.network.words),
        config.network.length,
    )

    def answer(payload: bytes) -> bytes:
        request = json.loads(payload)
        score = float(model.probabilities((request["text"],))[0])
        return json.dumps({"id": request["id"], "score": score}).encode()

    answer(b'{"id": "", "text": "the first prediction compiles"}')
    serve(port, root, MQTTProtocolVersion.MQTTv5, answer)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
