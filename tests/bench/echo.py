"""What the bridge is compared with: a bare paho-mqtt echo, QoS 1 both ways.

``python -m tests.bench.echo PORT ROOT PROTOCOL`` (5, or 4 for MQTT 3.1.1) sends each payload back
as it came, and acknowledges it when what it published has been acknowledged: the least that a
bridge which loses nothing does.
"""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

if TYPE_CHECKING:
    from collections.abc import Callable

INFLIGHT_MAX = 1000
"""paho's own window: above any that the bench gives it, so that it never queues."""


def serve(port: int, root: str, protocol: int, answer: Callable[[bytes], bytes]) -> None:
    """Answer every device under ``root`` until killed."""
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"bench-{root.rpartition('/')[2]}",
        protocol=MQTTProtocolVersion(protocol),
        manual_ack=True,
    )
    client.max_inflight_messages_set(INFLIGHT_MAX)
    unacknowledged: dict[int, int] = {}

    def on_message(_client: Client, _userdata: Any, message: MQTTMessage) -> None:
        topic = message.topic.removesuffix("/in") + "/out"
        published = client.publish(topic, answer(bytes(message.payload)), qos=1)
        unacknowledged[published.mid] = message.mid

    def on_publish(_client: Client, _userdata: Any, mid: int, *_: Any) -> None:
        client.ack(unacknowledged.pop(mid), 1)

    def on_connect(*_: Any) -> None:
        # The first moment at which the socket can be reached: small packets must not wait.
        connection: Any = client.socket()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.subscribe(f"{root}/devices/+/in", qos=1)

    client.on_message = on_message
    client.on_publish = on_publish
    client.on_connect = on_connect
    client.connect("127.0.0.1", port)
    client.loop_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), lambda payload: payload)
