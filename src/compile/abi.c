#include "compile/abi.h"

// What is left to be given to the values of a list.
typedef struct Cursor {
    const u8 *general, *vector;
    u32 general_left, vector_left;
    u32 memory_bytes;
} Cursor;

static AbiPlace next_place(Cursor *cursor, u8 type) {
    const bool is_vector = val_is_float((ValType)type);
    u32 *left = is_vector ? &cursor->vector_left : &cursor->general_left;
    if (*left != 0) {
        (*left)--;
        return (AbiPlace){.reg = is_vector ? *cursor->vector++ : *cursor->general++};
    }
    const u32 bytes = type == VAL_V128 ? 16 : 8;
    const u32 offset = (u32)align_up(cursor->memory_bytes, bytes);
    cursor->memory_bytes = offset + bytes;
    return (AbiPlace){.reg = ABI_MEMORY, .offset = offset & 0xFFFFFF};
}

// Fills `places`; returns the size of what is in memory.
static u32 place_all(AbiPlace *places, Cursor cursor, const u8 *types, u32 count) {
    for (u32 i = 0; i < count; i++) {
        places[i] = next_place(&cursor, types[i]);
    }
    return (u32)align_up(cursor.memory_bytes, 16);
}

static AbiLayout layout_of(const FuncType *type, AbiPlace *places) {
    const AbiRegs *regs = &ABI_REGS;
    AbiPlace *results = places + type->param_count;
    const Cursor result_cursor = {regs->result_general, regs->result_vector,
                                  regs->result_general_count, regs->result_vector_count, 0};
    const u32 result_bytes =
        place_all(results, result_cursor, type_results(type), type->result_count);
    const u32 hidden = result_bytes != 0;
    const Cursor param_cursor = {regs->param_general + hidden, regs->param_vector,
                                 regs->param_general_count - hidden, regs->param_vector_count, 0};
    const u32 param_bytes = place_all(places, param_cursor, type_params(type), type->param_count);
    return (AbiLayout){places, results, param_bytes, result_bytes};
}

const AbiLayout *abi_layouts(Arena *arena, const FuncType *types, u32 count) {
    AbiLayout *layouts = PUSH(arena, AbiLayout, (usize)count + 1);
    for (u32 i = 0; layouts != NULL && i < count; i++) {
        AbiPlace *places =
            PUSH(arena, AbiPlace, (usize)types[i].param_count + types[i].result_count + 1);
        if (places == NULL) {
            return NULL;
        }
        layouts[i] = layout_of(&types[i], places);
    }
    return layouts;
}
