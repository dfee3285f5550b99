"""A generated client of OceanConnect: logs in, registers a device, finds it, and is refused with a reason.

Arguments: base address, CA file, appId, secret, productId."""
import ssl
import sys

from oceanconnect_client import AuthenticatedClient, Client
from oceanconnect_client.api.auth import login
from oceanconnect_client.api.data import get_device, list_devices
from oceanconnect_client.api.device import register_device_password
from oceanconnect_client.models import ErrorBody, LoginRequest, RegisterDeviceInfo, RegisterDeviceV2Request

base, ca, app_id, secret, product = sys.argv[1:]
tls = ssl.create_default_context(cafile=ca)
stranger = Client(base_url=base, verify_ssl=tls)
tokens = login.sync(client=stranger, body=LoginRequest(app_id=app_id, secret=secret))

headers = {"app_key": app_id, "X-Landfall-Reason": "on"}
client = AuthenticatedClient(base_url=base, verify_ssl=tls, token=tokens.access_token, headers=headers)
new = RegisterDeviceV2Request(device_info=RegisterDeviceInfo(node_id="generated-1", model="T1"), mqtt_connect=True, product_id=product)
made = register_device_password.sync(client=client, body=new)
found = list_devices.sync(client=client, page_no=0, page_size=10)
assert [one.device_id for one in found.devices] == [made.device_id], found
assert get_device.sync(client=client, device_id=made.device_id).device_info.node_id == "generated-1"

refused = get_device.sync_detailed(client=client, device_id="00000000-0000-4000-8000-000000000000")
assert isinstance(refused.parsed, ErrorBody) and refused.parsed.error_code == "100403", refused
assert refused.headers["X-Landfall-Reason"].startswith("DeviceNotFound: "), refused.headers
