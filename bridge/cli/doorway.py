"""What the commands that speak MQTT begin with."""

from bridge import logs
from bridge.doors import Door, OnChange
from bridge.settings import Settings


def door(settings: Settings, on_change: OnChange | None = None) -> Door:
    """Return a door to the broker under people's account, not open yet."""
    logs.configure("error")  # a command tells what matters itself
    return Door(settings.mqtt, settings.login(settings.door), on_change=on_change)
