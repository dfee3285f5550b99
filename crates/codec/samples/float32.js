// A vibration probe: little-endian IEEE 754 values behind a header that says how many and how wide.
var decode = (bytes, meta) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 2) throw 'header missing';
  const [count, width] = [bytes[0], bytes[1]];
  if (width !== 4 && width !== 8) throw 'width ' + width + ' is neither 4 nor 8';
  if (bytes.length !== 2 + count * width) throw count + ' values of ' + width + ' bytes do not make ' + (bytes.length - 2);
  const values = [];
  for (let i = 0; i < count; i++) values.push(width === 4 ? view.getFloat32(2 + i * 4, true) : view.getFloat64(2 + i * 8, true));
  const finite = values.filter(Number.isFinite);
  const mean = finite.reduce((sum, value) => sum + value, 0) / finite.length;
  return { values, rounded: values.map((value) => Math.fround(value * 1.1)), text: values.map(String), fixed: values.map((v) => v.toExponential(6)), mean };
};

function encode(command) {
  const frame = Buffer.alloc(5);
  frame.writeUInt8(command.channel & 0xff, 0);
  frame.writeFloatLE(command.threshold, 1);
  return frame;
}
