// An electricity meter that answers a Modbus read of holding registers; CRC-16 at the end, little endian.
function crc16(bytes, length) {
  let crc = 0xffff;
  for (let i = 0; i < length; i++) {
    crc ^= bytes[i];
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1;
  }
  return crc;
}

const REGISTERS = [
  ['voltage', (frame, at) => frame.readUInt16BE(at) / 10, 2],
  ['current', (frame, at) => frame.readInt32BE(at) / 1000, 4],
  ['power', (frame, at) => frame.readInt16BE(at), 2],
  ['energy', (frame, at) => frame.readUInt32BE(at) / 100, 4],
  ['powerFactor', (frame, at) => frame.readInt16BE(at) / 1000, 2],
];

function decode(bytes, meta) {
  const frame = Buffer.from(bytes);
  if (frame.length < 5) throw new Error('frame of ' + frame.length + ' bytes is too short');
  const crc = frame.readUInt16LE(frame.length - 2);
  const expected = crc16(frame, frame.length - 2);
  if (crc !== expected) throw new Error('CRC is ' + crc.toString(16) + ', calculated ' + expected.toString(16));
  if (frame[1] & 0x80) throw { toString() { return 'ModbusException ' + frame[2]; } };
  if (frame[1] !== 3) throw new TypeError('function ' + frame[1] + ' is not a read of holding registers');
  if (frame[2] !== frame.length - 5) throw new Error('byte count ' + frame[2] + ' in a frame of ' + frame.length);
  const result = { unit: frame[0], raw: frame.toString('hex', 3, frame.length - 2) };
  let at = 3;
  for (const [name, read, size] of REGISTERS) {
    if (at + size > frame.length - 2) break;
    result[name] = read(frame, at);
    at += size;
  }
  return result;
}

function encode(command) {
  if (command.cmd !== 'SET_RELAY') throw new Error('unknown command ' + command.cmd);
  const frame = [command.paras.unit & 0xff, 5, 0, command.paras.relay & 0xff, command.paras.on ? 0xff : 0, 0];
  const crc = crc16(frame, frame.length);
  return frame.concat(crc & 0xff, crc >> 8);
}
