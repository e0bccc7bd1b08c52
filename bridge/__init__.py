"""An MQTT inference bridge: texts in, spam verdicts out, nothing lost."""

__version__ = "0.1.0"
