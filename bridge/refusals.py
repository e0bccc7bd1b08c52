"""Why there is no connection to the broker, in words that say what to do about it. Pure."""

import socket
import ssl

from bridge.errors import BridgeError, ConfigurationError, Unavailable
from bridge.settings import Mqtt

_BAD_LOGIN = (0x86, 0x87)  # CONNACK: bad user name or password; not authorized (section 3.2.2.2)


def refused(code: int, meaning: str, mqtt: Mqtt) -> BridgeError:
    """Explain a CONNACK that refuses.

    Args:
        code: Its reason code.
        meaning: The code's name.
        mqtt: The broker.
    """
    where = f"the broker at {mqtt.host}:{mqtt.port}"
    if code not in _BAD_LOGIN:
        return Unavailable(f"{where} refuses the connection: {meaning}")
    return ConfigurationError(
        f"{where} refuses the login: check BRIDGE_MQTT__USERNAME and BRIDGE_MQTT__PASSWORD"
        " (where set, BRIDGE_DOOR__… go first for people's commands, BRIDGE_CLERK__… for the clerk)"
    )


def hung_up(mqtt: Mqtt) -> BridgeError:
    """Explain a connection that ended before any CONNACK."""
    return Unavailable(
        f"what listens on {mqtt.host}:{mqtt.port} hangs up at once: does it speak MQTT 5, and"
        " both sides TLS or neither (BRIDGE_MQTT__TLS)?"
    )


def not_connected(error: OSError, mqtt: Mqtt) -> BridgeError:
    """Explain a connection that did not come about."""
    where = f"{mqtt.host}:{mqtt.port}"
    match error:
        case socket.gaierror():
            return ConfigurationError(
                f"BRIDGE_MQTT__HOST must be a name or address that resolves, not {mqtt.host!a}"
            )
        case ssl.SSLCertVerificationError():
            return ConfigurationError(
                f"BRIDGE_MQTT__TLS_CA must name the authority that signed the certificate of"
                f" {where}: {error.verify_message}"
            )
        case ssl.SSLError():
            return Unavailable(
                f"{where} does not speak TLS as it should ({error.reason}): is"
                " BRIDGE_MQTT__PORT its TLS port?"
            )
        case ConnectionRefusedError():
            return Unavailable(
                f"no broker listens on {where}: start one (`bridge demo --keep` brings its own),"
                " or set BRIDGE_MQTT__HOST and BRIDGE_MQTT__PORT"
            )
        case TimeoutError():
            return Unavailable(
                f"nothing answers on {where}: check BRIDGE_MQTT__HOST and BRIDGE_MQTT__PORT"
            )
    return Unavailable(f"no connection to {where}: {error.strerror or type(error).__name__}")
