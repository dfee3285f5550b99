"""An agent with paho-mqtt (1.x and 2.x): it asks for its credentials, is accepted over REST, starts, and carries out a restart.

Usage: paho_agent.py MQTTS_PORT HTTPS_PORT CA TENANT ADMIN_PASSWORD BOOTSTRAP_PASSWORD. The exit status is 0 when all of it went well.
"""

import base64
import json
import queue
import ssl
import sys
import urllib.request

import paho.mqtt.client as mqtt

mqtts, https, ca, tenant, admin, bootstrap = sys.argv[1:]
serial = "paho-4711"
tls = ssl.create_default_context(cafile=ca)


def rest(method, path, body=None):
    request = urllib.request.Request(f"https://localhost:{https}{path}", method=method)
    request.add_header("Authorization", "Basic " + base64.b64encode(f"{tenant}/admin:{admin}".encode()).decode())
    request.add_header("Accept", "application/json")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, json.dumps(body).encode() if body is not None else None, context=tls) as answer:
        return json.load(answer)


def connected(name, password, topics):
    """A client that has subscribed, and its inbox."""
    try:
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION1, client_id=serial)
    except AttributeError:
        client = mqtt.Client(client_id=serial)
    inbox, ready = queue.Queue(), queue.Queue()
    client.on_message = lambda _client, _data, message: inbox.put((message.topic, message.payload.decode()))
    client.on_connect = lambda _client, _data, _flags, code: ready.put(code)
    client.on_subscribe = lambda _client, _data, _id, granted: ready.put(granted[0])
    client.tls_set(ca)
    client.username_pw_set(name, password)
    client.connect("localhost", int(mqtts), 30)
    client.loop_start()
    assert ready.get(timeout=20) == 0, "CONNACK"
    for topic in topics:
        client.subscribe(topic, 1)
        assert ready.get(timeout=20) <= 1, topic
    return client, inbox


rest("POST", "/devicecontrol/newDeviceRequests", {"id": serial})
client, inbox = connected("management/devicebootstrap", bootstrap, ["s/dcr"])
client.publish("s/ucr", b"", 1).wait_for_publish()
assert rest("GET", f"/devicecontrol/newDeviceRequests/{serial}")["status"] == "PENDING_ACCEPTANCE"
assert inbox.empty(), "nothing before it is accepted"
rest("PUT", f"/devicecontrol/newDeviceRequests/{serial}", {"status": "ACCEPTED"})
client.publish("s/ucr", b"", 1).wait_for_publish()
topic, text = inbox.get(timeout=20)
kind, own_tenant, user, password = text.split(",")
assert (topic, kind, own_tenant, user) == ("s/dcr", "70", tenant, f"device_{serial}"), topic
client.disconnect()
client.loop_stop()

client, inbox = connected(f"{own_tenant}/{user}", password, ["s/ds", "s/e"])
client.publish("s/us", '100,"Agent, by paho",paho\n114,c8y_Restart,c8y_Command\n117,60\n113,"a=1\nb=""2"""\n200,c8y_Temperature,T,21.5,C', 2).wait_for_publish()
client.publish("s/us", "100,again", 1).wait_for_publish()
assert inbox.get(timeout=20) == ("s/e", "41,100,Device already existing")
device = rest("GET", f"/identity/externalIds/c8y_Serial/{serial}")["managedObject"]["id"]
made = rest("GET", f"/inventory/managedObjects/{device}")
assert (made["name"], made["type"], made["c8y_SupportedOperations"]) == ("Agent, by paho", "paho", ["c8y_Restart", "c8y_Command"]), made
assert made["c8y_Configuration"] == {"config": 'a=1\nb="2"'}, made
operation = rest("POST", "/devicecontrol/operations", {"deviceId": device, "c8y_Restart": {}, "description": "again"})["id"]
assert inbox.get(timeout=20) == ("s/ds", f"510,{serial}")
for line, status in (("501,c8y_Restart", "EXECUTING"), ("503,c8y_Restart", "SUCCESSFUL")):
    client.publish("s/us", line, 1).wait_for_publish()
    assert rest("GET", f"/devicecontrol/operations/{operation}")["status"] == status, line
client.disconnect()
client.loop_stop()
