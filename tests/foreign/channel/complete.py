"""Whether an application was told everything: each report of each device, the first time in order, and what comes again under its own requestId.
A device that was not acknowledged reports again; that is a report of its own.

Usage: complete.py FILE COUNT DEVICE_ID...; says what is missing while something is, with status 1.
"""

import json
import sys

path, count, *devices = sys.argv[1:]
first = {device: [] for device in devices}
ids = {}
with open(path, "rb") as lines:
    for line in lines:
        if line == b"ready\n":
            continue
        push = json.loads(line)
        assert push["notifyType"] == "deviceDataChanged", push
        device, value = push["deviceId"], round(push["service"]["data"]["temperature"] * 10)
        known = ids.setdefault(push["requestId"], (device, value))
        assert known == (device, value), f"{push['requestId']} is report {known} and {(device, value)}"
        if not first[device] or value > first[device][-1]:
            first[device].append(value)
        else:
            assert value in first[device], f"report {value} of {device} came after {first[device][-1]}"
for device, values in first.items():
    assert values == list(range(int(count))), f"{device}: {len(values)} of {count} reports, the last is {values[-1:]}"
