// What a script finds besides the language itself: a small Buffer that behaves as Node's does, and a silent console.
// Absent: TextDecoder, timers, modules, any input or output. Errors of Buffer have Node's class, not Node's wording.
(function () {
  'use strict';

  function utf8Text(bytes) {
    let text = '';
    let i = 0;
    while (i < bytes.length) {
      const lead = bytes[i++];
      let more = 0, low = 0x80, high = 0xbf, point = lead;
      if (lead >= 0xc2 && lead <= 0xdf) { more = 1; point = lead & 0x1f; }
      else if (lead >= 0xe0 && lead <= 0xef) { more = 2; point = lead & 0x0f; if (lead === 0xe0) low = 0xa0; if (lead === 0xed) high = 0x9f; }
      else if (lead >= 0xf0 && lead <= 0xf4) { more = 3; point = lead & 0x07; if (lead === 0xf0) low = 0x90; if (lead === 0xf4) high = 0x8f; }
      else if (lead >= 0x80) point = 0xfffd;
      for (; more > 0; more--) {
        if (i >= bytes.length || bytes[i] < low || bytes[i] > high) { point = 0xfffd; break; }
        point = (point << 6) | (bytes[i++] & 0x3f);
        low = 0x80;
        high = 0xbf;
      }
      text += String.fromCodePoint(point);
    }
    return text;
  }

  function utf8Bytes(text) {
    const bytes = [];
    for (const char of text) {
      let point = char.codePointAt(0);
      if (point >= 0xd800 && point <= 0xdfff) point = 0xfffd;
      if (point < 0x80) bytes.push(point);
      else if (point < 0x800) bytes.push(0xc0 | (point >> 6), 0x80 | (point & 0x3f));
      else if (point < 0x10000) bytes.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 0x3f), 0x80 | (point & 0x3f));
      else bytes.push(0xf0 | (point >> 18), 0x80 | ((point >> 12) & 0x3f), 0x80 | ((point >> 6) & 0x3f), 0x80 | (point & 0x3f));
    }
    return bytes;
  }

  function hexBytes(text) {
    const bytes = [];
    for (let i = 0; i + 1 < text.length; i += 2) {
      const pair = text.slice(i, i + 2);
      if (!/^[0-9a-fA-F]{2}$/.test(pair)) break;
      bytes.push(parseInt(pair, 16));
    }
    return bytes;
  }

  const binary = (bytes, mask) => { let s = ''; for (const b of bytes) s += String.fromCharCode(b & mask); return s; };
  const codes = (text) => Array.from({ length: text.length }, (_, i) => text.charCodeAt(i) & 0xff);
  const encodings = {
    utf8: [utf8Text, utf8Bytes],
    hex: [(bytes) => { let s = ''; for (const b of bytes) s += (b + 256).toString(16).slice(1); return s; }, hexBytes],
    ascii: [(bytes) => binary(bytes, 0x7f), codes],
    latin1: [(bytes) => binary(bytes, 0xff), codes],
    base64: [(bytes) => btoa(binary(bytes, 0xff)), (text) => codes(atob(text))],
  };
  encodings['utf-8'] = encodings.utf8;
  encodings.binary = encodings.latin1;
  function encoding(name) {
    const found = encodings[String(name === undefined ? 'utf8' : name).toLowerCase()];
    if (!found) throw new TypeError('Unknown encoding: ' + name);
    return found;
  }

  function view(buffer, offset, size) {
    if (!Number.isInteger(offset) || offset < 0 || offset + size > buffer.length)
      throw new RangeError('offset ' + offset + ' with ' + size + ' bytes is outside the buffer of ' + buffer.length);
    return new DataView(buffer.buffer, buffer.byteOffset + offset, size);
  }

  class Buffer extends Uint8Array {
    static from(value, name) {
      if (typeof value === 'string') return new Buffer(encoding(name)[1](value));
      return value instanceof ArrayBuffer ? new Buffer(value) : new Buffer(Array.from(value));
    }
    static alloc(size, fill) { return new Buffer(size).fill(fill === undefined ? 0 : fill); }
    static isBuffer(value) { return value instanceof Buffer; }
    static byteLength(value, name) { return typeof value === 'string' ? encoding(name)[1](value).length : value.byteLength; }
    static concat(list) { return Buffer.from([].concat(...list.map((part) => Array.from(part)))); }
    slice(start, end) { return this.subarray(start, end); }
    toString(name, start, end) { return encoding(name)[0](this.subarray(start, end)); }
    equals(other) { return this.length === other.length && this.every((byte, i) => byte === other[i]); }
    toJSON() { return { type: 'Buffer', data: Array.from(this) }; }
    readUIntBE(offset, size) { view(this, offset, size); let n = 0; for (let i = 0; i < size; i++) n = n * 256 + this[offset + i]; return n; }
    readUIntLE(offset, size) { view(this, offset, size); let n = 0; for (let i = size; i > 0; i--) n = n * 256 + this[offset + i - 1]; return n; }
    readIntBE(offset, size) { const n = this.readUIntBE(offset, size), top = 2 ** (size * 8); return n >= top / 2 ? n - top : n; }
    readIntLE(offset, size) { const n = this.readUIntLE(offset, size), top = 2 ** (size * 8); return n >= top / 2 ? n - top : n; }
  }

  const define = (name, value) => Object.defineProperty(Buffer.prototype, name, { value, writable: true, configurable: true });
  function accessors(name, kind, size, suffix, little) {
    define('read' + name + suffix, function (offset = 0) { return view(this, offset, size)['get' + kind](0, little); });
    define('write' + name + suffix, function (value, offset = 0) { view(this, offset, size)['set' + kind](0, value, little); return offset + size; });
  }
  const kinds = [
    ['UInt8', 'Uint8', 1], ['Int8', 'Int8', 1], ['UInt16', 'Uint16', 2], ['Int16', 'Int16', 2], ['UInt32', 'Uint32', 4], ['Int32', 'Int32', 4],
    ['Float', 'Float32', 4], ['Double', 'Float64', 8], ['BigUInt64', 'BigUint64', 8], ['BigInt64', 'BigInt64', 8],
  ];
  for (const [node, kind, size] of kinds) {
    for (const name of new Set([node, node.replace('UInt', 'Uint')])) {
      if (size === 1) accessors(name, kind, 1, '', false);
      else { accessors(name, kind, size, 'BE', false); accessors(name, kind, size, 'LE', true); }
    }
  }

  const silent = () => undefined;
  const publish = (name, value) => Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
  publish('Buffer', Buffer);
  publish('console', { log: silent, info: silent, warn: silent, error: silent, debug: silent });
})();
