"""The MQTT side of the box (MQTT 5, paho-mqtt 2), as `ports.Uplink`. Topics and payloads: design/wire.md.

The one idea: nothing is trusted to the library or the broker. One thread owns the client, and every connection has a
client of its own, so nothing is queued, sent again or remembered behind our back; what was on its way when a connection
ended is told as not sent, and the core sends it again. What is sent is measured first against what the broker said it
takes. A PUBACK only frees a place among the files in flight: only a verified receipt means anything.
"""

from handschlag.adapters.uplink.errors import BadUplink
from handschlag.adapters.uplink.link import IN_FLIGHT
from handschlag.adapters.uplink.mqtt import MqttUplink
from handschlag.adapters.uplink.tls import TlsFiles, tls_context

__all__ = ["IN_FLIGHT", "BadUplink", "MqttUplink", "TlsFiles", "tls_context"]
