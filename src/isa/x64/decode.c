// See decode.h. Layout of an instruction (SDM volume 2, chapter 2): mandatory prefix, REX, opcode,
// ModRM, SIB, displacement, immediate.
#include "isa/x64/decode.h"

enum { ANY = -1, NONE = 0, MODRM = 1, OPREG = 2 };
enum { I0, I8, I16, I32, IV, R8, R32 };
enum { V = 0xFE, ADDR = 0xFF };
enum { READ = 1, WRITE = 2, BOTH = 3 };

typedef struct Form {
    u8 prefix, map, first, last;
    i8 ext, w;
    u8 shape, imm, memory, access, effect;
} Form;

static const Form FORMS[] = {
#define FORM(prefix, map, first, last, ext, shape, w, imm, memory, access, effect)                 \
    {prefix, map, first, last, ext, w, shape, imm, memory, access, EFFECT_##effect},
#include "isa/x64/decode.def"
#undef FORM
};

// Bytes that are left; reading past the end sets is_cut and yields zeros.
typedef struct Cursor {
    const u8 *at, *end;
    bool is_cut;
} Cursor;

static u8 next(Cursor *cursor) {
    if (cursor->at == cursor->end) {
        cursor->is_cut = true;
        return 0;
    }
    return *cursor->at++;
}

static i64 next_signed(Cursor *cursor, u32 bytes) {
    u64 value = 0;
    if (bytes == 0) {
        return 0;
    }
    for (u32 i = 0; i < bytes; i++) {
        value |= (u64)next(cursor) << (8 * i);
    }
    const u32 unused = 64 - 8 * bytes;
    return (i64)(value << unused) >> unused;
}

// The first row that fits wins; rows with an ext stand before those without.
static const Form *find_form(u8 prefix, u8 map, u8 opcode, u8 ext, bool w) {
    for (usize i = 0; i < COUNT_OF(FORMS); i++) {
        const Form *form = &FORMS[i];
        if (form->map == map && form->first <= opcode && opcode <= form->last &&
            form->prefix == prefix && (form->ext == ANY || form->ext == (i8)ext) &&
            (form->w == ANY || form->w == w)) {
            return form;
        }
    }
    return NULL;
}

// ModRM with SIB and displacement. `rex` has the upper bits of the registers.
static void decode_modrm(Cursor *cursor, const u8 *start, u8 rex, X64Inst *inst) {
    const u8 modrm = next(cursor);
    const u8 mod = modrm >> 6, rm = modrm & 7;
    inst->reg = (u8)((modrm >> 3 & 7) | (rex & 4) << 1);
    if (mod == 3) {
        inst->rm = (u8)(rm | (rex & 1) << 3);
        return;
    }
    inst->is_memory = true;
    inst->base = (u8)(rm | (rex & 1) << 3);
    u32 disp_bytes = mod == 1 ? 1 : (mod == 2 ? 4 : 0);
    if (rm == 4) {
        const u8 sib = next(cursor);
        const u8 index = (u8)((sib >> 3 & 7) | (rex & 2) << 2);
        inst->scale = sib >> 6;
        inst->index = index == 4 ? X64_ABSENT : index;
        inst->base = (u8)((sib & 7) | (rex & 1) << 3);
        if ((sib & 7) == 5 && mod == 0) {
            inst->base = X64_ABSENT;
            disp_bytes = 4;
        }
    } else if (rm == 5 && mod == 0) {
        inst->is_rip = true;
        inst->base = X64_ABSENT;
        disp_bytes = 4;
    }
    if (disp_bytes == 4) {
        inst->field_offset = inst->offset + (u32)(cursor->at - start);
    }
    inst->disp = (i32)next_signed(cursor, disp_bytes);
}

static void decode_imm(Cursor *cursor, const u8 *start, u8 kind, X64Inst *inst) {
    static const u8 BYTES[] = {
        [I0] = 0, [I8] = 1, [I16] = 2, [I32] = 4, [IV] = 4, [R8] = 1, [R32] = 4};
    if (kind == R32) {
        inst->field_offset = inst->offset + (u32)(cursor->at - start);
    }
    const u32 bytes = kind == IV && inst->w ? 8 : BYTES[kind];
    inst->imm = next_signed(cursor, bytes);
    if (kind == IV && !inst->w) {
        inst->imm = (u32)inst->imm;
    }
    if (kind == R8 || kind == R32) {
        inst->target = inst->offset + (i64)(cursor->at - start) + inst->imm;
    }
}

// Fits the operand to what the form wants of it.
static bool apply_form(const Form *form, X64Inst *inst) {
    if (inst->is_memory && form->memory == 0) {
        return false;
    }
    if (form->memory == ADDR) {
        inst->is_address = inst->is_memory;
        return inst->is_memory;
    }
    inst->access_bytes = form->memory == V ? (inst->w ? 8 : 4) : form->memory;
    inst->is_read = (form->access & READ) != 0;
    inst->is_written = (form->access & WRITE) != 0;
    return true;
}

bool x64_decode(const u8 *code, u32 bytes, u32 offset, X64Inst *inst) {
    const u8 *start = code + offset;
    const u32 left = bytes - offset;
    Cursor cursor = {start, start + (left < X64_DECODE_MAX ? left : X64_DECODE_MAX), false};
    *inst = (X64Inst){.offset = offset,
                      .rm = X64_ABSENT,
                      .base = X64_ABSENT,
                      .index = X64_ABSENT,
                      .field_offset = ID_NONE};
    u8 prefix = 0, rex = 0, map = 0, opcode = next(&cursor);
    if (opcode == 0x66 || opcode == 0xF2 || opcode == 0xF3) {
        prefix = opcode;
        opcode = next(&cursor);
    }
    if ((opcode & 0xF0) == 0x40) {
        rex = opcode;
        opcode = next(&cursor);
    }
    if (opcode == 0x0F) {
        map = 1;
        opcode = next(&cursor);
        if (opcode == 0x3A) {
            map = 3;
            opcode = next(&cursor);
        }
    }
    inst->opcode = opcode;
    inst->w = (rex & 8) != 0;
    const u8 ext = cursor.at < cursor.end ? *cursor.at >> 3 & 7 : 0;
    const Form *form = find_form(prefix, map, opcode, ext, inst->w);
    if (form != NULL) {
        inst->effect = form->effect;
        if (form->shape == MODRM) {
            decode_modrm(&cursor, start, rex, inst);
        } else if (form->shape == OPREG) {
            inst->reg = inst->rm = (u8)((opcode & 7) | (rex & 1) << 3);
        }
        decode_imm(&cursor, start, form->imm, inst);
    }
    inst->bytes = (u8)(cursor.at - start);
    return form != NULL && !cursor.is_cut && apply_form(form, inst);
}
