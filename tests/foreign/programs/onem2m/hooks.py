"""A Device-to-Cloud application as Telekom documents it: it registers itself with a web hook, puts itself into the group of its devices, and is
called with what they say.

Usage: hooks.py API_URL TOKEN_URL CA CLIENT_ID CLIENT_SECRET ORIGINATOR HOOK PUSHES
"""

import base64
import json
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

api, token_url, ca, client, secret, originator, hook, pushes = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
basic = base64.b64encode(f"{client}:{secret}".encode()).decode()
request = urllib.request.Request(token_url, b"grant_type=client_credentials", {"Authorization": "Basic " + basic})
with urllib.request.urlopen(request, context=context, timeout=30) as answer:
    token = json.load(answer)["access_token"]


def call(method, path, body=None, kind=None, origin=originator, expected=200):
    headers = {
        "Authorization": "Bearer " + token, "X-M2M-Origin": origin, "X-M2M-RI": str(uuid.uuid4()), "X-M2M-RVI": "4", "Accept": "application/json",
        "Content-Type": f"application/json;ty={kind}" if kind else "application/json",
    }
    request = urllib.request.Request(api + path, body and json.dumps(body).encode(), headers, method=method)
    try:
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    assert status == expected, f"{method} {path}: {status} {text!r}, not {expected}"
    return json.loads(text) if text else None


def hooked(condition, what):
    """The first call of the web hook that meets the condition, within 20 s."""
    for _ in range(200):
        with open(pushes, "rb") as bodies:
            for line in bodies:
                if condition(line.decode()):
                    return json.loads(line)
        time.sleep(0.1)
    raise AssertionError(f"the web hook was not called with {what}")


run = str(time.time_ns())
own = f"Chook{run}"
entity = {
    "rn": f"hook{run}", "api": "N.acme.hook", "rr": True, "srv": ["3"], "lbl": ["type:d2c", "d2c:1.0", "EndpointType:WebHook"], "poa": [hook],
}
made = call("POST", "", {"m2m:ae": entity}, 2, own, 201)["m2m:ae"]
assert made["aei"] == own, made
silent = call("POST", "", {"m2m:ae": {"rn": f"silent{run}", "api": "N.acme.silent", "rr": False, "poa": None}}, 2, f"Csilent{run}", 201)
assert "poa" not in silent["m2m:ae"], silent

name, node_id = f"node{run}", f"urn:gsma:imei:{run}"
group = {"rn": f"group{run}", "cnd": "com.telekom.iot.orchestrator.deviceGroup", "nds": [], "aes": [entity["rn"]]}
call("POST", "/device-group", {"dtiot:devGr": group}, 28, expected=201)
node = {
    "ni": node_id, "noRNe": name, "profe": "SCS-LwM2M", "lbl": ["d2c:1.0"], "nDGr": [group["rn"]],
    "nCr": [f"psk-id:{name}", "psk:" + base64.b64encode(run.encode()).decode()],
}
request = {"cnd": "com.telekom.iot.orchestrator.nodeProvisioningRequest", "rn": f"request{run}", "opern": 1, "reqLt": [node]}
asked = call("POST", "/device-provisioning/request", {"dtiot:noPRt": request}, 28, expected=201)["dtiot:noPRt"]
for _ in range(100):
    try:
        outcome = call("GET", "/device-provisioning/response/responseToRequest-" + asked["ri"])["dtiot:prRRe"]
        break
    except AssertionError:
        time.sleep(0.1)
assert outcome["resSs"] == 1, outcome
members = call("GET", f"/device-group/{group['rn']}")["dtiot:devGr"]
assert members["nds"] == [name], members

# A second node of the name is refused in the error-msg of the first, and the web hook hears of it; so it does of a changed node.
again = {**request, "rn": f"again{run}", "reqLt": [{**node, "ni": node_id + "0"}]}
call("POST", "/device-provisioning/request", {"dtiot:noPRt": again}, 28, expected=201)
hooked(lambda push: name in push and "Device with the same nodeResourceName already exists." in push, "the error")
call("PUT", f"/{name}", {"m2m:nod": {"lbl": ["d2c:1.0", "profile:SCS-LwM2M", f"room:{run}"]}})
hooked(lambda push: f"room:{run}" in push, "the changed node")

for gone in (f"/{name}", f"/device-group/{group['rn']}", f"/{entity['rn']}", f"/silent{run}"):
    call("DELETE", gone)
