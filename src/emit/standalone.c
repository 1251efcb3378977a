// The launcher with a longer table of segments, and behind it what the table names in addition.
// File offset and address are the same in the new part, whatever they are in the launcher:
//
//     launcher         as it was, but its header names the new table
//     program headers  at a multiple of 4096: the launcher's, and those of the image      PT_LOAD R
//     words            each with a zero behind it; an empty one
//     image            at a multiple of 4096: up to the end of its last segment           its own
//
// The launcher finds all this by the address of its program headers, which the system tells every
// program. So it opens no file.
#include "emit/standalone.h"

#include <elf.h>

#include "image/format.h"

typedef struct Standalone {
    Str launcher;
    const Image *image;
    const char *const *words;
    Elf64_Ehdr header; // the launcher's, then ours
    Elf64_Phdr segments[2 * IMAGE_MAX_SEGMENTS];
    u32 segment_count;
    u64 launcher_bytes; // that are loaded
    u64 table_at;       // the program headers, in the file and in memory
} Standalone;

// ---- The launcher ------------------------------------------------------------------------------

static bool header_is_launcher(const Standalone *out) {
    const Elf64_Ehdr *header = &out->header;
    return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
           header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_type == ET_DYN &&
           header->e_phentsize == sizeof(Elf64_Phdr) && header->e_phnum <= IMAGE_MAX_SEGMENTS &&
           range_fits(header->e_phoff, header->e_phnum * sizeof(Elf64_Phdr), out->launcher.count);
}

// Copies its segments; the new part starts behind them in the file and in memory.
static bool read_launcher(Standalone *out) {
    if (out->launcher.count < sizeof out->header) {
        return false;
    }
    memcpy(&out->header, out->launcher.at, sizeof out->header);
    TRY(header_is_launcher(out));
    u64 end = 0;
    for (u32 i = 0; i < out->header.e_phnum; i++) {
        Elf64_Phdr *segment = &out->segments[out->segment_count++];
        memcpy(segment, out->launcher.at + out->header.e_phoff + i * sizeof *segment,
               sizeof *segment);
        TRY(range_fits(segment->p_offset, segment->p_filesz, out->launcher.count) &&
            range_fits(segment->p_vaddr, segment->p_memsz, IMAGE_MAX_BYTES));
        if (segment->p_type == PT_LOAD) {
            const u64 file_end = segment->p_offset + segment->p_filesz;
            const u64 memory_end = segment->p_vaddr + segment->p_memsz;
            out->launcher_bytes = file_end > out->launcher_bytes ? file_end : out->launcher_bytes;
            end = memory_end > end ? memory_end : end;
        }
    }
    end = out->launcher_bytes > end ? out->launcher_bytes : end;
    out->table_at = align_up(end, IMAGE_PAGE_BYTES);
    return end != 0;
}

// ---- The new part ------------------------------------------------------------------------------

static void move(Elf64_Phdr *segment, u64 by) {
    segment->p_offset += by;
    segment->p_vaddr += by;
    segment->p_paddr += by;
}

// What is loaded of the image, at its own addresses.
static void add_image_segments(Standalone *out) {
    Elf64_Ehdr header;
    const u8 *bytes = out->image->bytes;
    memcpy(&header, bytes, sizeof header);
    for (u32 i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        memcpy(&segment, bytes + header.e_phoff + i * sizeof segment, sizeof segment);
        if (segment.p_type == PT_LOAD) {
            out->segments[out->segment_count++] = segment;
        }
    }
}

static u64 words_bytes(const char *const *words) {
    u64 bytes = 1;
    for (u32 i = 0; words[i] != NULL; i++) {
        bytes += strlen(words[i]) + 1;
    }
    return bytes;
}

static void place_parts(Standalone *out) {
    const u32 first = out->segment_count;
    add_image_segments(out);
    const u64 table_bytes = out->segment_count * sizeof(Elf64_Phdr);
    const u64 image_at =
        align_up(out->table_at + table_bytes + words_bytes(out->words), IMAGE_PAGE_BYTES);
    for (u32 i = first; i < out->segment_count; i++) {
        move(&out->segments[i], image_at);
    }
    // The first one starts with the table and the words.
    Elf64_Phdr *head = &out->segments[first];
    const u64 before = image_at - out->table_at;
    move(head, -before);
    head->p_filesz += before;
    head->p_memsz += before;
    for (u32 i = 0; i < first; i++) {
        Elf64_Phdr *segment = &out->segments[i];
        if (segment->p_type == PT_PHDR) {
            segment->p_offset = segment->p_vaddr = segment->p_paddr = out->table_at;
            segment->p_filesz = segment->p_memsz = table_bytes;
        }
    }
}

static void write_parts(Standalone *out, Writer *w) {
    out->header.e_phoff = out->table_at;
    out->header.e_phnum = (u16)out->segment_count;
    out->header.e_shoff = 0;
    out->header.e_shnum = out->header.e_shstrndx = 0;
    write_bytes(w, &out->header, sizeof out->header);
    write_bytes(w, out->launcher.at + sizeof out->header,
                out->launcher_bytes - sizeof out->header);
    write_zeros(w, out->table_at - out->launcher_bytes);
    write_bytes(w, out->segments, out->segment_count * sizeof out->segments[0]);
    for (u32 i = 0; out->words[i] != NULL; i++) {
        write_bytes(w, out->words[i], strlen(out->words[i]) + 1);
    }
    write_u8(w, 0);
    write_align(w, IMAGE_PAGE_BYTES);
    write_bytes(w, out->image->bytes, image_loaded_bytes(out->image->bytes));
}

bool emit_standalone(Str launcher, const Image *image, const char *const *words, Writer *w,
                     Error *err) {
    Standalone out = {.launcher = launcher, .image = image, .words = words};
    if (!read_launcher(&out)) {
        return fail(err, INTERNAL, ERROR_NO_OFFSET, "the launcher is not of the form expected");
    }
    place_parts(&out);
    write_parts(&out, w);
    return !w->failed || fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory");
}
