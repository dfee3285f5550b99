"""A device and an administrator with c8y-api as it is on PyPI: from the request for credentials to a finished operation.

Usage: api.py BASE TENANT USER PASSWORD BOOTSTRAP_PASSWORD. Prints a line for each thing done; the exit status is 0 when all was as it should be.
"""

import io
import sys
import threading
import time
from datetime import datetime, timezone

from c8y_api import CumulocityApi, CumulocityDeviceRegistry
from c8y_api.model import Alarm, Binary, Device, DeviceGroup, Event, ManagedObject, Measurement, Operation
from c8y_api.model.measurements import Celsius

base, tenant, user, password, bootstrap = sys.argv[1:]
admin = CumulocityApi(base, tenant, user, password)
serial = "api-1"

# The device asks until somebody accepts it.
admin.device_inventory.request(serial)
registry = CumulocityDeviceRegistry(base, "management", "devicebootstrap", bootstrap)
connected = []
waiting = threading.Thread(target=lambda: connected.append(registry.await_connection(serial, timeout="60s", pause="1s")))
waiting.start()
for _ in range(100):
    try:
        admin.device_inventory.accept(serial)
        break
    except ValueError as not_asked_yet:
        time.sleep(0.1)
waiting.join(90)
device_api = connected[0]
assert device_api.username == f"device_{serial}", device_api.username
print("credentials")

# It makes itself known, and what is behind it.
device = Device(device_api, type="c8y_Thermometer", name="Cellar", com_cumulocity_model_Agent={}, c8y_SupportedOperations=["c8y_Restart"]).create()
device_api.identity.create(serial, "c8y_Serial", device.id)
assert device_api.identity.get_id(serial, "c8y_Serial") == device.id
assert device.owner == f"device_{serial}", device.owner
child = Device(device_api, type="c8y_Probe", name="Probe").create()
device.add_child_device(child)
device.reload()
assert [c.id for c in device_api.inventory.get(device.id).child_devices] == [child.id]
device["c8y_Hardware"] = {"model": "T1", "serialNumber": serial, "revision": "2"}
device.update()
assert admin.inventory.get(device.id).c8y_Hardware.serialNumber == serial
print("inventory")

now = datetime.now(timezone.utc)
for value in (20.5, 21.25):
    Measurement(device_api, type="c8y_Temperature", source=device.id, time=now, c8y_TemperatureMeasurement={"T": Celsius(value)}).create()
values = sorted(m.c8y_TemperatureMeasurement.T.value for m in admin.measurements.get_all(source=device.id))
assert values == [20.5, 21.25], values
print("measurements")

event = Event(device_api, type="c8y_Door", time="now", source=device.id, text="opened").create()
assert [e.text for e in admin.events.get_all(source=device.id, type="c8y_Door")] == ["opened"]
event.create_attachment(io.BytesIO(b"picture"), content_type="image/png")
assert admin.events.download_attachment(event.id) == b"picture"
print("events")

for _ in range(3):
    alarm = Alarm(device_api, type="c8y_Hot", time="now", source=device.id, text="too hot", severity="MAJOR").create()
alarms = admin.alarms.get_all(source=device.id)
assert [(a.count, a.severity, a.status) for a in alarms] == [(3, "MAJOR", "ACTIVE")], alarms
alarm.status = "CLEARED"
alarm.update()
assert [a.status for a in admin.alarms.get_all(source=device.id)] == ["CLEARED"]
print("alarms")

operation = Operation(admin, device_id=device.id, description="Restart", c8y_Restart={}).create()
assert operation.status == "PENDING", operation.status
for status in ("EXECUTING", "SUCCESSFUL"):
    [own] = [o for o in device_api.operations.get_all(agent_id=device.id, status=operation.status)]
    assert own.id == operation.id
    own.status = status
    own.update()
    operation = admin.operations.get(operation.id)
    assert operation.status == status, operation.status
print("operations")

# The administrator looks, sorts into groups, and files away.
assert device.id in [d.id for d in admin.inventory.get_all(fragment="c8y_IsDevice")]
assert [d.id for d in admin.device_inventory.get_all(name="Cellar")] == [device.id]
group = DeviceGroup(admin, root=True, name="House").create()
below = group.create_child("Ground floor")
below.add_child_asset(device)
assert [c.id for c in admin.inventory.get(below.id).child_assets] == [device.id]
firmware = Binary(admin, type="application/octet-stream", name="firmware.bin", file=io.BytesIO(b"\x00firmware")).create()
assert device_api.binaries.read_file(firmware.id) == b"\x00firmware"
thing = ManagedObject(admin, type="asset", name="Boiler", note="old").create()
thing.delete()
try:
    admin.inventory.get(thing.id)
    raise SystemExit("what was deleted is still there")
except KeyError:
    pass
print("administration")
