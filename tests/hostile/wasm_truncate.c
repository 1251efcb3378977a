// Damaged modules: cut at every byte, every bit flipped, and with the n-th allocation failing, for
// every n. Decoder and validator say valid or set an Error; under the sanitizers nothing is read
// beyond the bytes, which lie in a heap block of their exact size.
//
// More modules: `hostile_wasm_truncate FILE...` does the same to binary modules up to 64 KiB, for
// instance those of the official scripts.
#include <stdlib.h>

#include "base/alloc.h"
#include "test.h"
#include "unit/wasm_build.h"

enum { MAX_FILE_BYTES = 1 << 16 };

static bool is_known_code(ErrorCode code) {
    return code == IMAGO_ERROR_MALFORMED || code == IMAGO_ERROR_INVALID ||
           code == IMAGO_ERROR_LIMIT || code == IMAGO_ERROR_UNSUPPORTED ||
           code == IMAGO_ERROR_NO_MEMORY;
}

static bool validate_bodies(const Module *m, Error *err) {
    Validator *v = validator_new(m);
    if (v == NULL) {
        return fail(err, NO_MEMORY, 0, "out of memory");
    }
    bool ok = true;
    for (u32 i = m->func_import_count; ok && i < m->func_count; i++) {
        FuncFacts facts;
        ok = validate_func(v, i, &facts, err);
    }
    validator_delete(v);
    return ok;
}

// Decodes and validates; checks that there is a sensible error exactly if that fails.
static ErrorCode verdict(const u8 *bytes, usize count) {
    Arena arena;
    arena_init(&arena);
    Module m;
    Error err = ERROR_INIT;
    const bool ok = wasm_decode(&m, &arena, bytes, count, &err) && validate_bodies(&m, &err);
    arena_deinit(&arena);
    EXPECT(ok == (err.code == IMAGO_ERROR_NONE));
    if (!ok) {
        EXPECT(is_known_code(err.code));
        EXPECT(err.offset <= count);
        EXPECT(err.text[0] != 0);
    }
    return err.code;
}

static void cut_everywhere(const u8 *bytes, usize count) {
    for (usize left = 0; left < count; left++) {
        u8 *copy = malloc(left + (left == 0));
        memcpy(copy, bytes, left);
        (void)verdict(copy, left);
        free(copy);
    }
}

static void flip_everywhere(const u8 *bytes, usize count) {
    u8 *copy = malloc(count);
    memcpy(copy, bytes, count);
    for (usize bit = 0; bit < 8 * count; bit++) {
        copy[bit / 8] ^= (u8)(1u << bit % 8);
        (void)verdict(copy, count);
        copy[bit / 8] ^= (u8)(1u << bit % 8);
    }
    free(copy);
}

static void fail_every_allocation(const u8 *bytes, usize count) {
    const ErrorCode wanted = verdict(bytes, count);
    ErrorCode code = IMAGO_ERROR_NO_MEMORY;
    for (u64 n = 1; code == IMAGO_ERROR_NO_MEMORY && n < 10000; n++) {
        (void)mem_fail_at(n, false);
        code = verdict(bytes, count);
        (void)mem_fail_at(0, false);
    }
    EXPECT_EQ(code, wanted);
}

// Something of everything: all sections, each kind of import, segment and immediate.
static void build_sample(Build *b) {
    build_header(b);
    build_section_hex(b, 1, "03 600000 60027f7e017d 6001 7f 02 7f7f");
    build_section_hex(b, 2, "04 016d0166 0001  016d0174 0170010102"
                            "   016d0167 037f00  016d0168 037e01");
    build_section_hex(b, 3, "03 00 02 01");
    build_section_hex(b, 4, "01 6f0005");
    build_section_hex(b, 5, "01 010103");
    build_section_hex(b, 6, "03 7f01 417f0b  7000 d2010b  7f00 23000b");
    build_section_hex(b, 7, "03 0161 0000  0162 0200  02ceb1 0001");
    build_section_hex(b, 8, "01");
    build_section_hex(b, 9, "03 00 41000b 01 00  01 00 01 01  07 6f 01 d06f0b");
    build_section_hex(b, 12, "02");
    Build code = {.count = 0};
    build_hex(&code, "03 02000b");
    Build body = {.count = 0};
    build_hex(&body, "02 027f 8c017e"
                     "0340 2000 2101 0240 2000 0d01 2001 0e010001 0b 20011a 0b"
                     "2000 2000 0402 2000 05 2000 0b 1a1a"
                     "2000 280280808001 1a  2000 4101 36020a  428080808010 218d01"
                     "2000 2000 4101 fc0a0000  4101 4102 4103 1b 1a"
                     "2000 2000 0b");
    build_uleb(&code, (u32)body.count);
    build_bytes(&code, &body);
    build_hex(&code, "1f 00 2000 fd11 2000 fd11 fd0d 000102030405060708090a0b0c0d0e0f fd1f00 0b");
    build_section(b, 10, &code);
    build_section_hex(b, 11, "02 00 41030b 03616263  01 0178");
    build_section_hex(b, 0, "046e616d65 00 03 026d79 01 0a 03 00 0166 01 0167 02 0168");
}

static Build sample;

TEST(sample_is_valid) {
    Loaded loaded;
    loaded_open(&loaded, &sample);
    EXPECT_STR(loaded.err.text, "");
    EXPECT(loaded.ok);
    loaded_close(&loaded);
}

TEST(cut) { cut_everywhere(sample.at, sample.count); }

TEST(flipped) { flip_everywhere(sample.at, sample.count); }

TEST(no_memory) { fail_every_allocation(sample.at, sample.count); }

static void damage_file(const char *path) {
    FILE *in = fopen(path, "rb");
    static u8 bytes[MAX_FILE_BYTES + 1];
    const usize count = in == NULL ? 0 : fread(bytes, 1, sizeof bytes, in);
    if (in != NULL) {
        (void)fclose(in);
    }
    if (count != 0 && count <= MAX_FILE_BYTES) {
        cut_everywhere(bytes, count);
    }
}

int main(int argc, char **argv) {
    build_sample(&sample);
    RUN(sample_is_valid);
    RUN(cut);
    RUN(flipped);
    RUN(no_memory);
    test_name = "files";
    for (int i = 1; i < argc; i++) {
        damage_file(argv[i]);
    }
    return test_end();
}
