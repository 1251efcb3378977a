/* Imago: run WebAssembly images.
 *
 * An image is an ELF file that `imago compile` or imago/compile.h made from a WebAssembly module.
 * This library maps images and runs them; it contains no compiler.
 *
 *   engine   process-wide state: signal handlers, signature ids. Shared by all threads.
 *   image    a mapped file, read-only. Shared by all threads and stores.
 *   store    a world of instances that may see each other. One thread at a time.
 *   linker   names what imports resolve to. Filled by one thread, then shared by all.
 *
 * Ownership: `_new`/`_open` hand out an object, `_delete` ends it; what a store gives out
 * (instances, functions, memories, tables, globals, traps) belongs to the store and ends with it.
 * An engine must outlive its images, linkers and stores, an image the stores that instantiated it.
 * Pointers to const are borrowed.
 *
 * Errors: functions that can fail return false (or NULL) and describe the failure in *error, which
 * may be NULL. A trap is not an error: calls return an ImagoStatus.
 *
 * C99; every object is opaque. Options structs start with their size, and zero means default, so
 * that fields can be added.
 */
#ifndef IMAGO_IMAGO_H
#define IMAGO_IMAGO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "imago/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define IMAGO_VERSION_MAJOR 0
#define IMAGO_VERSION_MINOR 1
#define IMAGO_VERSION_PATCH 0

/* "major.minor.patch" of the library. */
IMAGO_API const char *imago_version(void);

typedef struct ImagoEngine ImagoEngine;
typedef struct ImagoImage ImagoImage;
typedef struct ImagoStore ImagoStore;
typedef struct ImagoLinker ImagoLinker;
typedef struct ImagoLinked ImagoLinked;
typedef struct ImagoInstance ImagoInstance;
typedef struct ImagoFunc ImagoFunc;
typedef struct ImagoMemory ImagoMemory;
typedef struct ImagoTable ImagoTable;
typedef struct ImagoGlobal ImagoGlobal;

/* ---- Values and types ---------------------------------------------------------------------- */

typedef enum ImagoType {
    IMAGO_I32 = 1,
    IMAGO_I64,
    IMAGO_F32,
    IMAGO_F64,
    IMAGO_V128,
    IMAGO_FUNCREF,
    IMAGO_EXTERNREF
} ImagoType;

/* A value of any type, 16 bytes. The type is known from the context. For i32 and f32 the upper bits
 * are ignored on input and zero on output. */
typedef union ImagoValue {
    int32_t i32;
    int64_t i64;
    float f32;
    double f64;
    uint8_t v128[16];
    ImagoFunc *func;  /* funcref, NULL for ref.null */
    void *externref;  /* NULL for ref.null; never interpreted */
    uint64_t bits[2];
} ImagoValue;

typedef struct ImagoFuncType {
    const uint8_t *params;  /* ImagoType codes */
    const uint8_t *results;
    uint32_t param_count, result_count;
} ImagoFuncType;

typedef enum ImagoExternKind {
    IMAGO_EXTERN_FUNC,
    IMAGO_EXTERN_TABLE,
    IMAGO_EXTERN_MEMORY,
    IMAGO_EXTERN_GLOBAL
} ImagoExternKind;

/* Something that can be imported or exported. */
typedef struct ImagoExtern {
    ImagoExternKind kind;
    union {
        ImagoFunc *func;
        ImagoTable *table;
        ImagoMemory *memory;
        ImagoGlobal *global;
    } of;
} ImagoExtern;

/* Limits in pages (memories) or entries (tables). */
typedef struct ImagoLimits {
    uint32_t min, max;
    bool has_max;
} ImagoLimits;

typedef struct ImagoExternType {
    ImagoExternKind kind;
    ImagoFuncType func;  /* IMAGO_EXTERN_FUNC */
    ImagoLimits limits;  /* table, memory */
    ImagoType value;     /* element type of a table, type of a global */
    bool is_mutable;     /* global */
} ImagoExternType;

/* ---- Engine -------------------------------------------------------------------------------- */

/* Installs the signal handlers for traps (SIGSEGV, SIGBUS, SIGFPE, SIGILL; SA_ONSTACK) on the first
 * engine of the process; they pass every fault that is not a trap of guest code on to the handlers
 * that were there before. NULL: ERROR_OS, ERROR_NO_MEMORY. Thread-safe. */
IMAGO_API ImagoEngine *imago_engine_new(ImagoError *error);
/* After the last image and store of the engine. */
IMAGO_API void imago_engine_delete(ImagoEngine *engine);

/* ---- Images -------------------------------------------------------------------------------- */

/* Maps an image file. Constant time: open, pread, mmap, mprotect, close. The file must not be
 * changed in place while the image lives (replace it by rename). Should it be cut nevertheless, or
 * be shorter than its headers say, then the next instantiation, or call of a function that was not
 * called before, fails with ERROR_IMAGE, and guest code that runs into a missing page traps. A host
 * that reads or writes a missing page of a memory finds zeros there, in a call or outside of all
 * (system calls fail with EFAULT); from then on no guest code of that store runs: the call that the
 * host function was called by, and each later call, ends with a trap. Not protected: names and
 * types that were handed out; and the rest of a page that the file now ends in, which reads as
 * zeros, as code, too.
 * gdb is told of an absolute path; it takes a relative one to count from the directory in which
 * the engine was made.
 * NULL: ERROR_NO_INPUT, ERROR_IMAGE (damaged, other machine or version), ERROR_UNSUPPORTED (for
 * another system), ERROR_OS (also: the processor lacks what the code needs), ERROR_NO_MEMORY. */
IMAGO_API ImagoImage *imago_image_open(ImagoEngine *engine, const char *path, ImagoError *error);
/* The same of an open file, which is borrowed during the call; refuses one that is too short. If it
 * has no path (memfd, unlinked), it is kept open for debuggers, unless too many are. */
IMAGO_API ImagoImage *imago_image_open_fd(ImagoEngine *engine, int fd, ImagoError *error);
/* An image in memory: copied once into an anonymous file, which is mapped. The same errors. */
IMAGO_API ImagoImage *imago_image_open_bytes(ImagoEngine *engine, const void *bytes, size_t count,
                                             ImagoError *error);
/* An image whose segments are mapped already, which they stay after imago_image_delete:
 *   start  by `dlopen`, the field l_addr of its link_map; linked into the program
 *          (`imago compile --emit obj`), the object's symbol
 * Only the code stays executable. Initial contents of memories are copied, as there is no file to
 * map them from.
 * NULL: as imago_image_open, ERROR_USAGE (not page-aligned). */
IMAGO_API ImagoImage *imago_image_open_mapped(ImagoEngine *engine, const void *start,
                                              ImagoError *error);
/* An image in the embedder's memory, used where it is: nothing is copied but, for each instance,
 * the initial contents of its memory. `memory` starts a page, is not changed, and lives until
 * imago_image_delete. Until then the pages that hold code can be executed and not written; then
 * they can be written again. If one engine has opened it more than once, "then" is after the last
 * of these images; two engines must not.
 * NULL: as imago_image_open, ERROR_USAGE (not page-aligned). */
IMAGO_API ImagoImage *imago_image_open_memory(ImagoEngine *engine, void *memory, size_t count,
                                              ImagoError *error);
/* After the last store that instantiated it. One munmap. */
IMAGO_API void imago_image_delete(ImagoImage *image);

/* The image's .eh_frame section, for embedders whose unwinder shall walk through guest frames
 * (backtrace(), exceptions of C++ inside host functions, profilers): give it to __register_frame,
 * and to __deregister_frame before imago_image_delete. Nothing else registers it. NULL if the file
 * has none; bytes may be NULL. Its contents are as trustworthy as the file. */
IMAGO_API const void *imago_image_eh_frame(const ImagoImage *image, size_t *bytes);

/* Compares the contents with the build-id in them, a hash of the whole file: for files from places
 * that may damage them. It reads the whole file, some GB a second. Whoever can write the file can
 * forge it: against that, sign it or use fs-verity. false: ERROR_IMAGE, ERROR_NO_MEMORY,
 * ERROR_USAGE (of imago_image_open_mapped, which does not see all of the file). */
IMAGO_API bool imago_image_verify(const ImagoImage *image, ImagoError *error);

/* True if the bytes start as an image does; false for anything else, WebAssembly included. */
IMAGO_API bool imago_is_image(const void *bytes, size_t count);

typedef struct ImagoImport {
    const char *module, *name; /* zero-terminated, may hold further zeros */
    size_t module_bytes, name_bytes;
    ImagoExternType type;
} ImagoImport;

typedef struct ImagoExport {
    const char *name;
    size_t name_bytes;
    ImagoExternType type;
} ImagoExport;

IMAGO_API uint32_t imago_image_import_count(const ImagoImage *image);
IMAGO_API uint32_t imago_image_export_count(const ImagoImage *image);
/* i below the count. The strings are borrowed from the image. */
IMAGO_API ImagoImport imago_image_import(const ImagoImage *image, uint32_t i);
IMAGO_API ImagoExport imago_image_export(const ImagoImage *image, uint32_t i);

/* ---- Stores -------------------------------------------------------------------------------- */

typedef struct ImagoStoreOptions {
    size_t size;              /* sizeof(ImagoStoreOptions) */
    size_t stack_bytes;       /* guest stack, 0: 8 MiB; rounded up to pages */
    uint64_t max_memory_bytes;  /* of one memory, 0: no limit below 4 GiB */
    uint32_t max_table_entries; /* of one table, 0: 10,000,000 */
    void *user;               /* for imago_caller_user */
} ImagoStoreOptions;

/* options may be NULL. NULL: ERROR_NO_MEMORY. */
IMAGO_API ImagoStore *imago_store_new(ImagoEngine *engine, const ImagoStoreOptions *options,
                                      ImagoError *error);
/* Not while a call runs in it. */
IMAGO_API void imago_store_delete(ImagoStore *store);
IMAGO_API void *imago_store_user(const ImagoStore *store);

/* ---- Calls --------------------------------------------------------------------------------- */

typedef enum ImagoStatus {
    IMAGO_OK,
    IMAGO_TRAP, /* imago_store_trap says which */
    IMAGO_EXIT, /* the guest ended itself: imago_store_exit_code */
    IMAGO_FAIL  /* the call was not made: *error */
} ImagoStatus;

/* Why and where a call ended. Borrowed from the store until its next call. */
typedef struct ImagoFrame {
    const char *module_name;   /* may be empty */
    const char *func_name;     /* may be empty */
    size_t func_name_bytes;
    uint32_t func_index;
    uint64_t module_offset;    /* in the WebAssembly file, or IMAGO_ERROR_NO_OFFSET */
    const ImagoInstance *instance;
} ImagoFrame;

typedef struct ImagoTrap {
    const char *message;       /* "out of bounds memory access", ... */
    const ImagoFrame *frames;  /* innermost first; at most 64 */
    uint32_t frame_count;
    bool frames_cut;           /* there were more */
    bool has_address;          /* out of bounds memory access: */
    uint64_t address;          /* offset in the memory, and */
    uint64_t memory_bytes;     /* its size then */
} ImagoTrap;

IMAGO_API const ImagoTrap *imago_store_trap(const ImagoStore *store);
IMAGO_API int imago_store_exit_code(const ImagoStore *store);

/* Calls a function. `values` holds the arguments and receives the results: as many elements as the
 * greater of both counts. On a trap its contents are unspecified. May be nested: a host function
 * may call. IMAGO_FAIL: ERROR_USAGE (another store's function among the arguments). */
IMAGO_API ImagoStatus imago_func_call(ImagoStore *store, ImagoFunc *func, ImagoValue *values,
                                      ImagoError *error);
IMAGO_API ImagoFuncType imago_func_type(const ImagoStore *store, const ImagoFunc *func);

/* A function made ready for many calls: what imago_func_call checks each time was checked once.
 * Plain data without owner, valid as long as the store; the fields are private. */
typedef struct ImagoCall {
    ImagoStore *store;
    const void *entry[3];
} ImagoCall;

/*   type  what the host relies on; NULL: whatever the function has
 * false: ERROR_USAGE (the function has another type, or is another store's), ERROR_NO_MEMORY,
 * ERROR_OS. */
IMAGO_API bool imago_func_prepare(ImagoStore *store, ImagoFunc *func, const ImagoFuncType *type,
                                  ImagoCall *call, ImagoError *error);
/* imago_func_call of a prepared function, on any thread, at the least cost. Arguments are not
 * checked: funcrefs among them must be of the call's store. IMAGO_FAIL only on a thread that has
 * never called a guest before: ERROR_NO_MEMORY, ERROR_OS. */
IMAGO_API ImagoStatus imago_call(const ImagoCall *call, ImagoValue *values, ImagoError *error);

/* ---- Host functions ------------------------------------------------------------------------ */

/* Who called a host function; valid during the call. */
typedef struct ImagoCaller ImagoCaller;

/* A host function: reads its arguments from `values` and writes its results there. Returns
 * IMAGO_OK, or IMAGO_TRAP after imago_caller_trap, or IMAGO_EXIT after imago_caller_exit. Must not
 * leave by longjmp or exception. Runs on the stack of the host thread. */
typedef ImagoStatus (*ImagoCallback)(void *env, ImagoCaller *caller, ImagoValue *values);

/* type and env are borrowed until the store ends. NULL: ERROR_NO_MEMORY, ERROR_LIMIT. */
IMAGO_API ImagoFunc *imago_func_new(ImagoStore *store, const ImagoFuncType *type,
                                    ImagoCallback callback, void *env, ImagoError *error);

IMAGO_API ImagoStore *imago_caller_store(const ImagoCaller *caller);
IMAGO_API ImagoInstance *imago_caller_instance(const ImagoCaller *caller);
/* Memory 0 of the calling instance: *bytes is its size now. NULL (and 0) if it has none. */
IMAGO_API uint8_t *imago_caller_memory(const ImagoCaller *caller, uint64_t *bytes);
/* Both return what the callback must return. The message is copied. */
IMAGO_API ImagoStatus imago_caller_trap(ImagoCaller *caller, const char *message);
IMAGO_API ImagoStatus imago_caller_exit(ImagoCaller *caller, int exit_code);

/* ---- Memories, tables, globals ------------------------------------------------------------- */

IMAGO_API ImagoMemory *imago_memory_new(ImagoStore *store, const ImagoLimits *pages,
                                        ImagoError *error);
/* The base never changes while the memory lives. */
IMAGO_API uint8_t *imago_memory_data(const ImagoMemory *memory);
IMAGO_API uint64_t imago_memory_bytes(const ImagoMemory *memory);
IMAGO_API ImagoLimits imago_memory_limits(const ImagoMemory *memory);
/* The size in pages before, or -1 (beyond the maximum, a limit, or no memory). */
IMAGO_API int64_t imago_memory_grow(ImagoMemory *memory, uint32_t pages);

/* All entries start as `init`. */
IMAGO_API ImagoTable *imago_table_new(ImagoStore *store, ImagoType elem, const ImagoLimits *entries,
                                      ImagoValue init, ImagoError *error);
IMAGO_API uint32_t imago_table_size(const ImagoTable *table);
IMAGO_API ImagoLimits imago_table_limits(const ImagoTable *table);
IMAGO_API ImagoType imago_table_type(const ImagoTable *table);
/* false: i is not below the size. */
IMAGO_API bool imago_table_get(const ImagoTable *table, uint32_t i, ImagoValue *value);
IMAGO_API bool imago_table_set(ImagoTable *table, uint32_t i, ImagoValue value);
IMAGO_API int64_t imago_table_grow(ImagoTable *table, uint32_t entries, ImagoValue value);

IMAGO_API ImagoGlobal *imago_global_new(ImagoStore *store, ImagoType type, bool is_mutable,
                                        ImagoValue value, ImagoError *error);
IMAGO_API ImagoType imago_global_type(const ImagoGlobal *global, bool *is_mutable);
IMAGO_API ImagoValue imago_global_get(const ImagoGlobal *global);
/* false: it is immutable. */
IMAGO_API bool imago_global_set(ImagoGlobal *global, ImagoValue value);

/* ---- References ---------------------------------------------------------------------------- */

/* Told of a reference. Must not call back into the library for the same store. */
typedef void (*ImagoRefVisitor)(void *env, void *externref);

/* Shows every externref but null that a store can reach, so that a host that collects garbage, or
 * counts, finds its roots: in globals, tables, and frames of guest functions that have called a
 * host function which has not returned; each place that holds one, so some more than once. On the
 * store's thread, inside of a host function or outside of all calls.
 * Not shown is what the host has in its hands: arguments of a host function that is running, until
 * it returns, its results, and `values` of a call that the host has made. What was not shown was
 * not reachable then, and will not be unless the host hands it to the store again: it can end.
 * Costs the number of globals and tables' entries, and O(log calls in the image) a frame.
 * false: ERROR_IMAGE (imago_image_open): there may be references that were not shown. */
IMAGO_API bool imago_store_visit_refs(ImagoStore *store, ImagoRefVisitor visit, void *env,
                                      ImagoError *error);

/* ---- Linking and instances ----------------------------------------------------------------- */

/* NULL: ERROR_NO_MEMORY. */
IMAGO_API ImagoLinker *imago_linker_new(ImagoEngine *engine, ImagoError *error);
/* A linker with all that `base` has, and room for more: what a store has of its own beside host
 * functions that all share. What it defines itself comes first; `base` is bound to no store.
 * NULL: ERROR_NO_MEMORY, ERROR_USAGE (`base` is bound, or an extension itself). */
IMAGO_API ImagoLinker *imago_linker_extend(ImagoLinker *base, ImagoError *error);
/* At any time: instances keep the functions that they were linked with. linker may be NULL. */
IMAGO_API void imago_linker_delete(ImagoLinker *linker);
/* Gives a name a meaning; the latest definition of a name wins. The strings are copied. An item of
 * a store binds the linker to that store: ERROR_USAGE for those of another, and when it is to
 * instantiate in another. ERROR_NO_MEMORY. */
IMAGO_API bool imago_linker_define(ImagoLinker *linker, const char *module, size_t module_bytes,
                                   const char *name, size_t name_bytes, ImagoExtern item,
                                   ImagoError *error);
/* Defines a host function that serves every store (imago_caller_store, imago_store_user tell which
 * one calls); zero-terminated names. type and strings are copied, env is borrowed as long as the
 * linker and its instances live. ERROR_NO_MEMORY, ERROR_LIMIT, ERROR_USAGE. */
IMAGO_API bool imago_linker_define_func(ImagoLinker *linker, const char *module, const char *name,
                                        const ImagoFuncType *type, ImagoCallback callback,
                                        void *env, ImagoError *error);
/* Defines every export of an instance under `module`, which binds the linker to its store. */
IMAGO_API bool imago_linker_define_instance(ImagoLinker *linker, const char *module,
                                            size_t module_bytes, ImagoInstance *instance,
                                            ImagoError *error);

/* Looks an image's imports up, for many instances. What is defined later under the same names does
 * not count. Deleted before the image and, if the linker is bound to a store, unused after that.
 * NULL: ERROR_LINK naming the import, ERROR_IMAGE, ERROR_USAGE (another engine's image),
 * ERROR_NO_MEMORY. */
IMAGO_API ImagoLinked *imago_linker_link(ImagoLinker *linker, const ImagoImage *image,
                                         ImagoError *error);
/* linked may be NULL. */
IMAGO_API void imago_linked_delete(ImagoLinked *linked);
/* Instantiates an image: checks the types of memories, tables and globals that it imports,
 * initialises its own, runs active segments and the start function (WebAssembly 2.0, 4.5.4).
 * Thread-safe, each thread with a store of its own.
 *   instance  written unless IMAGO_FAIL: a trap in a segment or the start function leaves an
 *             instance whose effects on shared memories and tables stay, as the specification says
 * IMAGO_FAIL: ERROR_LINK naming the import, ERROR_LIMIT, ERROR_NO_MEMORY, ERROR_IMAGE, ERROR_USAGE
 * (a store that the linker's items do not belong to); the store is unchanged. */
IMAGO_API ImagoStatus imago_linked_instantiate(const ImagoLinked *linked, ImagoStore *store,
                                               ImagoInstance **instance, ImagoError *error);
/* imago_linker_link and imago_linked_instantiate in one. */
IMAGO_API ImagoStatus imago_linker_instantiate(ImagoLinker *linker, ImagoStore *store,
                                               const ImagoImage *image, ImagoInstance **instance,
                                               ImagoError *error);

/* false if there is no export of that name. O(log exports). */
IMAGO_API bool imago_instance_export(ImagoInstance *instance, const char *name, size_t name_bytes,
                                     ImagoExtern *item);
IMAGO_API const ImagoImage *imago_instance_image(const ImagoInstance *instance);

#ifdef __cplusplus
}
#endif

#endif
