// A door contact written for the LoRaWAN convention (TS013).
function decodeUplink(input) {
  if (input.fPort !== 10) return { errors: ['unknown port ' + input.fPort, 'expected 10'] };
  if (input.bytes.length < 4) return { errors: ['short frame'] };
  var flags = input.bytes.shift();
  var data = { open: (flags & 1) === 1, battery: (input.bytes[0] & 0x7f) / 10 + 1, count: input.bytes[1] << 8 | input.bytes[2] };
  return { data: data, warnings: data.battery < 2 ? ['battery low'] : [] };
}

function encodeDownlink(input) {
  if (typeof input.data.interval !== 'number') return { errors: ['interval missing'] };
  return { fPort: 10, bytes: [1, input.data.interval >> 8 & 0xff, input.data.interval & 0xff] };
}
