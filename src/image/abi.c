#include "base/hash.h"
#include "image/format.h"
#include "types/vmctx.h"

// Raised when docs/abi.md changes in a way that the names below do not show.
#define CONVENTION "2"

static const char NAMES[] = CONVENTION
#define VMCTX_FIELD(name, type, text) ";" #name
#define BUILTIN(name, arguments) ";" #name #arguments
#include "types/vmctx.def"
#undef VMCTX_FIELD
#undef BUILTIN
#define TRAP(name, text) ";" #name
#include "types/traps.def"
#undef TRAP
    ;

u32 image_abi_hash(void) {
    static const u32 OFFSETS[] = {
        VM_MEMORY_BASE,      VM_MEMORY_BYTES,     VM_TABLE_ENTRIES,  VM_TABLE_COUNT,
        VM_FUNCREF_CODE,     VM_FUNCREF_VMCTX,    VM_FUNCREF_SIG,    VM_IMPORT_CODE,
        VM_IMPORT_VMCTX,     VM_IMPORT_REF,       VM_EXEC_HOST_SP,   VM_EXEC_WASM_SP,
        VM_EXEC_EXIT_FP,     VM_EXEC_STACK_LIMIT, VMCTX_FIXED_BYTES, sizeof(VmFuncRef),
        sizeof(VmImport),
    };
    return (u32)hash_bytes(NAMES, sizeof NAMES, hash_bytes(OFFSETS, sizeof OFFSETS, 0));
}

u64 image_header_check(const void *header) {
    return hash_bytes(header, offsetof(StoredHeader, check), IMAGE_FORMAT);
}
