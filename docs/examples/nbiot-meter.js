// The frames of the water meter N1; all numbers with the most significant byte first.
//
//   report   00 volume(4, litres) flow(2, litres an hour, signed) battery(1, percent)
//   answer   01 mid(2) code(1)
//   command  01 mid(2) position(1: 0 closed, 1 open)
const CODES = ['ok', 'valve blocked', 'battery too low'];
const POSITIONS = { CLOSED: 0, OPEN: 1 };

function decode(bytes, meta) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const need = (size) => {
    if (bytes.length < size) throw new Error(`a frame of kind ${bytes[0]} has ${size} bytes, this one ${bytes.length}`);
  };
  need(1);
  if (bytes[0] === 0) {
    need(8);
    return {
      msgType: 'deviceReq',
      data: [
        { serviceId: 'Water', serviceData: { volume: view.getUint32(1) / 1000, flow: view.getInt16(5) / 1000 } },
        { serviceId: 'Battery', serviceData: { batteryLevel: Math.min(100, bytes[7]) } },
      ],
    };
  }
  if (bytes[0] === 1) {
    need(4);
    const result = CODES[bytes[3]] || `code ${bytes[3]}`;
    return { msgType: 'deviceRsp', mid: view.getUint16(1), errcode: bytes[3] === 0 ? 0 : 1, body: { result } };
  }
  throw new Error(`frames of kind ${bytes[0]} are unknown`);
}

function encode(command) {
  const position = POSITIONS[command.paras.position];
  if (command.cmd !== 'SET' || position === undefined) throw new Error('only SET with OPEN or CLOSED is known');
  return [1, command.mid >> 8, command.mid & 255, position];
}
