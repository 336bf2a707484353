import { readFile } from "node:fs/promises";
import { load, inputs, outputs } from "./NAME.js";
import { selftest } from "./selftest.js";

const runs = JSON.parse(await readFile(new URL("./golden.json", import.meta.url)));
const told = selftest(await load(), inputs, outputs, runs);
console.log(told);
process.exit(told.endsWith("PASS") ? 0 : 1);
