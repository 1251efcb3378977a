#include "base/arena.h"

#include "base/alloc.h"
#include "base/check.h"

enum { FIRST_CHUNK_BYTES = 4096, LAST_CHUNK_BYTES = 1 << 20 };

struct ArenaChunk {
    ArenaChunk *next;
    usize bytes; // of the whole chunk with this header
};

void arena_init(Arena *arena) { *arena = (Arena){0}; }

static void free_chunks(ArenaChunk *chunk) {
    while (chunk != NULL) {
        ArenaChunk *next = chunk->next;
        mem_free(chunk);
        chunk = next;
    }
}

void arena_deinit(Arena *arena) {
    free_chunks(arena->chunk);
    *arena = (Arena){0};
}

void arena_reset(Arena *arena) {
    ArenaChunk *keep = arena->chunk;
    if (keep != NULL) {
        free_chunks(keep->next);
        keep->next = NULL;
        arena->at = (u8 *)(keep + 1);
    }
    arena->used_bytes = 0;
}

static bool add_chunk(Arena *arena, usize bytes) {
    usize size = arena->next_bytes ? arena->next_bytes : FIRST_CHUNK_BYTES;
    u64 needed;
    if (!add_u64(bytes, sizeof(ArenaChunk) + 16, &needed)) {
        return false;
    }
    if (size < needed) {
        size = needed;
    }
    ArenaChunk *chunk = mem_alloc(size);
    if (chunk == NULL) {
        return false;
    }
    chunk->next = arena->chunk;
    chunk->bytes = size;
    arena->chunk = chunk;
    arena->at = (u8 *)(chunk + 1);
    arena->end = (u8 *)chunk + size;
    if (arena->next_bytes < LAST_CHUNK_BYTES) {
        arena->next_bytes = arena->next_bytes ? arena->next_bytes * 2 : 2 * FIRST_CHUNK_BYTES;
    }
    return true;
}

static void *out_of_memory(Arena *arena) {
    if (arena->landing != NULL) {
        longjmp(*arena->landing, 1);
    }
    return NULL;
}

void *arena_push(Arena *arena, usize bytes, usize align) {
    assert(align != 0 && align <= 16 && (align & (align - 1)) == 0);
    const usize padding = (usize)(-(uintptr_t)arena->at & (align - 1));
    u64 needed;
    if (!add_u64(bytes, padding, &needed)) {
        return out_of_memory(arena);
    }
    if (arena->at == NULL || needed > (usize)(arena->end - arena->at)) {
        if (!add_chunk(arena, bytes)) {
            return out_of_memory(arena);
        }
        return arena_push(arena, bytes, align);
    }
    u8 *p = arena->at + padding;
    arena->at = p + bytes;
    arena->used_bytes += bytes;
    return memset(p, 0, bytes);
}

void *arena_push_array(Arena *arena, usize count, usize item_bytes, usize align) {
    u64 bytes;
    if (!mul_u64(count, item_bytes, &bytes)) {
        return out_of_memory(arena);
    }
    return arena_push(arena, bytes, align);
}

char *arena_copy(Arena *arena, const void *bytes, usize count) {
    char *copy = arena_push_array(arena, count + 1, 1, 1);
    if (copy != NULL && count != 0) {
        memcpy(copy, bytes, count);
    }
    return copy;
}
