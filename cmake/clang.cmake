# Toolchain file: clang under whatever name this machine has it, the plain name first.
find_program(IMAGO_CLANG NAMES clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14 REQUIRED)
set(CMAKE_C_COMPILER ${IMAGO_CLANG})
set(CMAKE_ASM_COMPILER ${IMAGO_CLANG})
