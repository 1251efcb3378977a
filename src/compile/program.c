#include "compile/program.h"

#include <string.h>

#include "isa/x64/targ.h"

// program_x64.S: the code, and in it the field that is to find the texts.
extern const u8 program_code[], program_texts_field[], program_code_end[];

static const char MESSAGE[] =
    "imago: error: cannot start imago, which this program needs: put it where PATH finds it, or "
    "its path into IMAGO\n";
static const char *const PATHS[] = {"/usr/local/bin/imago", "/usr/bin/imago"};

static void write_text(Writer *w, const char *text) { write_bytes(w, text, strlen(text) + 1); }

// As program_x64.S reads them; of the command line the last word comes first.
static void write_texts(Writer *w, const char *const *options) {
    usize count = 0;
    while (options[count] != NULL) {
        count++;
    }
    write_text(w, MESSAGE);
    write_text(w, "--"); // what follows is the file
    while (count != 0) {
        write_text(w, options[--count]);
    }
    write_text(w, "run");
    write_text(w, "imago");
    write_text(w, "");
    for (u32 i = 0; i < COUNT_OF(PATHS); i++) {
        write_text(w, PATHS[i]);
    }
    write_text(w, "");
}

bool program_start(CodeOutput *out, const char *const *options, CodeBlob *blob) {
    const usize code_at = out->code.count, rodata_at = out->rodata.count;
    const usize code_bytes = (usize)(program_code_end - program_code);
    const Fixup texts =
        fixup_of((u32)(program_texts_field - program_code), FIXUP_RODATA, 0, X64_FIX_DATA);
    write_bytes(&out->code, program_code, code_bytes);
    write_texts(&out->rodata, options);
    *blob = (CodeBlob){
        .kind = BLOB_START,
        .code_at = (u32)code_at,
        .code_bytes = (u32)code_bytes,
        .rodata_at = (u32)rodata_at,
        .rodata_bytes = (u32)(out->rodata.count - rodata_at),
        .first_fixup = (u32)out->fixups.count,
        .fixup_count = 1,
        .first_site = (u32)out->sites.count,
        .first_unwind = (u32)out->unwind.count,
        .unwind_count = 1,
    };
    return vec_push(&out->fixups, texts) &&
           vec_push(&out->unwind, (UnwindRow){.op = UNWIND_NO_CALLER}) && !out->code.failed &&
           !out->rodata.failed;
}
