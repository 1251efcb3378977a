// Memory and unpredictable branches: quick sort of random 32-bit keys, median
// of three, insertion sort for short ranges.
#include "kernel.h"

enum { COUNT = 200000, SHORT = 12 };
static i32 keys[COUNT];

static void swap(i32 *a, i32 *b) {
    i32 t = *a;
    *a = *b;
    *b = t;
}

static void insertion(i32 *low, i32 *high) {
    for (i32 *p = low + 1; p <= high; p++) {
        i32 key = *p;
        i32 *q = p;
        for (; q > low && q[-1] > key; q--) {
            *q = q[-1];
        }
        *q = key;
    }
}

static i32 *part(i32 *low, i32 *high) {
    i32 *middle = low + (high - low) / 2;
    if (*middle < *low) {
        swap(middle, low);
    }
    if (*high < *low) {
        swap(high, low);
    }
    if (*high < *middle) {
        swap(high, middle);
    }
    i32 pivot = *middle;
    swap(middle, high - 1);
    i32 *i = low;
    i32 *j = high - 1;
    for (;;) {
        while (*++i < pivot) {
        }
        while (*--j > pivot) {
        }
        if (i >= j) {
            break;
        }
        swap(i, j);
    }
    swap(i, high - 1);
    return i;
}

static NOINLINE void sort(i32 *low, i32 *high) {
    while (high - low > SHORT) {
        i32 *middle = part(low, high);
        sort(low, middle - 1);
        low = middle + 1;
    }
    insertion(low, high);
}

int main(int argc, char **argv) {
    u64 seed = 9;
    u64 sum = 0;
    for (u32 n = kernel_repeats(argc, argv, 8); n > 0; n--) {
        for (u32 i = 0; i < COUNT; i++) {
            keys[i] = (i32)(kernel_random(&seed) >> 32);
        }
        sort(keys, keys + COUNT - 1);
        for (u32 i = 1; i < COUNT; i++) {
            sum = kernel_mix(sum, (u64)(keys[i - 1] <= keys[i]) + (u32)keys[i]);
        }
    }
    return kernel_report("quicksort", sum);
}
