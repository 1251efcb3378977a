// Implementation limits: those of the WebAssembly JS API, "Implementation-defined Limits".
#ifndef TYPES_LIMITS_H
#define TYPES_LIMITS_H

enum {
    MAX_MODULE_BYTES = 1 << 30,
    MAX_TYPES = 1000000,
    MAX_FUNCS = 1000000,
    MAX_IMPORTS = 1000000,
    MAX_EXPORTS = 1000000,
    MAX_GLOBALS = 1000000,
    MAX_DATA_SEGMENTS = 100000,
    MAX_ELEM_SEGMENTS = 10000000,
    MAX_TABLES = 100000,
    MAX_MEMORIES = 1, // WebAssembly 2.0
    MAX_PARAMS = 1000,
    MAX_RESULTS = 1000,
    MAX_LOCALS = 50000, // with the parameters
    MAX_BODY_BYTES = 7654321,
    // Ours: operands on a function's stack beyond one a byte of its body. Calls with a thousand
    // results would make gigabytes of them.
    MAX_EXTRA_OPERANDS = 1 << 20,
    MAX_TABLE_ENTRIES = 10000000,
    MAX_BR_TABLE = 65520,
};

#define WASM_PAGE_BYTES 65536u
#define MAX_MEMORY_PAGES 65536u

#endif
