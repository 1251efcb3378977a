// Objects and stand-alone programs of an image: what they hold, and what goes wrong making them.
// tests/emit runs them.
#include <elf.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/os_file.h"
#include "emit/object.h"
#include "emit/standalone.h"
#include "image/format.h"
#include "imago/compile.h"
#include "test.h"

static const char MODULE[] = "(module $m (memory 1) (func (export \"_start\") (call $f))"
                             "  (func $f (i32.store (i32.const 0) (i32.const 1))))";

static FileBytes file;
static Image image;

static void make_image(void) {
    char path[40];
    int fd = -1;
    Error err = ERROR_INIT;
    EXPECT(imago_compile_fd(MODULE, sizeof MODULE - 1, &fd, NULL, NULL, &err));
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    EXPECT(file_read(&file, path, &err) && image_parse(&image, file.at, file.count, &err));
    close(fd);
}

// ---- Objects -----------------------------------------------------------------------------------

static Elf64_Shdr section_at(const Writer *object, u32 i) {
    Elf64_Ehdr header;
    Elf64_Shdr section;
    memcpy(&header, object->at, sizeof header);
    memcpy(&section, object->at + header.e_shoff + i * sizeof section, sizeof section);
    return section;
}

TEST(object_holds_what_is_loaded) {
    Writer object = {0};
    emit_object(&image, "the_symbol", &object);
    EXPECT(!object.failed);
    const u64 loaded = image_loaded_bytes(image.bytes);
    const Elf64_Shdr text = section_at(&object, 1);
    EXPECT_EQ(text.sh_addralign, IMAGE_PAGE_BYTES);
    EXPECT_EQ(text.sh_size, align_up(loaded, IMAGE_PAGE_BYTES));
    EXPECT(loaded < image.byte_count);
    EXPECT(memcmp(object.at + text.sh_offset, image.bytes, loaded) == 0);
    writer_free(&object);
}

// Each entry of .eh_frame gets the place of its code from a relocation: that of a function.
TEST(object_relocates_frames) {
    Writer object = {0};
    emit_object(&image, "the_symbol", &object);
    const Elf64_Shdr relocations = section_at(&object, 3);
    const u64 count = relocations.sh_size / sizeof(Elf64_Rela);
    EXPECT(relocations.sh_type == SHT_RELA && count >= image.func_count);
    for (u32 func = 0; func < image.func_count; func++) {
        const u64 code = (u64)(image.text - image.bytes) + image_func(&image, func).text_offset;
        u32 found = 0;
        for (u64 i = 0; i < count; i++) {
            Elf64_Rela relocation;
            memcpy(&relocation, object.at + relocations.sh_offset + i * sizeof relocation,
                   sizeof relocation);
            EXPECT_EQ(ELF64_R_TYPE(relocation.r_info), R_X86_64_PC32);
            found += (u64)relocation.r_addend == code;
        }
        EXPECT_EQ(found, 1);
    }
    writer_free(&object);
}

TEST(object_has_one_global_symbol) {
    Writer object = {0};
    emit_object(&image, "the_symbol", &object);
    const Elf64_Shdr symbols = section_at(&object, 4), strings = section_at(&object, 5);
    Elf64_Sym symbol;
    memcpy(&symbol, object.at + symbols.sh_offset + symbols.sh_size - sizeof symbol, sizeof symbol);
    EXPECT_EQ(symbols.sh_info, symbols.sh_size / sizeof symbol - 1);
    EXPECT_EQ(ELF64_ST_BIND(symbol.st_info), STB_GLOBAL);
    EXPECT_EQ(symbol.st_value, 0);
    EXPECT_STR((const char *)object.at + strings.sh_offset + symbol.st_name, "the_symbol");
    writer_free(&object);
}

TEST(object_runs_out_of_memory) {
    for (u64 n = 1; n < 200; n++) {
        Writer object = {0};
        mem_fail_at(n, false);
        emit_object(&image, "the_symbol", &object);
        const bool was_enough = mem_fail_at(0, false) < n;
        EXPECT_EQ(object.failed, !was_enough);
        writer_free(&object);
        if (was_enough) {
            return;
        }
    }
    TEST_FAIL("needs more than 200 requests");
}

// ---- Stand-alone programs ----------------------------------------------------------------------

static const char *const WORDS[] = {"--dir", "a", NULL};

// The least that is a launcher: headers, code of a page, and zeros behind it in memory.
typedef struct Launcher {
    Elf64_Ehdr header;
    Elf64_Phdr segments[2];
    u8 code[100];
} Launcher;

static Launcher launcher(void) {
    Launcher out = {
        .header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB},
                   .e_type = ET_DYN,
                   .e_phoff = sizeof(Elf64_Ehdr),
                   .e_phnum = 2,
                   .e_phentsize = sizeof(Elf64_Phdr)},
        .segments = {{.p_type = PT_PHDR, .p_offset = sizeof(Elf64_Ehdr)},
                     {.p_type = PT_LOAD, .p_filesz = sizeof out, .p_memsz = 2 * sizeof out}},
    };
    memset(out.code, 0xCC, sizeof out.code);
    return out;
}

static bool standalone(const void *bytes, usize count, Writer *out, Error *err) {
    const Error none = ERROR_INIT;
    *err = none;
    return emit_standalone((Str){bytes, count}, &image, WORDS, out, err);
}

TEST(program_maps_launcher_and_image) {
    const Launcher start = launcher();
    Writer program = {0};
    Error err;
    EXPECT(standalone(&start, sizeof start, &program, &err));
    Elf64_Ehdr header;
    memcpy(&header, program.at, sizeof header);
    EXPECT(header.e_phoff % IMAGE_PAGE_BYTES == 0 && header.e_phnum == 5 && header.e_shnum == 0);
    EXPECT(memcmp(program.at + offsetof(Launcher, code), start.code, sizeof start.code) == 0);
    const char *words = (const char *)program.at + header.e_phoff + 5 * sizeof(Elf64_Phdr);
    EXPECT(memcmp(words, "--dir\0a\0", 9) == 0);
    const u64 image_at = header.e_phoff + IMAGE_PAGE_BYTES;
    const u64 loaded = image_loaded_bytes(image.bytes);
    EXPECT_EQ(program.count, image_at + loaded);
    EXPECT(memcmp(program.at + image_at, image.bytes, loaded) == 0);
    u64 end = 0;
    for (u32 i = 1; i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        memcpy(&segment, program.at + header.e_phoff + i * sizeof segment, sizeof segment);
        EXPECT(segment.p_type == PT_LOAD && segment.p_vaddr == segment.p_offset);
        EXPECT(segment.p_vaddr >= end);
        end = segment.p_vaddr + segment.p_memsz;
    }
    EXPECT_EQ(end, program.count);
    writer_free(&program);
}

static void expect_no_launcher(const Launcher *bytes, usize count) {
    Writer out = {0};
    Error err;
    EXPECT(!standalone(bytes, count, &out, &err));
    EXPECT_EQ(err.code, IMAGO_ERROR_INTERNAL);
    writer_free(&out);
}

TEST(program_needs_a_launcher) {
    const Launcher good = launcher();
    expect_no_launcher(&good, 0);
    expect_no_launcher(&good, sizeof good.header + 8);
    expect_no_launcher(&good, sizeof good - 1); // the segment goes beyond its end
    Launcher bad = good;
    bad.header.e_ident[0] = 0;
    expect_no_launcher(&bad, sizeof bad);
    bad = good;
    bad.header.e_type = ET_EXEC;
    expect_no_launcher(&bad, sizeof bad);
    bad = good;
    bad.header.e_phnum = 1; // nothing is loaded
    expect_no_launcher(&bad, sizeof bad);
    bad = good;
    bad.header.e_phnum = 1000;
    expect_no_launcher(&bad, sizeof bad);
    bad = good;
    bad.segments[1].p_memsz = UINT64_MAX;
    expect_no_launcher(&bad, sizeof bad);
}

TEST(program_runs_out_of_memory) {
    const Launcher start = launcher();
    Writer program = {0};
    Error err;
    mem_fail_at(1, false);
    EXPECT(!standalone(&start, sizeof start, &program, &err));
    mem_fail_at(0, false);
    EXPECT_EQ(err.code, IMAGO_ERROR_NO_MEMORY);
    writer_free(&program);
}

int main(void) {
    make_image();
    RUN(object_holds_what_is_loaded);
    RUN(object_relocates_frames);
    RUN(object_has_one_global_symbol);
    RUN(object_runs_out_of_memory);
    RUN(program_maps_launcher_and_image);
    RUN(program_needs_a_launcher);
    RUN(program_runs_out_of_memory);
    file_release(&file);
    return test_end();
}
