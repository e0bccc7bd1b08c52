"""Edge devices to try the bridge with; `Device` and `Outbox` show how a device should behave."""

from edge_simulator.device import Answer, Device
from edge_simulator.outbox import Message, Outbox

__all__ = ["Answer", "Device", "Message", "Outbox"]
