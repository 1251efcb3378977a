// Memory latency and pointer arithmetic: a linked list in shuffled order,
// walked, reversed, and spliced. The nodes fit the second-level cache.
#include "kernel.h"

typedef struct Node Node;
struct Node {
    Node *next;
    u32 value;
    u32 weight;
};

enum { NODES = 16384 };
static Node nodes[NODES];
static u32 order[NODES];

static Node *build(void) {
    u64 seed = 8;
    for (u32 i = 0; i < NODES; i++) {
        order[i] = i;
    }
    for (u32 i = NODES - 1; i > 0; i--) {
        u32 j = (u32)(kernel_random(&seed) >> 32) % (i + 1);
        u32 swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
    for (u32 i = 0; i < NODES; i++) {
        Node *next = i + 1 < NODES ? &nodes[order[i + 1]] : NULL;
        nodes[order[i]] = (Node){next, i * 2654435761u, i % 7};
    }
    return &nodes[order[0]];
}

static NOINLINE u64 walk(const Node *node) {
    u64 sum = 0;
    for (u32 i = 0; node; node = node->next, i++) {
        sum += (u64)node->value * node->weight + i;
    }
    return sum;
}

static NOINLINE Node *reverse(Node *node) {
    Node *done = NULL;
    while (node) {
        Node *next = node->next;
        node->next = done;
        done = node;
        node = next;
    }
    return done;
}

// Moves every node of the given weight to the front.
static NOINLINE Node *raise(Node *list, u32 weight) {
    Node **link = &list;
    Node *front = NULL;
    while (*link) {
        Node *node = *link;
        if (node->weight == weight) {
            *link = node->next;
            node->next = front;
            front = node;
        } else {
            link = &node->next;
        }
    }
    *link = front;
    return list;
}

int main(int argc, char **argv) {
    Node *list = build();
    u64 sum = 0;
    for (u32 n = kernel_repeats(argc, argv, 600); n > 0; n--) {
        sum = kernel_mix(sum, walk(list));
        list = reverse(list);
        if (n % 4 == 0) {
            list = raise(list, n % 7);
        }
    }
    return kernel_report("chase", sum);
}
