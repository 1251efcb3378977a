// The n-th allocation fails, for every n, on the way from text to image: always an error that says
// so, never a crash, and (with a leak checker) nothing left behind. Then the same works.
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/os_file.h"
#include "imago/compile.h"
#include "test.h"

static const char *const SOURCES[] = {
    "(module (import \"m\" \"f\" (func (param i32 f64) (result i32)))"
    "  (memory (export \"memory\") 1 2) (data (i32.const 8) \"hello\")"
    "  (table 4 funcref) (elem (i32.const 0) func 1 2)"
    "  (global (mut i64) (i64.const 7)) (global funcref (ref.func 1))"
    "  (type $t (func (param i32) (result i32)))"
    "  (func (export \"a\") (param i32) (result i32) (local i32 f64)"
    "    (block $x (loop $l (local.set 1 (i32.add (local.get 1) (local.get 0)))"
    "      (br_table $l $x (local.get 0))))"
    "    (call_indirect (type $t) (i32.load (local.get 1)) (i32.const 1)))"
    "  (func $b (param i32) (result i32) (call 0 (local.get 0) (f64.const 1.5))))",
    "(module (func (export \"f\") (result i32 i64 f32 f64 i32 i64 i32)"
    "  (i32.const 1) (i64.const 2) (f32.const 3) (f64.const 4) (i32.const 5) (i64.const 6)"
    "  (i32.const 7)))",
};

// Compiles to an anonymous file with request number n failing. True if it worked.
static bool compile(const char *source, u64 n, bool forever, ImagoError *err) {
    const ImagoCompileOptions options = {.size = sizeof options, .threads = 1};
    int fd = -1;
    *err = (ImagoError)IMAGO_ERROR_INIT;
    mem_fail_at(n, forever);
    const bool is_ok = imago_compile_fd(source, strlen(source), &fd, &options, NULL, err);
    mem_fail_at(0, false);
    if (is_ok) {
        close(fd);
    }
    return is_ok;
}

static void check_all(const char *source, bool forever) {
    ImagoError err;
    EXPECT(compile(source, 0, false, &err));
    u64 failed = 0;
    for (u64 n = 1; n < 5000; n++) {
        if (compile(source, n, forever, &err)) {
            // A request that was only a wish may fail unnoticed; past the last one all succeed.
            mem_fail_at(0, false);
            if (failed != 0 && n > failed + 8) {
                break;
            }
            continue;
        }
        failed = n;
        if (err.code != IMAGO_ERROR_NO_MEMORY) {
            TEST_FAIL("request %llu: code %d, %s", (unsigned long long)n, (int)err.code, err.text);
        }
    }
    EXPECT(failed > 10);
    EXPECT(compile(source, 0, false, &err));
}

TEST(each_once) {
    for (usize i = 0; i < COUNT_OF(SOURCES); i++) {
        check_all(SOURCES[i], false);
    }
}

TEST(each_and_all_after) {
    for (usize i = 0; i < COUNT_OF(SOURCES); i++) {
        check_all(SOURCES[i], true);
    }
}

int main(void) {
    RUN(each_once);
    RUN(each_and_all_after);
    return test_end();
}
