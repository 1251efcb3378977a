// Runs a WASI program under V8 and times it in-process, for bench/run.py.
//
//   node [V8 FLAGS] bench/v8_run.js MODULE [ARGS]
//
// The program's output goes where it always goes; the CPU time of its _start,
// in milliseconds, is the last line on standard error. Compilation is outside.
"use strict";
const fs = require("fs");
const { WASI } = require("node:wasi");

const wasi = new WASI({ version: "preview1", args: process.argv.slice(2), returnOnExit: true });
const module_ = new WebAssembly.Module(fs.readFileSync(process.argv[2]));
const instance = new WebAssembly.Instance(module_, wasi.getImportObject());
const before = process.cpuUsage();
const status = wasi.start(instance);
const cpu = process.cpuUsage(before);
fs.writeSync(2, (cpu.user + cpu.system) / 1e3 + "\n");
process.exitCode = status;
