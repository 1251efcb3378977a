// Data segments in .rodata.wasm: plain bytes, or, where the memory is known, its initial contents
// in whole pages that the runtime maps copy-on-write. The section is
//
//     segments that are copied or passive | zeros to where it can be mapped | snapshot
//
// and ends where the text begins, so that the snapshot costs one padding.
#include "base/alloc.h"
#include "link/link_int.h"
#include "types/limits.h"

static bool is_active_0(const DataSegment *data) {
    return data->mode == SEGMENT_ACTIVE && data->memory == 0;
}

// True if an element segment may turn out not to fit its table: instantiation then traps before any
// data segment is applied, and functions that are in an imported table by then see that.
static bool elems_may_trap(const Module *module) {
    for (u32 i = 0; i < module->elem_count; i++) {
        const ElemSegment *segment = &module->elems[i];
        if (segment->mode == SEGMENT_ACTIVE &&
            (segment->offset.kind != CONST_VALUE ||
             !range_fits((u32)segment->offset.low, segment->count,
                         module->tables[segment->table].limits.min))) {
            return true;
        }
    }
    return false;
}

// Pages that the active segments touch. False: no snapshot.
static bool snapshot_range(const Linker *linker, u64 *address, u64 *bytes) {
    const Module *module = linker->module;
    if (module->memory_count == 0 || elems_may_trap(module)) {
        return false;
    }
    const u64 memory_bytes = (u64)module->memories[0].min * WASM_PAGE_BYTES;
    u64 first = UINT64_MAX, end = 0, sum = 0;
    for (u32 i = 0; i < module->data_count; i++) {
        const DataSegment *data = &module->datas[i];
        if (!is_active_0(data)) {
            continue;
        }
        const u64 at = (u32)data->offset.low;
        if (data->offset.kind != CONST_VALUE || !range_fits(at, data->bytes.count, memory_bytes)) {
            return false;
        }
        if (data->bytes.count != 0) {
            first = at < first ? at : first;
            end = at + data->bytes.count > end ? at + data->bytes.count : end;
            sum += data->bytes.count;
        }
    }
    if (sum <= MIN_SNAPSHOT_BYTES) {
        return false;
    }
    *address = first & ~(u64)(linker->platform->map_bytes - 1);
    *bytes = align_up(end, linker->platform->map_bytes) - *address;
    return *bytes <= MAX_SNAPSHOT_FACTOR * sum + MAX_SNAPSHOT_EXTRA;
}

// Segments in order: a later one overwrites an earlier one.
static bool make_snapshot(Linker *linker) {
    const Module *module = linker->module;
    linker->snapshot = mem_alloc(linker->snapshot_bytes);
    if (linker->snapshot == NULL) {
        return fail(linker->err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory for data segments");
    }
    for (u32 i = 0; i < module->data_count; i++) {
        const DataSegment *data = &module->datas[i];
        if (is_active_0(data)) {
            linker->data_in_snapshot[i] = true;
            if (data->bytes.count != 0) {
                linker->data_at[i] = (u32)data->offset.low - linker->snapshot_address;
                memcpy(linker->snapshot + linker->data_at[i], data->bytes.at, data->bytes.count);
            }
        }
    }
    return true;
}

bool data_plan(Linker *linker) {
    const Module *module = linker->module;
    if (snapshot_range(linker, &linker->snapshot_address, &linker->snapshot_bytes)) {
        TRY(make_snapshot(linker));
    } else {
        linker->snapshot_bytes = 0;
    }
    for (u32 i = 0; i < module->data_count; i++) {
        if (!linker->data_in_snapshot[i]) {
            linker->data_at[i] = linker->plain_data_bytes;
            linker->plain_data_bytes += module->datas[i].bytes.count;
        }
    }
    return true;
}

u64 data_layout(Linker *linker, u64 at) {
    if (linker->snapshot_bytes == 0) {
        return linker->plain_data_bytes;
    }
    linker->snapshot_at = align_up(at + linker->plain_data_bytes, linker->platform->map_bytes) - at;
    return linker->snapshot_at + linker->snapshot_bytes;
}

void data_write(const Linker *linker, OutFile *out) {
    const Module *module = linker->module;
    const u64 start = out_at(out);
    for (u32 i = 0; i < module->data_count; i++) {
        if (!linker->data_in_snapshot[i]) {
            out_bytes(out, module->datas[i].bytes.at, module->datas[i].bytes.count);
        }
    }
    if (linker->snapshot_bytes != 0) {
        out_fill(out, 0, start + linker->snapshot_at - out_at(out));
        out_bytes(out, linker->snapshot, linker->snapshot_bytes);
    }
}
