// Arena: allocations that die together. A list of chunks that double up to a megabyte; nothing is
// freed alone. Not thread-safe; one arena a module, one a worker.
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <setjmp.h>

#include "base/int.h"

typedef struct ArenaChunk ArenaChunk;

typedef struct Arena {
    u8 *at, *end;      // free part of the newest chunk
    ArenaChunk *chunk; // newest first
    usize next_bytes;  // size of the next chunk
    usize used_bytes;  // handed out since init or reset, for limits and statistics
    jmp_buf *landing;  // where to go when memory runs out; see arena_push
} Arena;

// An empty arena owns nothing. `{0}` is a valid empty arena as well.
void arena_init(Arena *arena);
void arena_deinit(Arena *arena);

// Forgets all allocations, keeps the largest chunk for reuse.
void arena_reset(Arena *arena);

// `bytes` zeroed bytes aligned to `align` (a power of two up to 16). When memory runs out: jumps
// to arena->landing if set, else returns NULL. The landing place reports ERR_NO_MEMORY.
void *arena_push(Arena *arena, usize bytes, usize align);

// `count` zeroed elements of `Type`; the product is checked.
#define PUSH(arena, Type, count)                                                                   \
    ((Type *)arena_push_array((arena), (count), sizeof(Type), _Alignof(Type)))

void *arena_push_array(Arena *arena, usize count, usize item_bytes, usize align);

// Copy of bytes[0..count), zero-terminated behind the last byte.
char *arena_copy(Arena *arena, const void *bytes, usize count);

#endif
