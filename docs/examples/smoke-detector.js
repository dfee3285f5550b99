// The frames of the smoke detector S1, ported from its Java plug-in; all numbers with the most significant byte first.
//
//   report           00 number(1) level(1, percent) temperature(2, tenths of a degree, signed) alarm(1)
//   acknowledgement  80 number(1) errcode(1) hasMore(1)
//   command          01 mid(2) value(1)
//   answer           02 mid(2) errcode(1) result(1)
const REPORT = 0x00;
const COMMAND = 0x01;
const ANSWER = 0x02;
const ACKNOWLEDGEMENT = 0x80;

function decode(bytes, meta) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (bytes[0]) {
    case REPORT:
      return {
        identifier: String(bytes[1]),
        msgType: 'deviceReq',
        hasMore: 0,
        data: [
          {
            serviceId: 'Smoke',
            serviceData: { level: bytes[2], temperature: view.getInt16(3) / 10, alarm: view.getUint8(5) !== 0 },
          },
        ],
        cloudRsp: true,
      };
    case ANSWER: {
      const errcode = view.getUint8(3);
      return { msgType: 'deviceRsp', mid: view.getUint16(1), errcode, body: { result: view.getUint8(4) } };
    }
    default:
      throw new Error(`frames of kind ${bytes[0]} are unknown`);
  }
}

function encode(message) {
  if (message.msgType === 'cloudRsp') {
    return [ACKNOWLEDGEMENT, message.request[1], message.errcode, message.hasMore];
  }
  if (message.cmd !== 'SET_ALARM') throw new Error(`the command ${message.cmd} is unknown`);
  return [COMMAND, message.mid >> 8, message.mid & 255, message.paras.value ? 1 : 0];
}
