// Cayenne Low Power Payload: channel, type, value; big endian.
const TYPES = {
  0: { name: 'digitalIn', size: 1 },
  1: { name: 'digitalOut', size: 1 },
  2: { name: 'analogIn', size: 2, signed: true, divisor: 100 },
  101: { name: 'illuminance', size: 2 },
  102: { name: 'presence', size: 1 },
  103: { name: 'temperature', size: 2, signed: true, divisor: 10 },
  104: { name: 'humidity', size: 1, divisor: 2 },
  113: { name: 'accelerometer', size: 6, axes: ['x', 'y', 'z'], width: 2, divisor: 1000 },
  115: { name: 'pressure', size: 2, divisor: 10 },
  136: { name: 'gps', size: 9, axes: ['latitude', 'longitude', 'altitude'], width: 3, divisors: [10000, 10000, 100] },
};

function integer(bytes, at, size, signed) {
  let value = 0;
  for (let i = 0; i < size; i++) value = value * 256 + bytes[at + i];
  return signed && value >= 2 ** (size * 8 - 1) ? value - 2 ** (size * 8) : value;
}

function decode(bytes, meta) {
  const result = {};
  let at = 0;
  while (at < bytes.length) {
    if (at + 2 > bytes.length) throw new Error(`channel without a type at byte ${at}`);
    const channel = bytes[at++];
    const type = TYPES[bytes[at++]];
    if (!type) throw new Error(`unknown type ${bytes[at - 1]} at byte ${at - 1}`);
    if (at + type.size > bytes.length) throw new RangeError(`${type.name} needs ${type.size} bytes, ${bytes.length - at} left`);
    let value;
    if (type.axes) {
      value = {};
      type.axes.forEach((axis, i) => {
        value[axis] = integer(bytes, at + i * type.width, type.width, true) / (type.divisors ? type.divisors[i] : type.divisor);
      });
    } else {
      value = integer(bytes, at, type.size, type.signed) / (type.divisor || 1);
    }
    result[`${type.name}_${channel}`] = value;
    at += type.size;
  }
  return result;
}
