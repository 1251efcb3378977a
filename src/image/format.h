// The bytes of an image: constants and records. Described in docs/image-format.md; written by
// link/, read by image/.
#ifndef IMAGE_FORMAT_H
#define IMAGE_FORMAT_H

#include "base/int.h"

enum {
    IMAGE_FORMAT = 3,
    IMAGE_NOTE_TYPE = 1,
    IMAGE_PAGE_BYTES = 4096,
    IMAGE_BUILD_ID_BYTES = 20,
    IMAGE_CHUNK_BYTES = 65536, // pieces of the file that the build-id is made of
    IMAGE_MAX_SEGMENTS = 32,   // program headers ...
    IMAGE_MAX_SECTIONS = 64,   // ... and section headers that a reader accepts
    IMAGE_MAX_DYNAMIC = 32,
};

// Text offsets have 32 bits.
#define IMAGE_MAX_BYTES 0xFFFFF000ull

#define IMAGE_NOTE_NAME "Imago"

// .imago.traps and .imago.addrmap
enum {
    IMAGE_BLOCK_ENTRIES = 256,    // positions in a block
    IMAGE_POSITION_CALL = 15,     // kinds of positions that are no trap: a call, ...
    IMAGE_POSITION_PLAIN = 14,    // ... and where a WebAssembly instruction's code starts
    IMAGE_NUMBER_MAX_ZEROS = 20,  // at the start of a number's code, ...
    IMAGE_NUMBER_END = (8 << (IMAGE_NUMBER_MAX_ZEROS + 1)) - 8, // ... which is below this
};

// StoredHeader.flags
enum {
    IMAGE_HAS_NO_ADDRMAP = 1,
    IMAGE_COPIES_NO_DATA = 2,
    IMAGE_COPIES_NO_ELEMS = 4,
    IMAGE_HAS_FUNC_ORDER = 8,
    IMAGE_MAPS_ALL = 16,
    IMAGE_KNOWN_FLAGS = 31
};
// StoredFunc.type_flags
enum { STORED_FUNC_TYPE_MASK = 0xFFFFFF, STORED_FUNC_NO_FRAME = 1 << 24 };
// StoredTable.flags, StoredMemory.flags
enum { STORED_HAS_MAX = 1, STORED_IS_FROZEN = 2 };
// StoredGlobal.flags
enum { STORED_IS_MUTABLE = 1 };
// StoredData.flags, StoredElem.flags
enum { STORED_IS_APPLIED = 1, STORED_IS_LAZY = 2 };
// Items of element segments: a function index, or a global index with ITEM_GLOBAL, or a null.
#define ITEM_GLOBAL 0x80000000u
#define ITEM_NULL_FUNC 0xFFFFFFFFu
#define ITEM_NULL_EXTERN 0xFFFFFFFEu
// ImageTableEntry.sig of an empty entry
#define TABLE_ENTRY_NULL 0xFFFFFFFFu

typedef enum ImageSpanId {
#define SPAN(name, section) IMAGE_SPAN_##name,
#include "image/spans.def"
#undef SPAN
    IMAGE_SPAN_COUNT
} ImageSpanId;

typedef enum ImageListId {
#define LIST(name, field, record, text) IMAGE_LIST_##name,
#include "image/lists.def"
#undef LIST
    IMAGE_LIST_COUNT
} ImageListId;

#define RECORD(name, bytes) typedef struct name {
#define FIELD(name, type, field, text) type field;
#define FIELDS(name, type, field, count, text) type field[count];
#define RECORD_END(name)                                                                           \
    }                                                                                              \
    name;
#include "image/records.def"
#undef RECORD
#undef FIELD
#undef FIELDS
#undef RECORD_END

#define RECORD(name, bytes) _Static_assert(sizeof(name) == (bytes), #name);
#define FIELD(name, type, field, text)
#define FIELDS(name, type, field, count, text)
#define RECORD_END(name)
#include "image/records.def"
#undef RECORD
#undef FIELD
#undef FIELDS
#undef RECORD_END

// Hash of everything that compiled code and runtime must agree on beyond this format: the context's
// fields and records, the builtins, the trap kinds, the calling convention.
u32 image_abi_hash(void);

// StoredHeader.check for a header's bytes.
u64 image_header_check(const void *header);

#endif
