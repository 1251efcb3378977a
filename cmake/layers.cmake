# Layers, libraries, the command and the tests as CMake targets. A layer without sources is left
# out, so that a tree in the middle of a change still configures.

find_package(Threads REQUIRED)

# imago_layer(NAME): object library of src/NAME and the folders below it.
function(imago_layer name)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.c
       ${PROJECT_SOURCE_DIR}/src/${name}/*.S)
  if(NOT sources)
    message(STATUS "layer ${name}: no sources, left out")
    return()
  endif()
  add_library(layer_${name} OBJECT ${sources})
  target_include_directories(layer_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src
                             ${PROJECT_SOURCE_DIR}/include)
  target_compile_options(layer_${name} PRIVATE $<$<COMPILE_LANGUAGE:C>:${IMAGO_C_FLAGS}>)
endfunction()

# imago_objects(OUT LAYERS...): the object files of the layers that have sources.
function(imago_objects out)
  set(objects)
  foreach(layer ${ARGN})
    if(TARGET layer_${layer})
      list(APPEND objects $<TARGET_OBJECTS:layer_${layer}>)
    endif()
  endforeach()
  set(${out} ${objects} PARENT_SCOPE)
endfunction()

# imago_internal(LAYERS...): libimago-internal.a, every name visible, for the command and the tests.
function(imago_internal)
  imago_objects(objects ${ARGN})
  if(NOT objects)
    return()
  endif()
  add_library(imago_internal STATIC ${objects})
  set_target_properties(imago_internal PROPERTIES OUTPUT_NAME imago-internal)
  target_include_directories(imago_internal PUBLIC ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(imago_internal PUBLIC Threads::Threads)
endfunction()

# imago_library(NAME LAYERS...): libNAME.a and libNAME.so, of which only imago_* can be seen: names
# like arena_init stay free for those who link them. Each holds every layer it uses. The archive
# has one object, in which what is hidden has been made local; sections of their own let a linker
# drop functions that are not used all the same.
function(imago_library name)
  string(REPLACE "-" "_" target ${name})
  imago_objects(objects ${ARGN})
  if(NOT objects)
    return()
  endif()
  set(object ${PROJECT_BINARY_DIR}/${name}.o)
  add_custom_command(OUTPUT ${object}
                     COMMAND ${CMAKE_LINKER} -r -o ${object} ${objects}
                     COMMAND ${CMAKE_OBJCOPY} --localize-hidden ${object}
                     DEPENDS ${objects} COMMAND_EXPAND_LISTS VERBATIM)
  set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
  add_library(${target}_static STATIC ${object})
  set_target_properties(${target}_static PROPERTIES OUTPUT_NAME ${name} LINKER_LANGUAGE C
                        EXPORT_NAME ${name}-static)
  foreach(layer ${ARGN})
    add_dependencies(${target}_static layer_${layer})
  endforeach()
  add_library(${target}_shared SHARED ${objects})
  set_target_properties(${target}_shared PROPERTIES OUTPUT_NAME ${name} EXPORT_NAME ${name}
                        VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
                        LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/imago.map)
  target_link_options(${target}_shared PRIVATE
                      -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/imago.map -Wl,-Bsymbolic
                      -Wl,-z,now -Wl,-z,relro -Wl,-z,separate-code)
  if(NOT IMAGO_SANITIZE)
    target_link_options(${target}_shared PRIVATE -Wl,-z,defs)
  endif()
  foreach(lib ${target}_static ${target}_shared)
    target_include_directories(${lib} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                               $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_link_libraries(${lib} PUBLIC Threads::Threads)
  endforeach()
endfunction()

# imago_cli(): the command `imago`, which needs no library beside it. Where a static libc is at hand
# a release build is static (and still position-independent): loading and binding libc is a quarter
# of the time from start to exit of a small program. `imago-objdump` is the same program with
# Capstone; `imago objdump` hands over to it, so that nothing else pays for loading a disassembler.
function(imago_cli)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/cli/*.c)
  if(NOT sources OR NOT TARGET imago_internal)
    return()
  endif()
  imago_cli_program(imago_command imago 0 ${sources})
  if(CMAKE_BUILD_TYPE STREQUAL Release AND NOT IMAGO_SANITIZE)
    include(CheckCSourceCompiles)
    set(CMAKE_REQUIRED_LINK_OPTIONS -static-pie)
    check_c_source_compiles("int main(void) { return 0; }" IMAGO_HAVE_STATIC_LIBC)
    if(IMAGO_HAVE_STATIC_LIBC)
      target_link_options(imago_command PRIVATE -static-pie)
    endif()
  endif()
  find_library(CAPSTONE_LIBRARY capstone)
  find_path(CAPSTONE_INCLUDE capstone/capstone.h)
  if(CAPSTONE_LIBRARY AND CAPSTONE_INCLUDE)
    imago_cli_program(imago_objdump imago-objdump 1 ${sources})
    target_include_directories(imago_objdump SYSTEM PRIVATE ${CAPSTONE_INCLUDE})
    target_link_libraries(imago_objdump PRIVATE ${CAPSTONE_LIBRARY})
  else()
    message(STATUS "no Capstone (libcapstone-dev): imago objdump shows bytes, not instructions")
  endif()
endfunction()

function(imago_cli_program target name has_capstone)
  add_executable(${target} ${ARGN})
  set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(${target} PRIVATE ${IMAGO_C_FLAGS})
  target_compile_definitions(${target} PRIVATE IMAGO_CAPSTONE=${has_capstone}
                             IMAGO_LIBEXEC_FROM_BIN="${IMAGO_LIBEXEC_FROM_BIN}")
  target_link_libraries(${target} PRIVATE imago_internal)
endfunction()

# imago_tests(FOLDER): one executable FOLDER_NAME and one CTest entry a file of tests/FOLDER.
function(imago_tests folder)
  if(NOT TARGET imago_internal)
    return()
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${folder}/*.c)
  foreach(source ${sources})
    get_filename_component(base ${source} NAME_WE)
    set(test ${folder}_${base})
    add_executable(${test} ${source})
    target_include_directories(${test} PRIVATE ${PROJECT_SOURCE_DIR}/src
                               ${PROJECT_SOURCE_DIR}/tests)
    target_compile_options(${test} PRIVATE ${IMAGO_C_FLAGS} -Wno-stack-usage)
    target_compile_definitions(${test} PRIVATE SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                               BINARY_DIR="${PROJECT_BINARY_DIR}")
    target_link_libraries(${test} PRIVATE imago_internal)
    add_test(NAME ${test} COMMAND ${test})
  endforeach()
endfunction()

# imago_fuzz_programs(): the files of tests/fuzz as executables fuzz_NAME. One with
# LLVMFuzzerTestOneInput is a libFuzzer target, for clang and IMAGO_FUZZ only; any other has its own
# main, is always built, and shares tests/fuzz/lib.
function(imago_fuzz_programs)
  if(NOT TARGET imago_internal)
    return()
  endif()
  if(IMAGO_FUZZ AND NOT CMAKE_C_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "IMAGO_FUZZ needs clang: cmake --preset fuzz")
  endif()
  file(GLOB lib_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/fuzz/lib/*.c)
  add_library(fuzz_lib STATIC ${lib_sources})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/fuzz/*.c)
  set(programs fuzz_lib)
  foreach(source ${sources})
    get_filename_component(base ${source} NAME_WE)
    file(STRINGS ${source} entry REGEX LLVMFuzzerTestOneInput)
    if(entry AND NOT IMAGO_FUZZ)
      continue()
    endif()
    add_executable(fuzz_${base} ${source})
    if(entry)
      target_link_options(fuzz_${base} PRIVATE -fsanitize=fuzzer)
    endif()
    target_link_libraries(fuzz_${base} PRIVATE fuzz_lib imago_internal ${CMAKE_DL_LIBS})
    list(APPEND programs fuzz_${base})
  endforeach()
  foreach(program ${programs})
    target_include_directories(${program} PRIVATE ${PROJECT_SOURCE_DIR}/src
                               ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/tests)
    target_compile_options(${program} PRIVATE ${IMAGO_C_FLAGS} -Wno-missing-prototypes
                           -Wno-stack-usage)
  endforeach()
endfunction()

# imago_launcher(LAYERS...): imago-launcher, which stand-alone programs start with: runtime and WASI
# as a static, position-independent executable. In releases it is made for size, with musl; without
# musl-gcc, with a static glibc, which brings 800 KB more. Other builds use their own options.
function(imago_launcher)
  set(sources ${PROJECT_SOURCE_DIR}/src/launcher/main.c ${PROJECT_SOURCE_DIR}/src/cli/guest.c
      ${PROJECT_SOURCE_DIR}/src/cli/report.c)
  find_program(IMAGO_MUSL_GCC musl-gcc)
  find_path(IMAGO_MUSL_FOLDER rcrt1.o PATHS /usr/lib/x86_64-linux-musl /usr/lib/musl/lib
            /usr/local/musl/lib NO_DEFAULT_PATH)
  if(NOT CMAKE_BUILD_TYPE STREQUAL Release OR IMAGO_SANITIZE)
    imago_launcher_here(${sources})
  elseif(IMAGO_MUSL_GCC AND IMAGO_MUSL_FOLDER)
    foreach(layer ${ARGN})
      get_target_property(layer_sources layer_${layer} SOURCES)
      list(APPEND sources ${layer_sources})
    endforeach()
    imago_launcher_musl(${sources})
  elseif(IMAGO_HAVE_STATIC_LIBC)
    message(STATUS "no musl-gcc (musl-tools): stand-alone programs are 800 KB larger")
    imago_launcher_here(${sources})
    target_link_options(imago_launcher PRIVATE -static-pie -s)
  else()
    message(STATUS "no musl-gcc, no static libc: imago compile --emit static-exe is left out")
  endif()
endfunction()

function(imago_launcher_here)
  imago_cli_program(imago_launcher imago-launcher 0 ${ARGN})
  target_link_options(imago_launcher PRIVATE -Wl,--gc-sections)
endfunction()

# CMake has one C compiler a build; this is another one.
function(imago_launcher_musl)
  # musl's headers first; those of the kernel are the system's.
  set(flags -std=gnu17 -Os -DNDEBUG -fPIE -ffunction-sections -fdata-sections -fno-common
      -fvisibility=hidden -fno-strict-aliasing -fno-asynchronous-unwind-tables
      -I${PROJECT_SOURCE_DIR}/src -I${PROJECT_SOURCE_DIR}/include -idirafter /usr/include
      -idirafter /usr/include/${CMAKE_C_LIBRARY_ARCHITECTURE})
  set(folder ${PROJECT_BINARY_DIR}/launcher)
  file(MAKE_DIRECTORY ${folder})
  foreach(source ${ARGN})
    file(RELATIVE_PATH name ${PROJECT_SOURCE_DIR}/src ${source})
    string(REPLACE "/" "_" name ${name})
    set(object ${folder}/${name}.o)
    add_custom_command(OUTPUT ${object}
                       COMMAND ${IMAGO_MUSL_GCC} ${flags} -MD -MF ${object}.d -c ${source}
                               -o ${object}
                       DEPENDS ${source} DEPFILE ${object}.d VERBATIM)
    list(APPEND objects ${object})
  endforeach()
  set(launcher ${PROJECT_BINARY_DIR}/imago-launcher)
  add_custom_command(OUTPUT ${launcher}
                     COMMAND ${CMAKE_C_COMPILER} -nostdlib -static-pie -Wl,--gc-sections,-s
                             -Wl,-z,relro,-z,now,-z,separate-code -L${IMAGO_MUSL_FOLDER}
                             ${IMAGO_MUSL_FOLDER}/rcrt1.o ${IMAGO_MUSL_FOLDER}/crti.o ${objects}
                             -lc -lgcc ${IMAGO_MUSL_FOLDER}/crtn.o -o ${launcher}
                     DEPENDS ${objects} VERBATIM)
  add_custom_target(imago_launcher ALL DEPENDS ${launcher})
endfunction()
