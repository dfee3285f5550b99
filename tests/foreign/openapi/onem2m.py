"""A generated client of Device-to-Cloud: provisions a node, reads what came of it and the node itself.

Arguments: base address, CA file, appId, secret, tenant, originator."""
import ssl
import sys
import time

import httpx
from onem2m_client import AuthenticatedClient
from onem2m_client.api.node import get_node
from onem2m_client.api.provisioning import create_provisioning_request, get_provisioning_response
from onem2m_client.models import ProvisioningRequestCreate

base, ca, app_id, secret, tenant, originator = sys.argv[1:]
tls = ssl.create_default_context(cafile=ca)
form = {"grant_type": "client_credentials", "client_id": app_id, "client_secret": secret}
token = httpx.post(f"{base}/device-management-orchestrator/oauth/token", data=form, verify=tls).json()["access_token"]
client = AuthenticatedClient(
    base_url=f"{base}/device-management-orchestrator/v3/{tenant}", verify_ssl=tls, token=token, headers={"Accept": "application/json"}
)
node = {"ni": "urn:gsma:imei:351934546788011", "noRNe": "generated1", "profe": "SCS-LwM2M", "nCr": ["psk-id:g1", "psk:c2VjcmV0LW9mLWEtbWV0ZXI="]}
request = {"dtiot:noPRt": {"cnd": "com.telekom.iot.orchestrator.nodeProvisioningRequest", "opern": 1, "reqLt": [node]}}


def asked(number):
    return {"client": client, "x_m2m_origin": originator, "x_m2m_ri": f"generated-{number}"}


made = create_provisioning_request.sync(body=ProvisioningRequestCreate.from_dict(request), **asked(1))
name = f"responseToRequest-{made.to_dict()['dtiot:noPRt']['ri']}"
for attempt in range(100):
    outcome = get_provisioning_response.sync_detailed(name, **asked(attempt + 2))
    if outcome.status_code == 200:
        break
    time.sleep(0.1)
assert outcome.status_code == 200, outcome
shown = get_node.sync("generated1", **asked(200))
assert shown.m2mnod.rn == "generated1", shown
