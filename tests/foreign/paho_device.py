"""A device on paho-mqtt: connects, subscribes, publishes with QoS 0, 1 and 2, is refused a foreign topic, comes back to its kept session.

Usage: paho_device.py VERSION(3|5) TRANSPORT(tcp|tls|websockets) PORT DEVICE_ID SECRET CA_FILE
"""

import datetime
import hashlib
import hmac
import json
import queue
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

version, transport, port, device, secret, ca = sys.argv[1:]
v5 = version == "5"
stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d%H")
events: queue.Queue = queue.Queue()


def make(clean):
    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2,
        client_id=f"{device}_0_1_{stamp}",
        transport="websockets" if transport == "websockets" else "tcp",
        protocol=mqtt.MQTTv5 if v5 else mqtt.MQTTv311,
        **({} if v5 else {"clean_session": clean}),
    )
    client.username_pw_set(device, hmac.new(stamp.encode(), secret.encode(), hashlib.sha256).hexdigest())
    if transport == "tls":
        client.tls_set(ca)
    client.on_connect = lambda c, u, flags, reason, p: events.put(("connect", str(reason), flags.session_present))
    client.on_subscribe = lambda c, u, mid, reasons, p: events.put(("subscribe", [r.value for r in reasons]))
    client.on_publish = lambda c, u, mid, reason, p: events.put(("publish", reason.value))
    properties = None
    if v5:
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 0 if clean else 60
    extra = {"clean_start": clean, "properties": properties} if v5 else {}
    client.connect("localhost", int(port), 30, **extra)
    client.loop_start()
    return client


def next_is(kind):
    event = events.get(timeout=20)
    assert event[0] == kind, f"{event} instead of {kind}"
    return event


def end(client):
    client.disconnect()
    client.loop_stop()


own = f"/huawei/v1/devices/{device}"
report = json.dumps({"msgType": "deviceReq", "data": [{"serviceId": "Battery", "serviceData": {"batteryLevel": 50}}]})

client = make(clean=True)
assert next_is("connect")[1:] == ("Success", False)
client.subscribe(f"{own}/command/json", 1)
assert next_is("subscribe")[1] == [1]
client.subscribe(f"{own}/command/+", 2)
assert next_is("subscribe")[1] == [1], "QoS 2 is granted as 1"
client.subscribe("/huawei/v1/devices/somebody-else/command/json", 1)
assert next_is("subscribe")[1][0] >= 0x80
for qos in (0, 1, 2):
    client.publish(f"{own}/data/json", report, qos)
    assert next_is("publish")[1] == 0
client.publish("/huawei/v1/devices/somebody-else/data/json", report, 1)
code = next_is("publish")[1]
assert code == (0x87 if v5 else 0), code
end(client)

client = make(clean=False)
assert next_is("connect")[1:] == ("Success", False)
client.subscribe(f"{own}/command/json", 1)
next_is("subscribe")
end(client)
client = make(clean=False)
assert next_is("connect")[1:] == ("Success", True), "the session was kept"
end(client)
client = make(clean=True)
assert next_is("connect")[1:] == ("Success", False)
end(client)
