// .symtab: every function, stub and island of veneers, with its size. .dynsym and .gnu.hash:
// exported functions, for dlsym and for tools that look at nothing else.
//
// Most of this is long and needed once, so it is not built in memory: symbols and the names that
// are made for what has none are put out piece by piece. Those names end .dynstr.
#include "base/check.h"
#include "base/str.h"
#include "link/link_int.h"

// ---- Names -------------------------------------------------------------------------------------

enum { NAME_MAX_BYTES = 24 };

// Of a function that has one, in the strings; else 0.
static u32 piece_own_name(const Linker *linker, const TextPiece *piece) {
    if (piece->blob == ID_NONE || linker->input->blobs[piece->blob].kind != BLOB_FUNC) {
        return 0;
    }
    const u32 func = linker->input->blobs[piece->blob].index;
    return func < linker->named_count ? linker->name_at[func] : 0;
}

static char *put_text(char *p, Str text) {
    memcpy(p, text.at, text.count);
    return p + text.count;
}

static char *put_decimal(char *p, u32 value) {
    char digits[10];
    u32 count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (count != 0) {
        *p++ = digits[--count];
    }
    return p;
}

// "func12" for a piece without a name of its own. Returns its size with the zero byte.
static u32 generated_name(const Linker *linker, const TextPiece *piece, char *out) {
    static const Str PREFIXES[] = {
        [BLOB_FUNC] = {"func", 4}, [BLOB_ENTRY_STUB] = {"entry_stub", 10},
        [BLOB_EXIT_STUB] = {"exit_stub", 9}};
    char *end;
    if (piece->blob == ID_NONE) {
        end = put_text(out, STR("veneers"));
    } else if (linker->input->blobs[piece->blob].kind == BLOB_START) {
        end = put_text(out, STR("imago_start"));
    } else {
        const CodeBlob *blob = &linker->input->blobs[piece->blob];
        end = put_decimal(put_text(out, PREFIXES[blob->kind]), blob->index);
    }
    *end = 0;
    return (u32)(end + 1 - out);
}

static u64 generated_bytes(const Linker *linker) {
    char name[NAME_MAX_BYTES];
    u64 bytes = 0;
    for (u32 i = 0; i < linker->piece_count; i++) {
        const TextPiece *piece = &linker->pieces[i];
        bytes += piece_own_name(linker, piece) == 0 ? generated_name(linker, piece, name) : 0;
    }
    return bytes;
}

void symbols_put_names(const Linker *linker, OutFile *out) {
    char name[NAME_MAX_BYTES];
    for (u32 i = 0; i < linker->piece_count && linker->generated_name_bytes != 0; i++) {
        const TextPiece *piece = &linker->pieces[i];
        if (piece_own_name(linker, piece) == 0) {
            out_bytes(out, name, generated_name(linker, piece, name));
        }
    }
}

// ---- .symtab -----------------------------------------------------------------------------------

static Elf64_Sym symbol_of(u64 text_offset, u32 bytes, u8 binding, u32 name) {
    return (Elf64_Sym){
        .st_name = name,
        .st_info = (u8)ELF64_ST_INFO(binding, STT_FUNC),
        .st_other = STV_DEFAULT,
        .st_value = text_offset,
        .st_size = bytes,
    };
}

u64 symbols_bytes(const Linker *linker) {
    return (linker->piece_count + 1ull) * sizeof(Elf64_Sym);
}

void symbols_put(const Linker *linker, OutFile *out) {
    char name[NAME_MAX_BYTES];
    u32 generated =
        (u32)(linker->section_bytes[SECTION_DYNSTR] - linker->generated_name_bytes);
    out_fill(out, 0, sizeof(Elf64_Sym));
    for (u32 i = 0; i < linker->piece_count; i++) {
        const TextPiece *piece = &linker->pieces[i];
        const u32 own = piece_own_name(linker, piece);
        Elf64_Sym symbol = symbol_of(linker->section_at[SECTION_TEXT] + piece->at, piece->bytes,
                                     STB_LOCAL, own != 0 ? own : generated);
        symbol.st_shndx = linker->section_index[SECTION_TEXT];
        out_bytes(out, &symbol, sizeof symbol);
        generated += own != 0 ? 0 : generated_name(linker, piece, name);
    }
}

// ---- .dynsym and .gnu.hash ---------------------------------------------------------------------

// The hash of DT_GNU_HASH: of the name up to the first zero byte, as the dynamic linker sees it.
static u32 gnu_hash(Str name) {
    u32 hash = 5381;
    for (usize i = 0; i < name.count && name.at[i] != 0; i++) {
        hash = hash * 33 + (u8)name.at[i];
    }
    return hash;
}

typedef struct HashedExport {
    u32 index, hash;
} HashedExport;

static bool is_dynamic(const Linker *linker, const Export *item) {
    return item->kind == EXTERN_FUNC && linker->func_blob[item->index] != ID_NONE;
}

// Exported functions in order of their bucket: counting sort, stable. Returns the count.
static u32 sort_exports(Linker *linker, u32 bucket_count, u32 *buckets, HashedExport *out) {
    assert(bucket_count != 0);
    const Module *module = linker->module;
    for (u32 i = 0; i < module->export_count; i++) {
        if (is_dynamic(linker, &module->exports[i])) {
            buckets[gnu_hash(module->exports[i].name) % bucket_count]++;
        }
    }
    u32 count = 0;
    for (u32 i = 0; i < bucket_count; i++) {
        const u32 in_bucket = buckets[i];
        buckets[i] = count;
        count += in_bucket;
    }
    for (u32 i = 0; i < module->export_count; i++) {
        if (is_dynamic(linker, &module->exports[i])) {
            const u32 hash = gnu_hash(module->exports[i].name);
            out[buckets[hash % bucket_count]++] = (HashedExport){i, hash};
        }
    }
    return count;
}

static u32 dynamic_count(const Linker *linker) {
    u32 count = 0;
    for (u32 i = 0; i < linker->module->export_count; i++) {
        count += is_dynamic(linker, &linker->module->exports[i]);
    }
    return count;
}

// Two bits a symbol in a filter of 64-bit words.
static void write_filter(Linker *linker, Writer *w, const HashedExport *exports, u32 count,
                         u32 word_count, u32 shift) {
    u64 *words = PUSH(&linker->arena, u64, word_count);
    for (u32 i = 0; i < count; i++) {
        const u32 hash = exports[i].hash;
        words[hash / 64 % word_count] |= 1ull << hash % 64 | 1ull << (hash >> shift) % 64;
    }
    write_bytes(w, words, word_count * sizeof *words);
}

static void write_gnu_hash(Linker *linker, const HashedExport *exports, u32 count,
                           u32 bucket_count) {
    enum { SHIFT = 26, FIRST_SYMBOL = 1 };
    Writer *w = &linker->sections[SECTION_GNU_HASH];
    u32 word_count = 1;
    while (word_count * 64 < count * 12) {
        word_count *= 2;
    }
    write_u32(w, bucket_count);
    write_u32(w, FIRST_SYMBOL);
    write_u32(w, word_count);
    write_u32(w, SHIFT);
    write_filter(linker, w, exports, count, word_count, SHIFT);
    u32 next = 0;
    for (u32 bucket = 0; bucket < bucket_count; bucket++) {
        const bool is_used = next < count && exports[next].hash % bucket_count == bucket;
        write_u32(w, is_used ? FIRST_SYMBOL + next : 0);
        while (next < count && exports[next].hash % bucket_count == bucket) {
            next++;
        }
    }
    for (u32 i = 0; i < count; i++) {
        const bool is_last =
            i + 1 == count || exports[i + 1].hash % bucket_count != exports[i].hash % bucket_count;
        write_u32(w, (exports[i].hash & ~1u) | is_last);
    }
}

void symbols_write(Linker *linker) {
    const Module *module = linker->module;
    const u32 bucket_count = dynamic_count(linker) / 2 + 1;
    u32 *buckets = PUSH(&linker->arena, u32, bucket_count);
    HashedExport *exports = PUSH(&linker->arena, HashedExport, module->export_count);
    const u32 count = sort_exports(linker, bucket_count, buckets, exports);
    Writer *w = &linker->sections[SECTION_DYNSYM];
    write_zeros(w, sizeof(Elf64_Sym));
    for (u32 i = 0; i < count; i++) {
        const Export *item = &module->exports[exports[i].index];
        const u32 blob = linker->func_blob[item->index];
        const Elf64_Sym symbol =
            symbol_of(linker->text_at[blob], linker->input->blobs[blob].code_bytes, STB_GLOBAL,
                      strings_add(linker, item->name));
        write_bytes(w, &symbol, sizeof symbol);
    }
    write_gnu_hash(linker, exports, count, bucket_count);
    linker->generated_name_bytes = generated_bytes(linker);
}

void symbols_relocate(Linker *linker) {
    const Writer *w = &linker->sections[SECTION_DYNSYM];
    for (usize at = sizeof(Elf64_Sym); at < w->count; at += sizeof(Elf64_Sym)) {
        u8 *symbol = w->at + at;
        u8 *value = symbol + offsetof(Elf64_Sym, st_value);
        store_u64(value, load_u64(value) + linker->section_at[SECTION_TEXT]);
        store_u16(symbol + offsetof(Elf64_Sym, st_shndx), linker->section_index[SECTION_TEXT]);
    }
}
