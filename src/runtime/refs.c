// imago_store_visit_refs. Frames hold externrefs where their image's stack maps say; the rest of
// what a store reaches is typed.
#include "runtime/backtrace.h"
#include "runtime/instance.h"

typedef struct RefVisit {
    ImagoStore *store;
    ImagoRefVisitor visit;
    void *env;
    Error *err;
    bool is_complete;
} RefVisit;

static void visit_place(const RefVisit *v, const void *place) {
    void *externref;
    memcpy(&externref, place, sizeof externref);
    if (externref != NULL) {
        v->visit(v->env, externref);
    }
}

static void visit_global(const RefVisit *v, const ImagoGlobal *global) {
    if (global->type.type == VAL_EXTERNREF) {
        visit_place(v, global->value);
    }
}

// Globals that an instance imports are another's, or the embedder's.
static void visit_globals(const RefVisit *v) {
    for (const OwnGlobal *own = v->store->globals; own != NULL; own = own->next) {
        visit_global(v, &own->global);
    }
    for (const ImagoInstance *instance = v->store->instances; instance != NULL;
         instance = instance->next) {
        const Image *view = &instance->image->view;
        for (u32 i = view->global_import_count; i < view->shape.global_count; i++) {
            visit_global(v, &instance->globals[i]);
        }
    }
}

static void visit_tables(const RefVisit *v) {
    for (const ImagoTable *table = v->store->tables; table != NULL; table = table->next) {
        for (u64 i = 0; table->type.elem == VAL_EXTERNREF && i < table->vm.count; i++) {
            visit_place(v, &table->vm.entries[i]);
        }
    }
}

static bool visit_frame(void *env, const ImagoImage *image, u32 text_offset, u64 fp) {
    RefVisit *v = env;
    HostRead read;
    ImageRefs refs;
    i32 offset;
    runtime_image_read_begin(image, &read);
    if (image_refs_at(&image->view, text_offset, &refs)) {
        while (image_refs_next(&refs, &offset)) {
            const u64 address = fp + (u64)(i64)offset;
            if (store_has_frame(v->store, address)) { // unless the image is damaged
                visit_place(v, (const void *)(uintptr_t)address);
            }
        }
    }
    v->is_complete = runtime_image_read_end(image, &read, v->err);
    return v->is_complete;
}

bool imago_store_visit_refs(ImagoStore *store, ImagoRefVisitor visit, void *env,
                            ImagoError *error) {
    RefVisit v = {store, visit, env, error, true};
    visit_globals(&v);
    visit_tables(&v);
    runtime_frames_visit(store, visit_frame, &v);
    return v.is_complete;
}
