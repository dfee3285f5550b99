"""An application on paho-mqtt: writes each notification that it is sent to a file, and confirms it only then. It comes back whenever it is cut off.

Usage: subscriber.py VERSION(3|5) QOS PORT CA APP_ID SECRET FILE
"""

import os
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

version, qos, port, ca, app, secret, path = sys.argv[1:]
v5 = version == "5"
told = open(path, "ab", buffering=0)
client = mqtt.Client(
    mqtt.CallbackAPIVersion.VERSION2,
    client_id=app,
    protocol=mqtt.MQTTv5 if v5 else mqtt.MQTTv311,
    **({} if v5 else {"clean_session": False}),
)
client.username_pw_set(app, secret)
client.tls_set(ca)
client.reconnect_delay_set(0.2, 0.5)


def connected(client, userdata, flags, reason, properties):
    if not reason.is_failure:
        client.subscribe(f"/huawei/v1/applications/{app}/notifications", int(qos))


def subscribed(client, userdata, mid, reasons, properties):
    if reasons[0].value != int(qos):
        sys.stderr.write(f"the subscription was answered with {reasons[0]}\n")
        os._exit(1)


def received(client, userdata, message):
    told.write(message.payload + b"\n")
    os.fsync(told.fileno())


client.on_connect, client.on_subscribe, client.on_message = connected, subscribed, received
extra = {}
if v5:
    extra = {"clean_start": False, "properties": Properties(PacketTypes.CONNECT)}
    extra["properties"].SessionExpiryInterval = 300
client.connect("localhost", int(port), 30, **extra)
client.loop_forever()
