"""A gateway as the AgentLite calls describe one, on urllib and paho-mqtt: binds, logs in, adds a device behind it, reports and answers for it, comes
back, removes one, and is unbound. What an application does meanwhile it does itself.

Usage: agentlite_gateway.py HTTPS_PORT BIND_PORT APP_ID TOKEN CA_FILE
"""

import base64
import datetime
import hashlib
import hmac
import json
import queue
import ssl
import sys
import time
import urllib.error
import urllib.request

import paho.mqtt.client as mqtt

https, bind, app, token, ca = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d%H")
info = {"manufacturerId": "acme", "deviceType": "Thermometer", "model": "T1", "protocolType": "MQTT"}


def call(method, url, headers, body):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers}, method=method)
    try:
        answer = urllib.request.urlopen(request, context=context, timeout=20)
    except urllib.error.HTTPError as error:
        answer = error
    text = answer.read()
    return answer.status, json.loads(text) if text else None


def north(method, path, body=None):
    headers = {"app_key": app, "Authorization": f"Bearer {token}"}
    return call(method, f"https://localhost:{https}/iocm/app/{path}", headers, body)


def until(what, ask):
    for _ in range(100):
        found = ask()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"never {what}")


class Agent:
    """What the library keeps of its device: deviceId, secret, and where the platform is."""

    def __init__(self, code, node):
        body = {"verifyCode": code, "deviceInfo": {"nodeId": node, **info}}
        status, answer = call("POST", f"https://localhost:{bind}/iota/device/v1/bind", {}, body)
        assert (status, answer["result"]) == (200, 0), (status, answer)
        self.device, self.secret = answer["deviceId"], answer["deviceSecret"]
        self.iocm = f"https://{answer['iocmAddr']}:{answer['iocmPort']}/iota/device/v1"
        self.mqtt = (answer["mqttAddr"], answer["mqttPort"])
        self.children, self.commands, self.events = [], queue.Queue(), queue.Queue()
        self.client = None

    def password(self):
        return hmac.new(stamp.encode(), self.secret.encode(), hashlib.sha256).hexdigest()

    def hub(self, method, path, body=None):
        pair = base64.b64encode(f"{self.device}_0_1_{stamp}:{self.password()}".encode()).decode()
        return call(method, f"{self.iocm}/devices/{path}", {"Authorization": f"Basic {pair}"}, body)

    def login(self):
        """Gives the reason of the CONNACK; then subscribes to its commands and tells how its children are."""
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"{self.device}_0_1_{stamp}", protocol=mqtt.MQTTv311)
        client.username_pw_set(self.device, self.password())
        client.tls_set(ca)
        client.reconnect_delay_set(60, 60)
        client.on_connect = lambda c, u, flags, reason, p: self.events.put(("connect", reason.getName()))
        client.on_disconnect = lambda c, u, flags, reason, p: self.events.put(("disconnect", reason.getName()))
        client.on_subscribe = lambda c, u, mid, reasons, p: self.events.put(("subscribe", reasons[0].value))
        client.on_publish = lambda c, u, mid, reason, p: self.events.put(("publish", reason.value))
        client.on_message = lambda c, u, message: self.commands.put((message.topic, json.loads(message.payload)))
        client.connect(*self.mqtt, keepalive=30)
        client.loop_start()
        self.client = client
        reason = self.next("connect")
        if reason == "Success":
            for device in [self.device, *self.children]:
                assert self.subscribe(device) == 1
            for child in self.children:
                assert self.status(child) == (200, {"result": 0})
        return reason

    def next(self, kind):
        event = self.events.get(timeout=20)
        assert event[0] == kind, f"{event} instead of {kind}"
        return event[1]

    def subscribe(self, device):
        self.client.subscribe(f"/huawei/v1/devices/{device}/command/json", 1)
        return self.next("subscribe")

    def status(self, device):
        return self.hub("PUT", f"{device}/status", {"status": "ONLINE", "statusDetail": "NONE"})

    def add(self, node):
        status, answer = self.hub("POST", f"{self.device}/children", {"nodeId": node, **info})
        assert (status, answer["result"]) == (201, 0), (status, answer)
        self.children.append(answer["deviceId"])
        assert self.subscribe(answer["deviceId"]) == 1
        assert self.status(answer["deviceId"]) == (200, {"result": 0})
        return answer["deviceId"]

    def publish(self, device, message):
        self.client.publish(f"/huawei/v1/devices/{device}/data/json", json.dumps(message), 1)
        assert self.next("publish") == 0

    def leave(self):
        self.client.disconnect()
        self.client.loop_stop()


def is_unbound(agent, device):
    topic, message = agent.commands.get(timeout=20)
    assert topic == f"/huawei/v1/devices/{device}/command/json", topic
    assert (message["msgType"], message["serviceId"], message["cmd"]) == ("cloudReq", "$agent", "UNBIND"), message


status, registered = north("POST", "reg/v1.1.0/deviceCredentials", {"nodeId": "lite-1", "verifyCode": "lite-1", "timeout": 0})
assert status == 200, registered
agent = Agent("lite-1", "lite-1")
assert agent.device == registered["deviceId"]
assert agent.login() == "Success"

child, other = agent.add("lite-1-1"), agent.add("lite-1-2")
agent.publish(child, {"msgType": "deviceReq", "data": [{"serviceId": "Battery", "serviceData": {"batteryLevel": 41}}]})
history = f"data/v1.2.0/deviceDataHistory?deviceId={child}&gatewayId={agent.device}"
until("reported", lambda: north("GET", history)[1]["totalCount"] == 1)

request = {"header": {"mode": "ACK", "method": "SET"}, "body": {"value": 4}}
status, sent = north("POST", f"signaltrans/v1.1.0/devices/{child}/services/Switch/sendCommand", request)
assert (status, sent["status"]) == (202, "sent"), (status, sent)
topic, message = agent.commands.get(timeout=20)
assert (topic, message["cmd"]) == (f"/huawei/v1/devices/{child}/command/json", "SET"), (topic, message)
agent.publish(child, {"msgType": "deviceRsp", "mid": message["mid"], "errcode": 0, "body": {"result": "ok"}})

agent.leave()
shown = f"dm/v1.4.0/devices/{child}"
until("away", lambda: north("GET", shown)[1]["deviceInfo"]["status"] == "OFFLINE")
while not agent.events.empty():
    agent.events.get()
assert agent.login() == "Success"
assert north("GET", shown)[1]["deviceInfo"]["status"] == "ONLINE"

assert agent.hub("DELETE", other) == (200, {"result": 0})
assert agent.hub("DELETE", other) == (404, {"result": 2})
agent.children.remove(other)

assert north("DELETE", f"dm/v1.4.0/devices/{child}")[0] == 204
is_unbound(agent, child)
assert agent.status(child) == (404, {"result": 2})
assert agent.subscribe(child) == 0x80

assert north("DELETE", f"dm/v1.4.0/devices/{agent.device}?cascade=true")[0] == 204
is_unbound(agent, agent.device)
agent.next("disconnect")
agent.client.loop_stop()
assert agent.login() == "Not authorized"
agent.client.loop_stop()
status, answer = agent.status(agent.device)
assert (status, answer["result"]) == (401, 255), (status, answer)
