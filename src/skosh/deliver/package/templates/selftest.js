// Runs the golden inputs, compares every byte of every output: the text ends in PASS, or tells the first difference.
const kinds = { Int8Array, Uint8Array, Int16Array, Uint16Array, Int32Array, Uint32Array, BigInt64Array, BigUint64Array, Float32Array, Float64Array };

export function selftest(model, inputs, outputs, runs) {
  const lines = [];
  model.reset();
  for (const [n, run] of runs.entries()) {
    const values = Object.fromEntries(inputs.map((p) => [p.name, new kinds[p.array](Uint8Array.from(run.inputs[p.name]).buffer)]));
    const start = performance.now();
    let got;
    try {
      got = model.run(values);
    } catch (error) {
      if (run.status !== 0) continue;
      return `FAIL: run ${n}: ${error.message}`;
    }
    lines.push(`run ${n}: ${(performance.now() - start).toFixed(3)} ms`);
    for (const p of outputs) {
      const bytes = new Uint8Array(got[p.name].buffer, got[p.name].byteOffset, got[p.name].byteLength);
      const at = bytes.findIndex((b, i) => b !== run.outputs[p.name][i]);
      if (at >= 0) {
        const i = Math.floor(at / got[p.name].BYTES_PER_ELEMENT);
        const want = new kinds[p.array](Uint8Array.from(run.outputs[p.name]).buffer)[i];
        return `FAIL: run ${n}: ${p.name}[${i}] is ${got[p.name][i]}, not ${want}`;
      }
    }
  }
  return [...lines, "PASS"].join("\n");
}
