"""An application of the 2016 edition: old paths, a login without Content-Type, `callbackurl`, scalars as texts.

Usage: legacy.py BASE CA APP_ID SECRET CALLBACK PUSHES REPORT; REPORT is a command that reports as the device whose id and secret follow.
"""

import json
import ssl
import subprocess
import sys
import time
import urllib.request

base, ca, app_id, secret, callback, pushes, report = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
token = None


def call(method, path, body=None, content_type="application/json", expected=200):
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(base + path, data, method=method)
    if content_type:
        request.add_header("Content-Type", content_type)
    if token:
        request.add_header("app_key", app_id)
        request.add_header("Authorization", "Bearer " + token)
    try:
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:
            status, kind, text = answer.status, answer.headers.get("Content-Type"), answer.read()
    except urllib.error.HTTPError as error:
        status, kind, text = error.code, error.headers.get("Content-Type"), error.read()
    assert status == expected, f"{method} {path}: {status} {text!r}, not {expected}"
    assert status == 204 or kind and kind.startswith("application/json"), f"{method} {path}: Content-Type {kind}"
    return json.loads(text) if text else None


def pushed(kind, condition=lambda push: True):
    """The first push of this kind that meets the condition, within 20 s."""
    for _ in range(200):
        with open(pushes, "rb") as bodies:
            for line in bodies:
                push = json.loads(line)
                if push.get("notifyType") == kind and condition(push):
                    return push
        time.sleep(0.1)
    raise AssertionError(f"no {kind} was pushed")


# urllib would name a form; a socket program of that time named nothing.
class Bare(urllib.request.HTTPSHandler):
    def https_request(self, request):
        request = super().https_request(request)
        request.unredirected_hdrs.pop("Content-type", None)
        return request

    http_request = https_request


form = f"appId={app_id}&secret={secret}".encode()
bare = urllib.request.build_opener(Bare(context=context))
with bare.open(urllib.request.Request(base + "/iocm/app/sec/v1.1.0/login", form, method="POST"), timeout=30) as answer:
    token = json.load(answer)["accessToken"]

for kind in ("deviceInfoChanged", "deviceDatasChanged", "deviceAdded"):
    call("POST", "/iocm/app/sub/v1.1.0/subscribe", {"notifyType": kind, "callbackurl": callback}, expected=201)

node = "legacy-" + str(time.time_ns())
device = call("POST", f"/iocm/app/reg/v1.2.0/devices?appId={app_id}", {"verifyCode": node, "nodeId": node, "timeout": "0"})
device_id = device["deviceId"]
assert device["verifyCode"] == node, device
pushed("deviceAdded", lambda push: push["deviceId"] == device_id)
activation = call("GET", f"/iocm/app/reg/v1.1.0/devices/{device_id}?appid={app_id}")
assert activation["activated"] is False, activation

model = {"manufacturerId": "acme", "manufacturerName": "Acme", "deviceType": "Thermometer", "model": "T1", "protocolType": "MQTT"}
call("PUT", f"/iocm/app/dm/v1.2.0/devices/{device_id}?appId={app_id}", {"name": "in the cellar", "location": "", **model}, expected=204)
changed = pushed("deviceInfoChanged", lambda push: push["deviceId"] == device_id and push["deviceInfo"]["name"])
assert changed["deviceInfo"]["name"] == "in the cellar", changed
shown = call("GET", f"/iocm/app/dm/v1.1.0/devices/{device_id}?appId={app_id}")
assert (shown["deviceInfo"]["name"], shown["deviceInfo"]["model"]) == ("in the cellar", "T1"), shown
listed = call("GET", f"/iocm/app/dm/v1.3.0/devices?appId={app_id}&pageNo=0&pageSize=10")
assert device_id in [device["deviceId"] for device in listed["devices"]], listed

meter = call("POST", "/iocm/app/reg/v2.0.0/deviceCredentials", {"deviceInfo": {"nodeId": node + "-mqtt", **model}})
subprocess.run([report, meter["deviceId"], meter["secret"]], check=True)
data = pushed("deviceDatasChanged", lambda push: push["deviceId"] == meter["deviceId"])
assert data["services"][0]["data"] == {"temperature": 21.5}, data
history = call("GET", f"/iocm/app/data/v1.1.0/deviceDataHistory?deviceId={meter['deviceId']}&gatewayId={meter['deviceId']}&appId={app_id}")
assert history["deviceDataHistoryDTOs"][0]["data"] == {"temperature": 21.5}, history
call("GET", f"/iocm/app/data/v1.2.0/deviceCapabilities?deviceId={meter['deviceId']}")

sensor = {**model, "deviceType": "Sensor", "model": "S1", "protocolType": "LWM2M"}
call("PUT", f"/iocm/app/dm/v1.1.0/devices/{device_id}", sensor, expected=204)
commands = f"/iocm/app/cmd/v1.2.0/devices/{device_id}/commands"
wanted = {"command": {"serviceId": "Switch", "method": "SET", "paras": {"value": "4"}}, "callbackUrl": callback, "expireTime": "1000"}
command = call("POST", f"{commands}?appId={app_id}", wanted)
found = call("GET", f"{commands}?pageNo=0&pageSize=10&appId={app_id}")
assert command["commandId"] in json.dumps(found), found
call("PUT", f"{commands}/{command['commandId']}?appId={app_id}", {"status": "CANCELED"})

for gone in (device_id, meter["deviceId"]):
    call("DELETE", f"/iocm/app/dm/v1.1.0/devices/{gone}?appId={app_id}", expected=204)
refused = call("GET", "/iocm/app/rule/v1.2.0/rules", expected=404)
assert refused["error_code"], refused
