// Instructions, flat and folded (WebAssembly 2.0, 6.5). One loop over the tokens; what is open
// stands on p->frames (see FrameKind).
//
// A folded instruction's opcode and immediates are read before its operands but belong behind them:
// they wait in p->pending, which grows and shrinks with the frames.
#include "base/check.h"
#include "text/wat_int.h"

static bool unexpected(const Parser *p) { return text_unexpected(&p->in, "an instruction"); }

// The innermost open frame, where it is known that there is one.
static Frame *top_frame(Parser *p) {
    assert(p->frames.count > 0);
    return &p->frames.at[p->frames.count - 1];
}

static FrameKind top_kind(Parser *p) {
    return p->frames.count == 0 ? FRAME_NONE : (FrameKind)top_frame(p)->kind;
}

static bool push_frame(Parser *p, FrameKind kind, u32 symbol, u32 text_off) {
    const Frame frame = {(u8)kind, symbol, (u32)p->pending.count, text_off};
    return vec_push(&p->frames, frame) || wat_no_memory(p);
}

static void pop_frame(Parser *p) { p->frames.count--; }

// Appends what waits for the top frame.
static void flush_pending(Parser *p, Writer *out) {
    const u32 start = top_frame(p)->pending_off;
    wat_note_position(p, out, top_frame(p)->text_off);
    write_bytes(out, p->pending.at + start, p->pending.count - start);
    p->pending.count = start;
}

static void end_block(Parser *p, Writer *out) {
    wat_note_position(p, out, wat_text_off(p));
    wat_emit_opcode(OP_END, out);
    wat_pop_label(p);
    pop_frame(p);
}

static bool opens_block(Opcode op) { return op == OP_BLOCK || op == OP_LOOP || op == OP_IF; }

// Where only operands in parentheses may stand.
static bool wants_folded(FrameKind kind) {
    return kind == FRAME_FOLDED || kind == FRAME_IF || kind == FRAME_IF_THEN ||
           kind == FRAME_IF_ELSE;
}

// At the word behind "(".
static bool open_folded(Parser *p, Writer *out) {
    const Opcode op = (Opcode)p->in.tok.word;
    const u32 text_off = wat_text_off(p);
    u32 symbol = ID_NONE;
    if (op == OP_ELSE || op == OP_END) {
        return unexpected(p);
    }
    TRY(text_advance(&p->in));
    if (!opens_block(op)) {
        TRY(push_frame(p, FRAME_FOLDED, ID_NONE, text_off));
        return wat_take_plain(p, op, &p->pending);
    }
    TRY(wat_take_symbol(p, &symbol));
    TRY(push_frame(p, op == OP_IF ? FRAME_IF : FRAME_BLOCK, symbol, text_off));
    if (op == OP_IF) { // the label is not in scope in the condition
        return wat_take_plain(p, op, &p->pending);
    }
    TRY(wat_push_label(p, symbol));
    wat_note_position(p, out, text_off);
    return wat_take_plain(p, op, out);
}

static bool open_then(Parser *p, Writer *out) {
    Frame *frame = top_frame(p);
    flush_pending(p, out);
    frame->kind = FRAME_IF_THEN;
    TRY(wat_push_label(p, frame->symbol));
    return text_take_word(&p->in, WORD_THEN) &&
           push_frame(p, FRAME_ARM, ID_NONE, wat_text_off(p));
}

static bool open_else(Parser *p, Writer *out) {
    top_frame(p)->kind = FRAME_IF_ELSE;
    wat_note_position(p, out, wat_text_off(p));
    wat_emit_opcode(OP_ELSE, out);
    return text_advance(&p->in) && push_frame(p, FRAME_ARM, ID_NONE, wat_text_off(p));
}

// At "(" followed by a word that starts something here.
static bool open_list(Parser *p, Writer *out) {
    const FrameKind kind = top_kind(p);
    TRY(text_advance(&p->in));
    if (kind == FRAME_IF && text_at_word(&p->in, WORD_THEN)) {
        return open_then(p, out);
    }
    if (kind == FRAME_IF_THEN && text_at_word(&p->in, (Word)OP_ELSE)) {
        return open_else(p, out);
    }
    const bool is_opcode = p->in.tok.kind == TOK_WORD && p->in.tok.word < OP_COUNT;
    const bool is_over = kind == FRAME_IF_THEN || kind == FRAME_IF_ELSE;
    return is_opcode && !is_over ? open_folded(p, out) : unexpected(p);
}

// At ")" with a frame open.
static bool close_list(Parser *p, Writer *out) {
    switch (top_kind(p)) {
    case FRAME_NONE: return unexpected(p);
    case FRAME_FOLDED:
        flush_pending(p, out);
        pop_frame(p);
        break;
    case FRAME_BLOCK:
    case FRAME_IF_THEN:
    case FRAME_IF_ELSE: end_block(p, out); break;
    case FRAME_ARM: pop_frame(p); break;
    case FRAME_IF: return text_unexpected(&p->in, "(then");
    case FRAME_FLAT:
    case FRAME_FLAT_IF: return text_unexpected(&p->in, "end");
    }
    return text_advance(&p->in);
}

// The identifier behind flat else and end must be the block's.
static bool check_label(Parser *p, u32 expected) {
    u32 symbol;
    const char *start = p->in.tok.start;
    TRY(wat_take_symbol(p, &symbol));
    if (symbol != ID_NONE && symbol != expected) {
        return text_fail(&p->in.lex, start, "mismatching label");
    }
    return true;
}

static bool flat_else(Parser *p, Writer *out) {
    if (top_kind(p) != FRAME_FLAT_IF) {
        return unexpected(p);
    }
    Frame *frame = top_frame(p);
    frame->kind = FRAME_FLAT;
    wat_note_position(p, out, wat_text_off(p));
    wat_emit_opcode(OP_ELSE, out);
    return text_advance(&p->in) && check_label(p, frame->symbol);
}

static bool flat_end(Parser *p, Writer *out) {
    const FrameKind kind = top_kind(p);
    if (kind != FRAME_FLAT && kind != FRAME_FLAT_IF) {
        return unexpected(p);
    }
    const u32 symbol = top_frame(p)->symbol;
    end_block(p, out);
    return text_advance(&p->in) && check_label(p, symbol);
}

// At an opcode's word.
static bool flat(Parser *p, Writer *out) {
    const Opcode op = (Opcode)p->in.tok.word;
    if (wants_folded(top_kind(p))) {
        return text_unexpected(&p->in, "'(' or ')'");
    }
    if (op == OP_ELSE) {
        return flat_else(p, out);
    }
    if (op == OP_END) {
        return flat_end(p, out);
    }
    const u32 text_off = wat_text_off(p);
    TRY(text_advance(&p->in));
    if (opens_block(op)) {
        u32 symbol;
        TRY(wat_take_symbol(p, &symbol));
        TRY(push_frame(p, op == OP_IF ? FRAME_FLAT_IF : FRAME_FLAT, symbol, text_off));
        TRY(wat_push_label(p, symbol));
    }
    wat_note_position(p, out, text_off);
    return wat_take_plain(p, op, out);
}

// One step, inside an open frame or at the start of an instruction.
static bool step(Parser *p, Writer *out) {
    const Token *tok = &p->in.tok;
    if (tok->kind == TOK_WORD && tok->word < OP_COUNT) {
        return flat(p, out);
    }
    if (tok->kind == TOK_OPEN) {
        return open_list(p, out);
    }
    return tok->kind == TOK_CLOSE ? close_list(p, out) : unexpected(p);
}

static bool at_instruction(const Parser *p) {
    const Token *word = p->in.tok.kind == TOK_OPEN ? &p->in.next : &p->in.tok;
    return word->kind == TOK_WORD && word->word < OP_COUNT;
}

bool wat_take_instructions(Parser *p, Writer *out) {
    assert(p->frames.count == 0 && p->labels.count == 0 && p->pending.count == 0);
    while (p->frames.count != 0 || at_instruction(p)) {
        TRY(step(p, out));
    }
    return true;
}

bool wat_take_folded(Parser *p, Writer *out) {
    assert(p->frames.count == 0 && p->labels.count == 0 && p->pending.count == 0);
    if (p->in.tok.kind != TOK_OPEN) {
        return text_unexpected(&p->in, "'('");
    }
    do {
        TRY(step(p, out));
    } while (p->frames.count != 0);
    return true;
}
