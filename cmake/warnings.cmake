# Warnings of house style; the compiler keeps those it knows.
include(CheckCCompilerFlag)

set(IMAGO_WARNINGS
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wcast-align=strict -Wcast-qual
  -Wwrite-strings -Wpointer-arith -Wvla -Walloca -Wundef -Wformat=2 -Wimplicit-fallthrough=5
  -Wswitch-enum -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wredundant-decls
  -Wnull-dereference -Wduplicated-cond -Wduplicated-branches -Wlogical-op -Wjump-misses-init
  -Wdouble-promotion -Winit-self -Wstack-usage=4096)

set(IMAGO_C_FLAGS -ffunction-sections -fdata-sections -fno-common -fvisibility=hidden
  -fno-strict-aliasing)
foreach(flag ${IMAGO_WARNINGS})
  string(MAKE_C_IDENTIFIER "HAVE${flag}" name)
  check_c_compiler_flag("-Werror ${flag}" ${name})
  if(${name})
    list(APPEND IMAGO_C_FLAGS ${flag})
  endif()
endforeach()
if(CMAKE_C_COMPILER_ID MATCHES Clang)
  # A statement expression or `##__VA_ARGS__` is the GNU dialect the project is written in.
  list(APPEND IMAGO_C_FLAGS -Wno-gnu -Wno-unknown-warning-option -Wimplicit-fallthrough
    -Wcast-align)
endif()
if(IMAGO_WERROR)
  list(APPEND IMAGO_C_FLAGS -Werror)
endif()
if(IMAGO_SANITIZE)
  list(APPEND IMAGO_C_FLAGS -fsanitize=${IMAGO_SANITIZE} -fno-omit-frame-pointer
       -fno-sanitize-recover=undefined -Wno-stack-usage)
  add_link_options(-fsanitize=${IMAGO_SANITIZE})
endif()
