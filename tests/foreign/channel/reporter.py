"""Devices on paho-mqtt that report ascending temperatures, each the next one when the last was acknowledged, whatever becomes of the server.

Usage: reporter.py PORT CA COUNT DEVICE_ID SECRET [DEVICE_ID SECRET...]; prints how many each has reported, a line for each tenth.
"""

import datetime
import hashlib
import hmac
import json
import sys
import threading

import paho.mqtt.client as mqtt

port, ca, count, *devices = sys.argv[1:]


def report(device, secret):
    stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d%H")
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"{device}_0_0_{stamp}", clean_session=False)
    client.username_pw_set(device, hmac.new(stamp.encode(), secret.encode(), hashlib.sha256).hexdigest())
    client.tls_set(ca)
    client.reconnect_delay_set(0.2, 0.5)
    acknowledged = threading.Semaphore(0)
    client.on_publish = lambda c, u, mid, reason, p: acknowledged.release()
    client.connect_async("localhost", int(port), 30)
    client.loop_start()
    for n in range(int(count)):
        data = [{"serviceId": "Thermometer", "serviceData": {"temperature": n / 10}}]
        client.publish(f"/huawei/v1/devices/{device}/data/json", json.dumps({"msgType": "deviceReq", "data": data}), 1)
        if not acknowledged.acquire(timeout=60):
            sys.exit(f"{device}: report {n} was not acknowledged")
        if n % 10 == 9:
            print(device, n + 1, flush=True)
    client.disconnect()
    client.loop_stop()


threads = [threading.Thread(target=report, args=pair) for pair in zip(devices[::2], devices[1::2])]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
