// A parking sensor: fields that cross byte borders, most significant bit first.
class Bits {
  constructor(bytes) { this.bytes = bytes; this.at = 0; }
  take(count) {
    if (this.at + count > this.bytes.length * 8) throw new RangeError(`bit ${this.at} + ${count} is beyond ${this.bytes.length * 8}`);
    let value = 0n;
    for (let i = 0; i < count; i++, this.at++) value = (value << 1n) | BigInt((this.bytes[this.at >> 3] >> (7 - (this.at & 7))) & 1);
    return Number(value);
  }
  signed(count) { const value = this.take(count); return value >= 2 ** (count - 1) ? value - 2 ** count : value; }
}

function decode(bytes, { tariff = 'none' }) {
  const bits = new Bits(bytes);
  const [version, occupied, battery, temperature] = [bits.take(3), bits.take(1) === 1, bits.take(7), bits.signed(9)];
  const magnet = Array.from({ length: 3 }, () => bits.signed(12));
  const serial = bits.take(40);
  return { version, occupied, battery: `${battery}%`, temperature: temperature / 4, magnet, serial, tariff,
    field: +Math.sqrt(magnet.reduce((sum, axis) => sum + axis ** 2, 0)).toFixed(3) };
}
