#include "compile/baseline/mark.h"

// A call is its last byte, as in the image.
static u32 site_place(const Site *site) {
    const u32 offset = site->offset;
    return offset - (site->kind == SITE_CALL);
}

// True if site `i` is a mark whose code, from `offset` on, has been dropped.
static bool is_overtaken(const Baseline *b, u32 i, u32 offset) {
    const Site *sites = b->out->sites.at;
    return i >= b->first_site && i < b->out->sites.count && sites[i].kind == SITE_PLAIN &&
           sites[i].offset >= offset;
}

void mark_settle(Baseline *b) {
    const u32 last = (u32)b->out->sites.count - 1;
    if (is_overtaken(b, last, code_offset(&b->code))) {
        b->out->sites.count--;
    }
}

Mark mark_open(Baseline *b) {
    const CodeBuffer *code = &b->code;
    mark_settle(b);
    const bool is_behind_jump = code->last_jump_end == code_offset(code) &&
                                !code_is_bound(code, code->last_jump_label);
    return (Mark){
        .offset = code_offset(code),
        .site = (u32)b->out->sites.count,
        .jump = is_behind_jump ? code->last_jump_label : LABEL_NONE,
    };
}

// Where the code starts: before the mark if the jump there has been dropped.
static u32 start_of(const Baseline *b, const Mark *mark) {
    const bool is_jump_bound = mark->jump.i != ID_NONE && code_is_bound(&b->code, mark->jump);
    const u32 target = is_jump_bound ? code_label_offset(&b->code, mark->jump) : mark->offset;
    return target < mark->offset ? target : mark->offset;
}

static void insert_site(Baseline *b, u32 at, Site site) {
    if (!vec_push(&b->out->sites, site)) {
        out_of_memory(b);
    }
    Site *sites = b->out->sites.at;
    memmove(&sites[at + 1], &sites[at], (b->out->sites.count - 1 - at) * sizeof *sites);
    sites[at] = site;
}

void mark_close(Baseline *b, const Mark *mark, u32 wasm_offset) {
    const u32 start = start_of(b, mark);
    const Site site = site_of(start, wasm_offset, SITE_PLAIN);
    if (code_offset(&b->code) <= start) {
        return;
    }
    if (is_overtaken(b, mark->site - 1, start)) {
        assert(mark->site == b->out->sites.count); // ends of blocks neither call nor trap
        b->out->sites.at[mark->site - 1] = site;
    } else if (mark->site == b->out->sites.count ||
               site_place(&b->out->sites.at[mark->site]) != start) {
        insert_site(b, mark->site, site);
    }
}
