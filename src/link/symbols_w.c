// .symtab: every function, stub and island of veneers, with its size. .dynsym and .gnu.hash:
// exported functions, for dlsym and for tools that look at nothing else.
#include <stdio.h>

#include "base/str.h"
#include "link/link_int.h"

static u32 generated_name(Linker *linker, const CodeBlob *blob) {
    static const char *const PREFIXES[] = {
        [BLOB_FUNC] = "func", [BLOB_ENTRY_STUB] = "entry_stub", [BLOB_EXIT_STUB] = "exit_stub"};
    char name[32];
    (void)snprintf(name, sizeof name, "%s%u", PREFIXES[blob->kind], blob->index);
    return strings_append(linker, str_of(name));
}

static u32 symbol_name(Linker *linker, const CodeBlob *blob) {
    if (blob->kind == BLOB_FUNC) {
        const u32 exported = linker->first_export[blob->index];
        const Str name = module_func_name(linker->module, blob->index);
        if (name.count != 0) {
            return strings_add(linker, name);
        }
        if (exported != ID_NONE && linker->module->exports[exported].name.count != 0) {
            return strings_add(linker, linker->module->exports[exported].name);
        }
    }
    return generated_name(linker, blob);
}

static void write_symbol(Writer *w, u64 text_offset, u32 bytes, u8 binding, u32 name) {
    const Elf64_Sym symbol = {
        .st_name = name,
        .st_info = (u8)ELF64_ST_INFO(binding, STT_FUNC),
        .st_other = STV_DEFAULT,
        .st_value = text_offset,
        .st_size = bytes,
    };
    write_bytes(w, &symbol, sizeof symbol);
}

static void write_symtab(Linker *linker) {
    Writer *w = &linker->sections[SECTION_SYMTAB];
    write_zeros(w, sizeof(Elf64_Sym));
    for (u32 i = 0; i < linker->piece_count; i++) {
        const TextPiece *piece = &linker->pieces[i];
        const u32 name = piece->blob == ID_NONE
                             ? strings_add(linker, STR("veneers"))
                             : symbol_name(linker, &linker->input->blobs[piece->blob]);
        write_symbol(w, piece->at, piece->bytes, STB_LOCAL, name);
    }
}

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
        write_symbol(w, linker->text_at[blob], linker->input->blobs[blob].code_bytes, STB_GLOBAL,
                     strings_add(linker, item->name));
    }
    write_gnu_hash(linker, exports, count, bucket_count);
    write_symtab(linker);
}

static void relocate(const Linker *linker, Writer *w) {
    for (usize at = sizeof(Elf64_Sym); at < w->count; at += sizeof(Elf64_Sym)) {
        u8 *symbol = w->at + at;
        u8 *value = symbol + offsetof(Elf64_Sym, st_value);
        store_u64(value, load_u64(value) + linker->section_at[SECTION_TEXT]);
        store_u16(symbol + offsetof(Elf64_Sym, st_shndx), linker->section_index[SECTION_TEXT]);
    }
}

void symbols_relocate(Linker *linker) {
    relocate(linker, &linker->sections[SECTION_SYMTAB]);
    relocate(linker, &linker->sections[SECTION_DYNSYM]);
}
