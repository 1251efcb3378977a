#include "compile/baseline/verify.h"

#include "base/alloc.h"
#include "compile/baseline/call.h"
#include "isa/x64/check.h"

static u8 ref_kind(u8 target) {
    static const u8 KINDS[] = {
        [FIXUP_FUNC] = X64_REF_FUNC,
        [FIXUP_RODATA] = X64_REF_RODATA,
        [FIXUP_TABLE] = X64_REF_TABLE,
        [FIXUP_TEXT] = X64_REF_TEXT,
    };
    return KINDS[target];
}

static X64Ref ref_of(const Baseline *b, const Fixup *fixup) {
    X64Ref ref = {.field = fixup->offset, .kind = ref_kind(fixup->target)};
    if (fixup->target == FIXUP_RODATA) {
        ref.value = fixup->index;
    } else if (fixup->target == FIXUP_TABLE) {
        ref.value = b->module->tables[fixup->index].limits.min;
    }
    return ref;
}

static u16 i32_params(const Baseline *b) {
    u16 mask = 0;
    for (u32 i = 0; i < b->type->param_count; i++) {
        const u8 reg = (u8)b->abi->params[i].reg;
        mask = (u16)(mask | (type_params(b->type)[i] == VAL_I32 && reg != NO_REG ? BIT(reg) : 0));
    }
    return mask;
}

static X64Range range(u64 at, u64 end) { return (X64Range){(u32)at, (u32)(end - at)}; }

bool verify_blob(const Baseline *b, const CodeBlob *blob, Error *err) {
    X64Ref *refs = mem_alloc((blob->fixup_count + 1) * sizeof *refs);
    if (refs == NULL) {
        return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
    }
    for (u32 i = 0; i < blob->fixup_count; i++) {
        refs[i] = ref_of(b, &b->out->fixups.at[blob->first_fixup + i]);
    }
    const VmShape *shape = &b->plan->shape;
    const u64 own_globals = vmctx_global_at(shape, b->module->global_import_count);
    const X64CheckInput input = {
        .refs = refs,
        .ref_count = blob->fixup_count,
        .rodata = b->out->rodata.at + blob->rodata_at,
        .rodata_bytes = blob->rodata_bytes,
        .param_stack_bytes = b->abi->param_bytes,
        .result_bytes = b->abi->result_bytes,
        .zero_extended_params = i32_params(b),
        .strict = false,
        .max_displacement = VM_MAX_DISPLACEMENT,
        .stack_probe_bytes = VM_STACK_PROBE_BYTES,
        .context_bytes = (u32)vmctx_bytes(shape),
        .heap_base_at = VMCTX_HEAP_BASE,
        .table_entry_at = VMCTX_TABLE_ENTRY,
        .values = range(own_globals, vmctx_global_at(shape, shape->global_count)),
        .value_pointers = range(vmctx_global_at(shape, 0), own_globals),
        .record_bytes = sizeof(VmFuncRef),
    };
    const bool is_ok = x64_check(b->out->code.at + blob->code_at, blob->code_bytes, &input, err);
    mem_free(refs);
    return is_ok;
}
