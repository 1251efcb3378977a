// Typed growable arrays. `VEC(Type)` declares one as a struct {Type *at; usize count, capacity};
// `{0}` is empty. The elements move when the vector grows; room behind
// the last one is not initialised.
#ifndef BASE_VEC_H
#define BASE_VEC_H

#include "base/int.h"

#define VEC(Type)                                                                                  \
    struct {                                                                                       \
        Type *at;                                                                                  \
        usize count, capacity;                                                                     \
    }

// Room for `more` elements behind the last. False: out of memory, the vector is unchanged.
#define vec_reserve(vec, more)                                                                     \
    (LIKELY((usize)(more) <= (vec)->capacity - (vec)->count) ||                                    \
     vec_grow((void **)&(vec)->at, &(vec)->capacity, (vec)->count, (usize)(more),                  \
              sizeof *(vec)->at))

// Appends a value. False: out of memory.
#define vec_push(vec, ...)                                                                         \
    (vec_reserve((vec), 1) ? ((vec)->at[(vec)->count++] = (__VA_ARGS__), true) : false)

// Frees the elements; the vector is empty afterwards.
#define vec_free(vec) vec_release((void **)&(vec)->at, &(vec)->count, &(vec)->capacity)

bool vec_grow(void **at, usize *capacity, usize count, usize more, usize item_bytes);
void vec_release(void **at, usize *count, usize *capacity);

#endif
