// Answers in Node what the sandbox answers: reads {samples: {name: source}, calls: [{sample, bytes, meta} | {sample, command}]} from
// standard input and writes [{ok: text} | {error: text}]. The scripts see Node's own Buffer.
const vm = require('vm');
const { samples, calls } = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const silent = { log() {}, info() {}, warn() {}, error() {}, debug() {} };
const contexts = new Map(Object.entries(samples).map(([name, source]) => {
  const context = vm.createContext({ Buffer, console: silent });
  vm.runInContext(source, context, { filename: 'codec.js' });
  vm.runInContext(`
    function __member(result, name) { if (result.errors && result.errors.length) throw result.errors.join('; '); return result[name]; }
    function __decode(list, metaText) {
      const meta = JSON.parse(metaText);
      if (typeof decode === 'function') return JSON.stringify(decode(new Uint8Array(list), meta));
      return JSON.stringify(__member(decodeUplink({ bytes: Array.from(list), fPort: meta.fPort }), 'data'));
    }
    function __encode(text) {
      const command = JSON.parse(text);
      return Array.from(typeof encode === 'function' ? encode(command) : __member(encodeDownlink({ data: command }), 'bytes'));
    }`, context);
  return [name, context];
}));
const answers = calls.map((call) => {
  const context = contexts.get(call.sample);
  try {
    if (call.bytes === undefined) return { ok: Buffer.from(context.__encode(JSON.stringify(call.command))).toString('hex') };
    return { ok: context.__decode(Array.from(Buffer.from(call.bytes, 'hex')), JSON.stringify(call.meta)) };
  } catch (error) {
    return { error: String(error) };
  }
});
process.stdout.write(JSON.stringify(answers));
