// Validator: all instructions in all their forms, those of control by validate_control.c
// (specification 3.3.1 to 3.3.7).
#include "wasm/later.h"
#include "wasm/validate_int.h"

static bool do_drop(Validator *v) {
    ValType type;
    return stack_pop_any(v, &type);
}

bool validate_select(Validator *v) {
    ValType a;
    ValType b;
    TRY(stack_pop(v, VAL_I32));
    TRY(stack_pop_any(v, &b));
    TRY(stack_pop_any(v, &a));
    if (val_is_ref(a) || val_is_ref(b)) {
        return fail_at(v, INVALID, v->op_at,
                       "type mismatch: select without a type takes numbers and vectors, found %s",
                       val_name(val_is_ref(a) ? a : b));
    }
    if (a != b && a != VAL_NONE && b != VAL_NONE) {
        return fail_at(v, INVALID, v->op_at, "type mismatch: select between %s and %s", val_name(a),
                       val_name(b));
    }
    return stack_push(v, a == VAL_NONE ? b : a);
}

static bool do_select_typed(Validator *v) {
    const u8 *at = v->at;
    u32 count;
    TRY(imm_u32(v, &count));
    if (count > (usize)(v->end - v->at)) {
        return fail_at(v, MALFORMED, v->end, "unexpected end of section or function: %u types",
                       count);
    }
    ValType type = VAL_NONE;
    for (u32 i = 0; i < count; i++) {
        TRY(imm_val_type(v, &type));
    }
    if (count != 1) {
        return fail_at(v, INVALID, at, "invalid result arity %u of select, expected 1", count);
    }
    if (type == VAL_V128) {
        note_simd(v, v->op_at);
    }
    TRY(stack_pop(v, VAL_I32));
    TRY(stack_pop(v, type));
    TRY(stack_pop(v, type));
    return stack_push(v, type);
}

static bool imm_local(Validator *v, u32 *index) {
    TRY(imm_u32(v, index));
    if (UNLIKELY(*index >= v->local_count)) {
        return fail_at(v, INVALID, v->op_at, "unknown local %u: the function has %u", *index,
                       v->local_count);
    }
    return true;
}

bool validate_local_get(Validator *v) {
    u32 index;
    TRY(imm_local(v, &index));
    facts_get(v, index, body_offset(v, v->at));
    return stack_push(v, (ValType)v->locals[index].type);
}

bool validate_local_set(Validator *v) {
    u32 index;
    TRY(imm_local(v, &index));
    facts_set(v, index);
    return stack_pop(v, (ValType)v->locals[index].type);
}

bool validate_local_tee(Validator *v) {
    u32 index;
    TRY(imm_local(v, &index));
    facts_set(v, index);
    const ValType type = (ValType)v->locals[index].type;
    return stack_pop(v, type) && stack_push(v, type);
}

static bool imm_global(Validator *v, const GlobalType **type) {
    u32 index;
    TRY(imm_index(v, v->module->global_count, "global", &index));
    *type = &v->module->globals[index].type;
    if ((*type)->type == VAL_V128) {
        note_simd(v, v->op_at);
    }
    return true;
}

static bool do_global_get(Validator *v) {
    const GlobalType *type;
    TRY(imm_global(v, &type));
    return stack_push(v, type->type);
}

static bool do_global_set(Validator *v) {
    const GlobalType *type;
    TRY(imm_global(v, &type));
    if (!type->is_mutable) {
        return fail_at(v, INVALID, v->op_at, "global is immutable");
    }
    return stack_pop(v, type->type);
}

// The table of an instruction that works on its references.
static bool imm_table(Validator *v, ValType *elem) {
    u32 index;
    TRY(imm_index(v, v->module->table_count, "table", &index));
    v->tables_used |= index < 64 ? 1ull << index : 0;
    *elem = v->module->tables[index].elem;
    return true;
}

static bool do_table_get(Validator *v) {
    ValType elem;
    TRY(imm_table(v, &elem));
    if (elem == VAL_FUNCREF) { // which may be still to be made
        v->has_builtin = v->loop_has_call = true;
    }
    return stack_pop(v, VAL_I32) && stack_push(v, elem);
}

static bool do_table_set(Validator *v) {
    ValType elem;
    TRY(imm_table(v, &elem));
    return stack_pop(v, elem) && stack_pop(v, VAL_I32);
}

static bool do_table_grow(Validator *v) {
    ValType elem;
    TRY(imm_table(v, &elem));
    return stack_pop(v, VAL_I32) && stack_pop(v, elem) && stack_push(v, VAL_I32);
}

static bool do_table_fill(Validator *v) {
    ValType elem;
    TRY(imm_table(v, &elem));
    return stack_pop(v, VAL_I32) && stack_pop(v, elem) && stack_pop(v, VAL_I32);
}

static bool check_same_elem(Validator *v, ValType to, ValType from) {
    if (to != from) {
        return fail_at(v, INVALID, v->op_at, "type mismatch: %s elements into a table of %s",
                       val_name(from), val_name(to));
    }
    return true;
}

static bool do_table_copy(Validator *v) {
    ValType to;
    ValType from;
    TRY(imm_table(v, &to) && imm_table(v, &from));
    return check_same_elem(v, to, from);
}

static bool imm_elem(Validator *v, u32 *index) {
    return imm_index(v, v->module->elem_count, "elem segment", index);
}

static bool do_table_init(Validator *v) {
    u32 segment;
    u32 table;
    ValType elem;
    const u8 *at = v->at;
    TRY(imm_u32(v, &segment));
    TRY(imm_table(v, &elem));
    v->at = at; // the scripts want the table checked first
    TRY(imm_elem(v, &segment) && imm_u32(v, &table));
    return check_same_elem(v, elem, v->module->elems[segment].type);
}

static bool check_memory(Validator *v) {
    return v->module->memory_count != 0 ||
           fail_at(v, INVALID, v->op_at, "unknown memory 0: the module has none");
}

static bool imm_data(Validator *v) {
    const u8 *at = v->at;
    u32 index;
    TRY(imm_u32(v, &index));
    if (!v->module->has_data_count) {
        return fail_at(v, MALFORMED, v->op_at, "data count section required");
    }
    if (index >= v->module->data_count) {
        return fail_at(v, INVALID, at, "unknown data segment %u: there are %u", index,
                       v->module->data_count);
    }
    return true;
}

static bool do_ref_null(Validator *v) {
    ValType type;
    TRY(imm_ref_type(v, &type));
    return stack_push(v, type);
}

static bool do_ref_is_null(Validator *v) {
    ValType type;
    TRY(stack_pop_any(v, &type));
    if (type != VAL_NONE && !val_is_ref(type)) {
        return fail_at(v, INVALID, v->op_at, "type mismatch: expected a reference, found %s",
                       val_name(type));
    }
    return stack_push(v, VAL_I32);
}

static bool do_ref_func(Validator *v) {
    u32 func;
    TRY(imm_index(v, v->module->func_count, "function", &func));
    if (!v->module->funcs[func].is_escaping) {
        return fail_at(v, INVALID, v->op_at,
                       "undeclared function reference: %u is in no export, element segment or "
                       "global",
                       func);
    }
    v->has_ref_func = true;
    return true;
}

static bool do_shuffle(Validator *v, u32 lanes) {
    for (u32 i = 0; i < 16; i++) {
        TRY(imm_lane(v, lanes));
    }
    return true;
}

// The immediate of an instruction whose operands are fixed.
static bool imm_fixed(Validator *v, const OpcodeInfo *info) {
    u32 index;
    switch (info->imm) {
    case IMM_NONE:
        return true;
    case IMM_I32:
        return imm_s32(v);
    case IMM_I64:
        return imm_s64(v);
    case IMM_F32:
        return imm_skip(v, 4);
    case IMM_F64:
        return imm_skip(v, 8);
    case IMM_V128:
        return imm_skip(v, 16);
    case IMM_MEMARG:
        return imm_memarg(v, log2_of(info->width));
    case IMM_MEMARG_LANE:
        return imm_memarg(v, log2_of(info->width)) && imm_lane(v, 16u / info->width);
    case IMM_LANE:
        return imm_lane(v, info->width);
    case IMM_SHUFFLE:
        return do_shuffle(v, info->width);
    case IMM_FUNC:
        return do_ref_func(v);
    case IMM_MEMORY:
        return imm_zero(v) && check_memory(v);
    case IMM_MEMORY_COPY:
        return imm_zero(v) && imm_zero(v) && check_memory(v);
    case IMM_MEMORY_INIT:
        return check_memory(v) && imm_data(v) && imm_zero(v);
    case IMM_DATA:
        return imm_data(v);
    case IMM_ELEM:
        return imm_elem(v, &index);
    case IMM_TABLE_INIT:
        return do_table_init(v);
    case IMM_TABLE_COPY:
        return do_table_copy(v);
    case IMM_TABLE:
        return imm_index(v, v->module->table_count, "table", &index);
    case IMM_BLOCK:
    case IMM_LABEL:
    case IMM_BR_TABLE:
    case IMM_CALL_INDIRECT:
    case IMM_SELECT:
    case IMM_LOCAL:
    case IMM_GLOBAL:
    case IMM_REF_TYPE:
        break;
    }
    return false; // has no fixed operands: not reached
}

static bool is_builtin(Opcode op) {
    return op == OP_REF_FUNC || op == OP_MEMORY_GROW || op == OP_TABLE_FILL ||
           (op >= OP_MEMORY_INIT && op <= OP_TABLE_GROW);
}
_Static_assert(OP_TABLE_GROW - OP_MEMORY_INIT == 7, "only runtime calls in between");

static bool fixed_op(Validator *v, Opcode op) {
    const OpcodeInfo *info = &OPCODES[op];
    if (info->feature == FEATURE_SIMD) {
        note_simd(v, v->op_at);
    }
    TRY(imm_fixed(v, info));
    return stack_apply(v, info);
}

static bool bad_opcode(Validator *v, u8 byte, u32 code) {
    const char *later = later_opcode(byte);
    if (later != NULL) {
        return fail_at(v, INVALID, v->op_at,
                       "opcode 0x%02x needs %s, which is not part of WebAssembly 2.0", byte, later);
    }
    return fail_at(v, MALFORMED, v->op_at, "illegal opcode 0x%02x (code 0x%02x)", byte, code);
}

static bool other_op(Validator *v, u8 byte) {
    const bool is_prefix = byte == 0xFC || byte == 0xFD;
    u32 code = byte;
    if (is_prefix) {
        TRY(imm_u32(v, &code));
    }
    const Opcode op = opcode_of(is_prefix ? byte : 0, code);
    if (UNLIKELY(op == OP_COUNT)) {
        return bad_opcode(v, byte, code);
    }
    if (is_builtin(op)) {
        v->has_builtin = true;
        v->loop_has_call = true;
    }
    return op == OP_TABLE_GROW   ? do_table_grow(v)
           : op == OP_TABLE_FILL ? do_table_fill(v)
                                 : fixed_op(v, op);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum" // those of one byte without fixed operands
bool validate_op(Validator *v) {
    const u8 byte = *v->op_at;
    switch (opcode_of_byte(byte)) {
    case OP_UNREACHABLE:
        return control_unreachable(v);
    case OP_BLOCK:
        return control_block(v);
    case OP_LOOP:
        return control_loop(v);
    case OP_IF:
        return control_if(v);
    case OP_ELSE:
        return control_else(v);
    case OP_END:
        return control_end(v);
    case OP_BR:
        return control_br(v);
    case OP_BR_IF:
        return control_br_if(v);
    case OP_BR_TABLE:
        return control_br_table(v);
    case OP_RETURN:
        return control_return(v);
    case OP_CALL:
        return control_call(v);
    case OP_CALL_INDIRECT:
        return control_call_indirect(v);
    case OP_DROP:
        return do_drop(v);
    case OP_SELECT:
        return validate_select(v);
    case OP_SELECT_T:
        return do_select_typed(v);
    case OP_LOCAL_GET:
        return validate_local_get(v);
    case OP_LOCAL_SET:
        return validate_local_set(v);
    case OP_LOCAL_TEE:
        return validate_local_tee(v);
    case OP_GLOBAL_GET:
        return do_global_get(v);
    case OP_GLOBAL_SET:
        return do_global_set(v);
    case OP_TABLE_GET:
        return do_table_get(v);
    case OP_TABLE_SET:
        return do_table_set(v);
    case OP_REF_NULL:
        return do_ref_null(v);
    case OP_REF_IS_NULL:
        return do_ref_is_null(v);
    default: // or none
        return other_op(v, byte);
    }
}
#pragma GCC diagnostic pop
