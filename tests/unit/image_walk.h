// Calls every reader on an image with every argument that matters, and a few that do not, so that a
// sanitizer sees what they touch. The sum of what they return keeps the calls alive.
#ifndef TESTS_IMAGE_WALK_H
#define TESTS_IMAGE_WALK_H

#include "image/image.h"

static u64 walk_str(Str text) {
    u64 sum = text.count;
    for (usize i = 0; i <= text.count; i++) { // with the zero byte behind it
        sum += (u8)text.at[i];
    }
    return sum;
}

static u64 walk_bytes(const u8 *bytes, u64 count) {
    u64 sum = 0;
    for (u64 i = 0; i < count; i++) {
        sum += bytes[i];
    }
    return sum;
}

// Indexes below a claimed count that are worth a call: counts may be wrong by much.
static u32 walk_count(u32 count) { return count < 2000 ? count + 2 : 2000; }

static u64 walk_types(const Image *image) {
    u64 sum = walk_str(image_name(image));
    for (u32 i = 0; i < walk_count(image->types.count); i++) {
        const ImageType type = image_type(image, i);
        for (u32 k = 0; k < type.type.param_count + type.type.result_count; k++) {
            sum += (u64)(val_name((ValType)type.type.types[k])[0]);
        }
        sum += type.sig + type.canonical + type.entry_stub + type.exit_stub;
    }
    for (u32 i = 0; i < walk_count(image->imports.count); i++) {
        const ImageImport item = image_import(image, i);
        sum += walk_str(item.module) + walk_str(item.name) + item.type.type;
    }
    for (u32 i = 0; i < walk_count(image->exports.count); i++) {
        ImageExport found, item = image_export(image, i);
        sum += walk_str(item.name) + image_extern_type(image, item.kind, item.index).type;
        sum += image_export_find(image, item.name, &found);
    }
    return sum;
}

static u64 walk_state(const Image *image) {
    u64 sum = 0;
    for (u32 i = 0; i < walk_count(image->tables.count); i++) {
        const ImageTableInfo table = image_table(image, i);
        if (table.is_frozen) {
            sum += walk_bytes(image->bytes + table.entries_offset, 8ull * table.type.limits.min);
        }
    }
    for (u32 i = 0; i < walk_count(image->memories.count); i++) {
        sum += image_memory(image, i).min;
    }
    for (u32 i = 0; i < walk_count(image->globals.count); i++) {
        sum += image_global(image, i).init.low;
    }
    for (u32 i = 0; i < walk_count(image->elems.count); i++) {
        const ImageElem elem = image_elem(image, i);
        for (u32 k = 0; k < elem.count && k < 1000; k++) {
            sum += image_elem_item(image, elem.first_item + k).index;
        }
    }
    for (u32 i = 0; i < walk_count(image->datas.count); i++) {
        const Str bytes = image_data(image, i).bytes;
        sum += walk_bytes((const u8 *)bytes.at, bytes.count);
    }
    ImageSnapshot snapshot;
    if (image_snapshot(image, &snapshot)) {
        sum += walk_bytes(image->bytes + snapshot.file_offset, snapshot.bytes);
    }
    return sum;
}

// At every byte, where a call may end.
static u64 walk_refs(const Image *image) {
    u64 sum = 0;
    u32 calls, slots;
    const u32 end = image_refs_count(image, &calls, &slots) ? image->text_bytes : 0;
    for (u32 at = 0; at < end && at < 20000; at++) {
        ImageRefs refs;
        i32 offset = 0;
        if (image_refs_at(image, at, &refs)) {
            while (image_refs_next(&refs, &offset)) {
                sum += (u32)offset;
            }
        }
    }
    return sum;
}

static u64 walk_code(const Image *image) {
    u64 sum = walk_bytes(image->bytes + image->exec_offset, image->exec_bytes);
    u64 frame_bytes = 0;
    const u8 *frames = image_eh_frame(image, &frame_bytes);
    sum += frames == NULL ? 0 : walk_bytes(frames, frame_bytes);
    for (u32 i = 0; i < walk_count(image->funcs.count); i++) {
        const ImageFunc func = image_func(image, i);
        sum += walk_str(image_func_name(image, i)) + func.type;
        sum += walk_bytes(image->text + (func.text_bytes == 0 ? 0 : func.text_offset),
                          func.text_bytes);
    }
    for (u32 i = 0; i < walk_count(image->funcrefs.count); i++) {
        sum += image_funcref(image, i);
    }
    const u32 step = image->text_bytes / 500 + 1;
    for (u64 at = 0; at <= image->text_bytes; at += step) {
        TrapKind kind = TRAP_UNREACHABLE;
        u32 wasm = 0;
        sum += image_func_at(image, (u32)at) + image_wasm_offset_at(image, (u32)at, &wasm) + wasm;
        sum += image_trap_at(image, (u32)at, &kind) ? (u64)trap_name(kind)[0] : 0;
        sum += image_instruction_at(image, (u32)at, &wasm) ? wasm : 0;
    }
    return sum + walk_refs(image);
}

static u64 image_walk(const Image *image) {
    return walk_types(image) + walk_state(image) + walk_code(image);
}

#endif
