"""The topic grammar: build, parse, refuse. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

DEVICE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""A device id; the same as the device's username at the broker."""


def is_device_id(name: str) -> bool:
    """Say whether ``name`` may stand in a topic as a device's id."""
    return DEVICE_ID.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Topics:
    """Every topic of one installation, under one root.

    Args:
        root: What all topics start with, such as ``spam/v1``.
        share: The shared-subscription group of this bridge, or nothing.
    """

    root: str
    share: str = ""

    @property
    def inputs(self) -> str:
        """The filter that all devices' inputs match (shared where a group is set)."""
        inputs = f"{self.root}/devices/+/in"
        return f"$share/{self.share}/{inputs}" if self.share else inputs

    def device_of_input(self, topic: str) -> str | None:
        """Return the id of the device whose input ``topic`` is, or nothing for any other topic."""
        return _device_of_input(f"{self.root}/devices/", topic)

    def input(self, device: str) -> str:
        """Where ``device`` publishes its texts."""
        return f"{self.root}/devices/{device}/in"

    def output(self, device: str) -> str:
        """Where ``device`` reads its verdicts."""
        return f"{self.root}/devices/{device}/out"

    def rejections(self, device: str) -> str:
        """Where ``device`` reads why a message of its was refused."""
        return f"{self.root}/devices/{device}/err"

    def presence(self, device: str) -> str:
        """Where ``device`` says that it is online, and its will that it is not."""
        return f"{self.root}/devices/{device}/presence"

    def quota(self, device: str) -> str:
        """Where ``device`` reads what is left of its rate."""
        return f"{self.root}/devices/{device}/quota"

    def instance(self, instance: str, leaf: str) -> str:
        """A bridge's own retained topic: ``state``, ``health``, ``info`` or ``models``."""
        return f"{self.root}/bridge/instances/{instance}/{leaf}"

    def instance_of(self, topic: str, leaf: str) -> str | None:
        """Return the instance whose ``leaf`` topic this is, or nothing."""
        prefix, suffix = f"{self.root}/bridge/instances/", f"/{leaf}"
        if not (topic.startswith(prefix) and topic.endswith(suffix)):
            return None
        instance = topic[len(prefix) : -len(suffix)]
        return instance if is_device_id(instance) else None

    @property
    def corrected(self) -> str:
        """Where corrections are told to every bridge on this root."""
        return f"{self.root}/bridge/corrected"

    def request(self, verb: str) -> str:
        """Where a question is asked."""
        return f"{self.root}/bridge/request/{verb}"

    def response(self, verb: str) -> str:
        """Where a question is answered."""
        return f"{self.root}/bridge/response/{verb}"

    def verb_of_request(self, topic: str) -> str | None:
        """Return the verb that ``topic`` asks, or nothing."""
        prefix = f"{self.root}/bridge/request/"
        return topic[len(prefix) :] if topic.startswith(prefix) else None


@lru_cache(maxsize=65_536)  # asked once a message, and devices send more than one
def _device_of_input(prefix: str, topic: str) -> str | None:
    if not (topic.startswith(prefix) and topic.endswith("/in")):
        return None
    device = topic[len(prefix) : -len("/in")]
    return device if is_device_id(device) else None
