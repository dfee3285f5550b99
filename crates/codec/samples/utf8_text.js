// A gateway that forwards lines of text: "key=value;key=value", UTF-8, values may be numbers or words of any language.
function decode(bytes, meta) {
  const text = Buffer.from(bytes).toString('utf8');
  if (meta.strict && text.includes('\ufffd')) throw new Error('not UTF-8: ' + text);
  const result = { text, length: text.length, bytes: bytes.length, base64: Buffer.from(bytes).toString('base64'), upper: text.toUpperCase() };
  for (const part of text.split(';')) {
    const match = /^\s*([\p{L}_][\p{L}\d_]*)\s*=\s*(.*?)\s*$/u.exec(part);
    if (match) result['.' + match[1]] = /^-?\d+(\.\d+)?$/.test(match[2]) ? parseFloat(match[2]) : match[2];
  }
  return result;
}

function encode(command) {
  return Array.from(Buffer.from(Object.entries(command).map(([key, value]) => key + '=' + value).join(';'), 'utf8'));
}
