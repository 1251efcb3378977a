// See verify_x64.h. The registers of parameters and results are counted here once more, from
// docs/abi.md, so that a mistake in the compiler's own count is found.
#include "compile/verify_x64.h"

#include "isa/x64/check.h"
#include "types/valtype.h"

enum { RDI = 7, RSI = 6, RDX = 2, RCX = 1, R8 = 8, R9 = 9 };
static const u8 PARAM_REGS[] = {RDI, RSI, RDX, RCX, R8, R9};
enum { PARAM_FLOATS = 8, RESULT_GENERALS = 4, RESULT_FLOATS = 4, RECORD_BYTES = sizeof(VmFuncRef) };

static u32 memory_bytes(const u8 *types, u32 count, u32 generals, u32 floats) {
    u32 bytes = 0;
    for (u32 i = 0; i < count; i++) {
        u32 *left = val_is_float((ValType)types[i]) ? &floats : &generals;
        if (*left != 0) {
            (*left)--;
        } else {
            bytes += 8;
        }
    }
    return (u32)align_up(bytes, 16);
}

static void describe_type(const FuncType *type, X64CheckInput *input) {
    const u32 result_bytes =
        memory_bytes(type_results(type), type->result_count, RESULT_GENERALS, RESULT_FLOATS);
    const u32 hidden = result_bytes != 0;
    const u8 *params = type_params(type);
    input->result_bytes = result_bytes;
    input->param_stack_bytes =
        memory_bytes(params, type->param_count, COUNT_OF(PARAM_REGS) - hidden, PARAM_FLOATS);
    u32 general = hidden;
    for (u32 i = 0; i < type->param_count && general < COUNT_OF(PARAM_REGS); i++) {
        if (!val_is_float((ValType)params[i])) {
            if (params[i] == VAL_I32) {
                input->zero_extended_params |= (u16)(1 << PARAM_REGS[general]);
            }
            general++;
        }
    }
}

static void describe_context(const CompilePlan *plan, X64CheckInput *input) {
    const VmShape *shape = &plan->shape;
    const u32 imported = plan->module->global_import_count;
    const u32 globals_at = (u32)vmctx_global_at(shape, 0);
    const u32 values_at = (u32)vmctx_global_at(shape, imported);
    const u32 end = (u32)vmctx_global_at(shape, shape->global_count);
    input->context_bytes = (u32)vmctx_bytes(shape);
    input->heap_base_at = VMCTX_HEAP_BASE;
    input->value_pointers = (X64Range){globals_at, values_at - globals_at};
    input->values = (X64Range){values_at, end - values_at};
    input->record_bytes = RECORD_BYTES;
    input->max_displacement = VM_MAX_DISPLACEMENT;
    input->stack_probe_bytes = VM_STACK_PROBE_BYTES;
}

static X64Ref describe_fixup(const CompilePlan *plan, const Fixup *fixup) {
    X64Ref ref = {.field = fixup->offset};
    switch ((FixupTarget)fixup->target) {
    case FIXUP_FUNC:
        ref.kind = X64_REF_FUNC;
        break;
    case FIXUP_RODATA:
        ref.kind = X64_REF_RODATA;
        ref.value = fixup->index + (u32)(fixup->addend + 4);
        break;
    case FIXUP_TABLE:
        ref.kind = X64_REF_TABLE;
        ref.value = (u32)plan->module->tables[fixup->index].limits.min;
        break;
    case FIXUP_TEXT:
    default:
        ref.kind = X64_REF_TEXT;
        break;
    }
    return ref;
}

bool verify_x64(const CompilePlan *plan, const CodeOutput *out, const CodeBlob *blob, bool strict,
                Error *err) {
    VEC(X64Ref) refs = {0};
    if (!vec_reserve(&refs, blob->fixup_count)) {
        return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory checking code");
    }
    for (u32 i = 0; i < blob->fixup_count; i++) {
        refs.at[i] = describe_fixup(plan, &out->fixups.at[blob->first_fixup + i]);
    }
    X64CheckInput input = {
        .refs = refs.at,
        .ref_count = blob->fixup_count,
        .rodata = out->rodata.at + blob->rodata_at,
        .rodata_bytes = blob->rodata_bytes,
        .strict = strict,
    };
    describe_context(plan, &input);
    describe_type(module_func_type(plan->module, blob->index), &input);
    const bool is_good = x64_check(out->code.at + blob->code_at, blob->code_bytes, &input, err);
    vec_free(&refs);
    return is_good;
}
