"""Watches the stock agent c8ydm as it bootstraps and starts over MQTT by itself, and gives it an operation.

Usage: agent.py BASE TENANT USER PASSWORD SERIAL. The exit status is 0 when all was as it should be.
"""

import sys
import time

import requests

base, tenant, user, password, serial = sys.argv[1:]
session = requests.Session()
session.auth = (f"{tenant}/{user}", password)
session.headers["Accept"] = "application/json"


def call(method, path, expected, **more):
    answer = session.request(method, base + path, **more)
    assert answer.status_code == expected, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer.json()


def until(what, look, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = look()
        if found:
            print(what, flush=True)
            return found
        time.sleep(0.3)
    raise SystemExit(f"not in {seconds} s: {what}")


call("POST", "/devicecontrol/newDeviceRequests", 201, json={"id": serial})
until("asked", lambda: call("GET", f"/devicecontrol/newDeviceRequests/{serial}", 200)["status"] == "PENDING_ACCEPTANCE")
call("PUT", f"/devicecontrol/newDeviceRequests/{serial}", 200, json={"status": "ACCEPTED"})


def found():
    answer = session.get(f"{base}/identity/externalIds/c8y_Serial/{serial}")
    return answer.json()["managedObject"]["id"] if answer.status_code == 200 else None


device = until("registered", found)
object_path = f"/inventory/managedObjects/{device}"


def complete():
    seen = call("GET", object_path, 200)
    wanted = ("c8y_Hardware", "c8y_Configuration", "c8y_RequiredAvailability", "c8y_SupportedOperations", "c8y_SupportedLogs")
    return seen if all(name in seen for name in wanted) and "c8y_Restart" in seen["c8y_SupportedOperations"] else None


seen = until("started", complete)
assert seen["owner"] == f"device_{serial}", seen["owner"]
assert seen["type"] == "c8y_dm_example_device", seen["type"]
assert "agent.name" in seen["c8y_Configuration"]["config"] or "agent" in seen["c8y_Configuration"]["config"], seen["c8y_Configuration"]
until("events", lambda: call("GET", f"/event/events?source={device}&type=c8y_AgentStartEvent", 200)["events"])
until("measurements", lambda: call("GET", f"/measurement/measurements?source={device}&type=c8y_deviceStats", 200)["measurements"])

made = call("POST", "/devicecontrol/operations", 201, json={"deviceId": device, "description": "uptime", "c8y_Command": {"text": "show help"}})


def done():
    operation = call("GET", f"/devicecontrol/operations/{made['id']}", 200)
    assert operation["status"] != "FAILED", operation
    return operation if operation["status"] == "SUCCESSFUL" else None


operation = until("operation", done)
assert "show uptime" in operation["c8y_Command"]["result"], operation
