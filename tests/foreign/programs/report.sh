#!/bin/bash
# Reports 21.5 degrees as the MQTT device of this id and secret. Usage: report.sh DEVICE_ID SECRET; MQTTS and CA are in the environment.
set -euo pipefail
stamp=$(date -u +%Y%m%d%H)
password=$(printf %s "$2" | openssl dgst -sha256 -hmac "$stamp" -r | cut -d' ' -f1)
exec mosquitto_pub -h localhost -p "$MQTTS" --cafile "$CA" -u "$1" -P "$password" -i "$1_0_1_$stamp" -q 1 -t "/huawei/v1/devices/$1/data/json" \
    -m '{"msgType":"deviceReq","data":[{"serviceId":"Thermometer","serviceData":{"temperature":21.5}}]}'
