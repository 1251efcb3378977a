// Code under construction: one function's bytes with labels, fixups, out-of-line traps and pooled
// constants, for any target. The linker places functions with the same facts and range rules.
//
// A use of a label is recorded with its kind; the kind's row in the target says how far the field
// reaches, how it is patched and which veneer carries it further. The buffer keeps the nearest
// deadline of all open uses and emits an island before it passes: traps and constants that are due,
// and veneers of labels that are still to come. Emitters promise by code_room an upper bound of
// what they add next: bytes, and code_use_room of each use (which matters only on targets with
// veneers).
//
// Late uses (UseKind.is_late) have no deadline. They are only noted until code_flush or code_finish
// settles the code so far: then the branches forward get the shortest form that reaches, distances
// are written, and the gaps are closed. Offsets that were noted since the last time count the long
// forms; on_move tells the user to bring them up to date (code_moved). Labels are up to date.
//
// Labels, uses and islands are all linear: a use is visited once when its label is bound, and once
// more per veneer; a late one thrice at most. Running out of memory, and code beyond CODE_MAX_BYTES
// (is_too_large), jump to `landing`.
#ifndef ISA_CODE_BUFFER_H
#define ISA_CODE_BUFFER_H

#include <setjmp.h>

#include "base/check.h"
#include "base/vec.h"
#include "base/writer.h"
#include "isa/code_target.h"

typedef struct Label {
    u32 i;
} Label;

#define LABEL_NONE ((Label){ID_NONE})

enum {
    CODE_MAX_ROOM = 64 << 10,  // of one code_room
    CODE_MAX_BYTES = 1 << 28,  // of one function
    CODE_CONST_BYTES = 32,     // of a constant and its padding
    CODE_MANY_TRAPS = 1024,    // a good time for code_flush
};

typedef struct LabelState {
    u32 offset; // ID_NONE while unbound
    union {
        u32 first_use;   // unbound: newest open use, ID_NONE: none
        u32 late_before; // bound: late uses, of those not settled, that stand before it
    };
} LabelState;

typedef struct LabelUse {
    u32 field; // offset of the field
    u32 next;  // older use of the same label
    Label label;
    u8 kind; // 0xFF: closed, that is patched or taken over by a veneer
} LabelUse;

// What is known of a late use's target.
typedef enum LateTarget { LATE_AHEAD, LATE_BEHIND, LATE_UNBOUND } LateTarget;

typedef struct LateUse {
    u32 field;
    Label label;
    u32 saved; // bytes that short forms save from this use on, once they are chosen
    u8 kind;
    u8 target; // LateTarget, likewise
} LateUse;

typedef struct TrapTail {
    Label label;
    u32 wasm_offset;
    u8 kind; // meaning is the user's
} TrapTail;

typedef struct PooledConst {
    Label label;
    u32 bytes; // 4, 8 or 16; also its alignment
    u8 value[16];
} PooledConst;

typedef struct CodeBuffer {
    const CodeTarget *target;
    Writer *out;   // where the bytes go, behind what is there; `count` is brought up to date by
                   // code_grow and code_finish
    u64 start;     // of the function in *out
    u8 *base, *at; // the function's start, and where the next byte goes
    u8 *limit;     // up to here there is memory, and no island is needed
    jmp_buf *landing;
    u32 deadline;     // up to here no island is needed; refreshed lazily, too soon at worst
    u32 island_bytes; // at most, of an island that serves all open uses
    u32 open_uses;
    bool out_of_reach; // a field could not reach its label
    bool is_aligned;   // what is not settled has constants: nothing may move
    bool is_too_large; // why it jumped to the landing: code beyond CODE_MAX_BYTES
    // The last unconditional jump, if nothing was emitted or bound behind it.
    u32 last_jump_end;
    Label last_jump_label;
    // Open uses of a kind, and the index from which on to look for the oldest of them.
    u32 open_of_kind[CODE_MAX_KINDS];
    u32 oldest_of_kind[CODE_MAX_KINDS];
    VEC(LabelState) labels;
    VEC(LabelUse) uses;
    // Since the code was settled: late uses, and labels bound. Before that: late uses whose label
    // was not bound then.
    VEC(LateUse) late;
    VEC(Label) bound;
    VEC(LateUse) far;
    VEC(TrapTail) traps;
    VEC(PooledConst) consts;
    // Called with each trap as its instruction is written, to record it.
    void (*on_trap)(void *env, u32 code_offset, u32 wasm_offset, u8 kind);
    // Called when code has moved, while code_moves tells where to.
    void (*on_move)(void *env);
    void *env;
} CodeBuffer;

// `{0}` then code_open for each function; code_close frees the vectors in the end. on_trap, on_move
// and env are the user's to set and stay. `out` is borrowed.
void code_open(CodeBuffer *code, const CodeTarget *target, Writer *out, jmp_buf *landing);
void code_close(CodeBuffer *code);

// Bytes from the function's start.
static inline u32 code_offset(const CodeBuffer *code) { return (u32)(code->at - code->base); }
static inline u8 *code_byte(const CodeBuffer *code, u32 offset) { return code->base + offset; }

// What a use of a kind may take in an island.
static inline u32 code_use_room(const CodeTarget *target, u8 kind) {
    const u32 veneer_bytes = target->kinds[kind].veneer_bytes;
    if (veneer_bytes == 0) {
        return CODE_CONST_BYTES;
    }
    return veneer_bytes > target->trap_bytes ? veneer_bytes : target->trap_bytes;
}

// Room for `bytes` (at most 64 KiB) more to be written at code->at, with no island inside. Emits an
// island first if a deadline would pass.
void code_grow(CodeBuffer *code, u32 bytes);
static inline void code_room(CodeBuffer *code, u32 bytes) {
    if (UNLIKELY(code->limit - code->at < (ptrdiff_t)bytes)) {
        code_grow(code, bytes);
    }
}

Label code_label(CodeBuffer *code);
static inline bool code_is_bound(const CodeBuffer *code, Label label) {
    return code->labels.at[label.i].offset != ID_NONE;
}
static inline u32 code_label_offset(const CodeBuffer *code, Label label) {
    return code->labels.at[label.i].offset;
}
// A label of the function's start.
Label code_start_label(CodeBuffer *code);
// Binds a label here; drops a jump to it that has just been written.
void code_bind(CodeBuffer *code, Label label);
// The field at `field` (already written, contents ignored) refers to `label`. Fields come in
// ascending order. O(1).
void code_use(CodeBuffer *code, u32 field, Label label, u8 kind);
// Writes an unconditional jump.
void code_jump(CodeBuffer *code, Label label);

// A label behind the function at which a trap of `kind` will be raised. O(1).
Label code_trap(CodeBuffer *code, u8 kind, u32 wasm_offset);
// A label of a constant behind the function (for targets that keep constants there), for kinds
// without veneer only. Aligned to its size from the function's start. A recent equal constant is
// shared. O(1).
Label code_const(CodeBuffer *code, const void *value, u32 bytes);

// Writes the traps and constants so far here, with a jump around them: keeps the buffer small in a
// function with very many. Settles late uses. Only between sequences: no short branch may be open
// over it. O(1) a trap, and what was written since the last time.
void code_flush(CodeBuffer *code);

// Writes the traps, constants and last veneers behind the function, whose end must not be reached.
// Every used label must be bound; traps and constants whose label was never used may be left out.
// Returns the function's size. False: a field could not reach its label (only for kinds without
// veneer, or whose code_room promised too little). O(bytes).
bool code_finish(CodeBuffer *code, u32 *bytes);

// During on_move: where things stand that were noted since the code was settled last; what was
// noted before that stays.
typedef struct CodeMoves {
    const LateUse *next; // what stands before it has moved ...
    u32 by;              // ... down by so much
    u32 saved;           // in all
} CodeMoves;
static inline CodeMoves code_moves(const CodeBuffer *code) {
    return (CodeMoves){code->late.at, 0, code->late.at[0].saved};
}
// The place of what was written at `offset`: an instruction, its end, or a field. Offsets come in
// ascending order. O(late uses) for all of them.
static inline u32 code_moved(CodeMoves *moves, u32 offset) {
    if (UNLIKELY(offset > moves->next->field)) {
        do {
            moves->next++;
        } while (offset > moves->next->field);
        moves->by = moves->saved - moves->next->saved;
    }
    return offset - moves->by;
}

#endif
