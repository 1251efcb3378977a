// Records of the PE32+ format (Microsoft's "PE Format") as images use it: with room for all their
// sections, so that the header stands at the same place in every image. docs/image-format.md, "The
// Windows form".
#ifndef IMAGE_PE_FORMAT_H
#define IMAGE_PE_FORMAT_H

#include "base/int.h"

#define PE_DOS_MAGIC "MZ"
#define PE_SIGNATURE "PE\0"
#define PE_BASE 0x180000000ull // where the file would like to be; it can be anywhere
#define PE_MAX_BYTES 0x7FFFF000ull

enum {
    PE_AT = 64, // of the signature, behind the DOS header
    PE_AT_FIELD = 60,
    PE_MACHINE_X86_64 = 0x8664,
    PE_OPTIONAL_MAGIC = 0x20B,
    PE_DIRECTORY_COUNT = 16,
    PE_DIRECTORY_EXCEPTION = 3,
    PE_MAX_SECTIONS = 4, // there is room for as many, whether they are there or not
};
// PeFileHeader.flags: executable, large addresses, a DLL
enum { PE_FILE_FLAGS = 0x2022 };
// PeOptionalHeader.dll_flags: high entropy addresses, dynamic base, no executable data
enum { PE_DLL_FLAGS = 0x160, PE_SUBSYSTEM_CONSOLE = 3 };
// PeSection.flags
enum {
    PE_SECTION_CODE = 0x20,
    PE_SECTION_DATA = 0x40,
    PE_SECTION_EXECUTE = 0x20000000,
    PE_SECTION_READ = 0x40000000,
};
#define PE_SECTION_WRITE 0x80000000u

typedef struct PeFileHeader {
    u16 machine, section_count;
    u32 time, symbols_at, symbol_count;
    u16 optional_bytes, flags;
} PeFileHeader;

typedef struct PeDirectory {
    u32 address, bytes;
} PeDirectory;

typedef struct PeOptionalHeader {
    u16 magic;
    u8 linker_major, linker_minor;
    u32 code_bytes, data_bytes, bss_bytes, entry, code_at;
    u64 base;
    u32 section_align, file_align;
    u16 os_major, os_minor, image_major, image_minor, subsystem_major, subsystem_minor;
    u32 reserved, image_bytes, header_bytes, check_sum;
    u16 subsystem, dll_flags;
    u64 stack_reserve, stack_commit, heap_reserve, heap_commit;
    u32 loader_flags, directory_count;
    PeDirectory directories[PE_DIRECTORY_COUNT];
} PeOptionalHeader;

typedef struct PeSection {
    char name[8];
    u32 memory_bytes, address, file_bytes, file_at;
    u32 relocations_at, lines_at;
    u16 relocation_count, line_count;
    u32 flags;
} PeSection;

typedef struct PeHeaders {
    char signature[4];
    PeFileHeader file;
    PeOptionalHeader optional;
    PeSection sections[PE_MAX_SECTIONS];
} PeHeaders;

// An entry of .pdata: addresses count from the start of the image.
typedef struct PeFunction {
    u32 begin, end, unwind_info;
} PeFunction;

_Static_assert(sizeof(PeHeaders) == 4 + 20 + 240 + PE_MAX_SECTIONS * 40 && sizeof(PeFunction) == 12,
               "no padding");
#endif
