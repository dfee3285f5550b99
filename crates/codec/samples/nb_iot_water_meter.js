// A water meter on NB-IoT. First byte: 0 report, 1 answer to a command (carries the command's mid), 2 alarm.
const ERRORS = { 0: 'ok', 1: 'valve blocked', 2: 'battery too low' };

function decode(bytes, meta) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const need = (size) => {
    if (bytes.length < size) throw new RangeError(`message of type ${bytes[0]} needs ${size} bytes, has ${bytes.length}`);
  };
  if (bytes.length === 0) throw new Error('empty message');
  switch (bytes[0]) {
    case 0: {
      need(12);
      const seconds = view.getUint32(8);
      return {
        msgType: 'deviceReq',
        hasMore: bytes.length > 12 ? 1 : 0,
        data: [
          { serviceId: 'Water', serviceData: { volume: view.getUint32(1) / 1000, flow: view.getInt16(5) / 10 }, eventTime: stamp(seconds) },
          { serviceId: 'Battery', serviceData: { level: Math.min(100, bytes[7]) }, eventTime: stamp(seconds) },
        ],
        imei: meta.imei,
      };
    }
    case 1: {
      need(4);
      const code = bytes[3];
      return { msgType: 'deviceRsp', mid: view.getUint16(1), errcode: code === 0 ? 0 : 1, body: { result: ERRORS[code] || `code ${code}` } };
    }
    case 2:
      need(2);
      return { msgType: 'deviceReq', hasMore: 0, data: [{ serviceId: 'Alarm', serviceData: { leak: !!(bytes[1] & 1), frost: !!(bytes[1] & 2), tamper: !!(bytes[1] & 4) } }] };
    default:
      throw new Error('unknown message type 0x' + bytes[0].toString(16).padStart(2, '0'));
  }
}

function stamp(seconds) {
  return new Date(seconds * 1000).toISOString().replace(/[-:]/g, '').replace(/\.\d+/, '');
}

function encode(command) {
  if (command.msgType === 'cloudRsp') return [0xaa, command.errcode & 0xff];
  const actions = { OPEN: 1, CLOSE: 0 };
  const action = actions[command.paras && command.paras.valve];
  if (action === undefined) throw new Error('valve must be OPEN or CLOSE');
  return new Uint8Array([1, command.mid >> 8, command.mid & 0xff, action]);
}
