#include "compile/compiler.h"

#include "compile/baseline/baseline.h"

static const Compiler *const COMPILERS[] = {
#define COMPILER(name, text) &COMPILER_##name,
#include "compile/compilers.def"
#undef COMPILER
};

const Compiler *compiler_find(const char *name) {
    if (name == NULL) {
        return COMPILERS[0];
    }
    for (usize i = 0; i < COUNT_OF(COMPILERS); i++) {
        if (strcmp(COMPILERS[i]->name, name) == 0) {
            return COMPILERS[i];
        }
    }
    return NULL;
}

const char *compiler_names(void) {
    return ""
#define COMPILER(name, text) #name " "
#include "compile/compilers.def"
#undef COMPILER
        ;
}
