#include "types/vmctx.h"

// Parts follow each other in this order; each starts aligned to 16.
static u64 imports_end(const VmShape *shape) {
    return VMCTX_FIXED_BYTES + (u64)shape->func_import_count * sizeof(VmImport);
}
static u64 tables_end(const VmShape *shape) {
    return align_up(imports_end(shape) + (u64)shape->table_count * 8, 16);
}
static u64 globals_end(const VmShape *shape) {
    return tables_end(shape) + (u64)shape->global_count * 16;
}
static u64 types_end(const VmShape *shape) {
    return align_up(globals_end(shape) + (u64)shape->type_count * 4, 16);
}

u64 vmctx_import_at(const VmShape *shape, u32 i) {
    (void)shape;
    return VMCTX_FIXED_BYTES + (u64)i * sizeof(VmImport);
}
u64 vmctx_table_at(const VmShape *shape, u32 i) { return imports_end(shape) + (u64)i * 8; }
u64 vmctx_global_at(const VmShape *shape, u32 i) { return tables_end(shape) + (u64)i * 16; }
u64 vmctx_type_at(const VmShape *shape, u32 i) { return globals_end(shape) + (u64)i * 4; }
u64 vmctx_funcref_at(const VmShape *shape, u32 i) {
    return types_end(shape) + (u64)i * sizeof(VmFuncRef);
}
u64 vmctx_bytes(const VmShape *shape) { return vmctx_funcref_at(shape, shape->funcref_count); }
