"""Attacks that no model was trained against: written when the training was done."""

from typing import Final

from training.attacks import Attack

NEW: Final[dict[str, Attack]] = {}
