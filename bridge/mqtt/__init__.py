"""The MQTT 5 session of the loop, and the socket that carries it."""
