// Validator: the operand stack, one ValType byte an operand.
//
// In dead code (behind an unconditional branch) operands below the frame's base exist in any type
// and number: popping there succeeds. A popped unknown that is pushed again is VAL_NONE.
#include "base/alloc.h"
#include "types/limits.h"
#include "wasm/validate_int.h"

bool stack_ensure(Validator *v, u32 count) {
    const usize height = (usize)(v->sp - v->stack);
    const usize limit = (usize)(v->end - v->body) + MAX_EXTRA_OPERANDS;
    if (height + count > limit) {
        return fail_at(v, LIMIT, v->op_at, "more than %zu operands on the stack", limit);
    }
    const usize needed = height + count + (usize)(v->end - v->at) + 1;
    if (LIKELY(needed <= v->stack_room)) {
        return true;
    }
    const usize base = (usize)(v->base - v->stack);
    const usize room = needed + needed / 2;
    const usize bytes = v->stack_memory == NULL ? 0 : STACK_PAD + v->stack_room;
    u8 *memory = mem_grow(v->stack_memory, bytes, STACK_PAD + room);
    if (memory == NULL) {
        return fail_at(v, NO_MEMORY, v->op_at, "out of memory");
    }
    v->stack_memory = memory;
    v->stack_room = room;
    v->stack = memory + STACK_PAD;
    v->sp = v->stack + height;
    v->base = v->stack + base;
    return true;
}

u32 stack_height(const Validator *v) {
    const u8 *from = v->stack + v->height;
    const u8 *zero = memchr(from, 0, v->stack_room - v->height);
    return zero == NULL ? (u32)v->stack_room : (u32)(zero - v->stack);
}

bool stack_push_unknown(Validator *v) {
    *v->sp++ = VAL_NONE;
    const usize height = (usize)(v->sp - v->stack);
    v->height = height > v->height ? height : v->height;
    return true;
}

bool stack_push_many(Validator *v, TypeList types) {
    TRY(stack_ensure(v, types.count));
    memcpy(v->sp, types.at, types.count);
    v->sp += types.count;
    return true;
}

bool stack_pop_any(Validator *v, ValType *type) {
    if (UNLIKELY(v->sp == v->base)) {
        *type = VAL_NONE;
        return v->is_dead ||
               fail_at(v, INVALID, v->op_at, "type mismatch: expected an operand, found nothing");
    }
    *type = (ValType)*--v->sp;
    return true;
}

bool stack_pop_slow(Validator *v, ValType type) {
    if (UNLIKELY(v->sp == v->base)) {
        return v->is_dead || fail_at(v, INVALID, v->op_at,
                                          "type mismatch: expected %s, found nothing",
                                          val_name(type));
    }
    const ValType found = (ValType)*--v->sp;
    if (UNLIKELY(found != type && found != VAL_NONE && type != VAL_NONE)) {
        return fail_at(v, INVALID, v->op_at, "type mismatch: expected %s, found %s", val_name(type),
                       val_name(found));
    }
    return true;
}

// Says which of the topmost operands differs; there are `count` to compare.
static bool list_mismatch(Validator *v, TypeList types, u32 count) {
    for (u32 i = 1; i <= count; i++) {
        const ValType found = (ValType)v->sp[-(i64)i];
        const ValType wanted = (ValType)types.at[types.count - i];
        if (found != wanted && found != VAL_NONE) {
            return fail_at(v, INVALID, v->op_at, "type mismatch: expected %s, found %s",
                           val_name(wanted), val_name(found));
        }
    }
    return fail_at(v, INVALID, v->op_at, "type mismatch: expected %s, found nothing",
                   val_name((ValType)types.at[types.count - 1 - count]));
}

bool stack_check_list(Validator *v, TypeList types) {
    const usize there = (usize)(v->sp - v->base);
    const u32 count = there < types.count ? (u32)there : types.count;
    if (UNLIKELY(count < types.count && !v->is_dead)) {
        return list_mismatch(v, types, count);
    }
    const u8 *found = v->sp - count;
    const u8 *wanted = types.at + (types.count - count);
    u32 bad = 0;
    for (u32 i = 0; i < count; i++) {
        bad |= (u32)(found[i] != wanted[i]) & (u32)(found[i] != VAL_NONE);
    }
    return bad == 0 || list_mismatch(v, types, count);
}

bool stack_pop_list_slow(Validator *v, TypeList types) {
    TRY(stack_check_list(v, types));
    const usize there = (usize)(v->sp - v->base);
    v->sp -= there < types.count ? there : types.count;
    return true;
}

bool stack_apply(Validator *v, const OpcodeInfo *info) {
    for (usize i = strlen(info->params); i > 0; i--) {
        TRY(stack_pop(v, type_of_letter(info->params[i - 1])));
    }
    return info->results[0] == 0 || stack_push(v, type_of_letter(info->results[0]));
}

void stack_make_dead(Validator *v) {
    v->sp = v->base;
    facts_set_dead(v, true);
}
