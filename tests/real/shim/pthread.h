// Thread-specific data for a program of one thread: what jq asks of pthreads.
#ifndef REAL_SHIM_PTHREAD_H
#define REAL_SHIM_PTHREAD_H

#include <stddef.h>

typedef unsigned pthread_key_t;
typedef int pthread_once_t;
#define PTHREAD_ONCE_INIT 0

// One array for each file that includes this: keys are not shared across files.
static void *real_shim_values[8];
static unsigned real_shim_count;

static inline int pthread_key_create(pthread_key_t *key, void (*destroy)(void *)) {
    (void)destroy;
    *key = real_shim_count++;
    return 0;
}

static inline int pthread_setspecific(pthread_key_t key, const void *value) {
    real_shim_values[key] = (void *)value;
    return 0;
}

static inline void *pthread_getspecific(pthread_key_t key) {
    return real_shim_values[key];
}

static inline int pthread_once(pthread_once_t *once, void (*init)(void)) {
    if (!*once) {
        *once = 1;
        init();
    }
    return 0;
}

#endif
