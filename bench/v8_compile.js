// Times V8's `new WebAssembly.Module` in-process, for bench/run.py.
//
//   node [V8 FLAGS] bench/v8_compile.js MODULE
//
// Prints {"wall_ms", "cpu_ms"} of the one compilation, the process being fresh:
// V8 keeps compiled modules, so a second one would measure its cache.
"use strict";
const fs = require("fs");

const bytes = fs.readFileSync(process.argv[2]);
const cpuBefore = process.cpuUsage();
const before = process.hrtime.bigint();
const module_ = new WebAssembly.Module(bytes);
const wallMs = Number(process.hrtime.bigint() - before) / 1e6;
const cpu = process.cpuUsage(cpuBefore);
const exports_ = WebAssembly.Module.exports(module_).length; // keeps the module alive
console.log(JSON.stringify({ wall_ms: wallMs, cpu_ms: (cpu.user + cpu.system) / 1e3, exports: exports_ }));
