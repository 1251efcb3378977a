#include "image/build_id.h"

#include <elf.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "image/image_int.h"

void build_id_of(const u64 *hashes, usize count, u8 out[IMAGE_BUILD_ID_BYTES]) {
    store_u64(out, hash_bytes(hashes, count * sizeof *hashes, 1));
    store_u64(out + 8, hash_bytes(hashes, count * sizeof *hashes, 2));
    store_u32(out + 16, (u32)hash_bytes(hashes, count * sizeof *hashes, 3));
}

// The linker puts it directly before our header.
bool build_id_find(const u8 *bytes, u64 count, u64 *offset, Error *err) {
    ImageParts parts;
    PlatformId platform;
    TRY(parts_check(&(ImageFile){.bytes = bytes, .count = count}, &platform, &parts, err));
    const u64 our_note = sizeof(Elf64_Nhdr) + 8; // with its name, before the contents
    const u64 note = sizeof(Elf64_Nhdr) + 4 + IMAGE_BUILD_ID_BYTES;
    if (parts.note_offset >= our_note + note) {
        *offset = parts.note_offset - our_note - IMAGE_BUILD_ID_BYTES;
        Elf64_Nhdr head;
        memcpy(&head, bytes + *offset - 4 - sizeof head, sizeof head);
        if (head.n_type == NT_GNU_BUILD_ID && head.n_descsz == IMAGE_BUILD_ID_BYTES &&
            *offset + IMAGE_BUILD_ID_BYTES <= IMAGE_CHUNK_BYTES) {
            return true;
        }
    }
    return fail(err, IMAGE, ERROR_NO_OFFSET, "damaged image: no build-id before the header");
}

static void hash_chunks(const u8 *bytes, u64 count, u64 id_offset, u64 *hashes, u8 *first) {
    const usize first_bytes = count < IMAGE_CHUNK_BYTES ? (usize)count : IMAGE_CHUNK_BYTES;
    memcpy(first, bytes, first_bytes);
    memset(first + id_offset, 0, IMAGE_BUILD_ID_BYTES);
    hashes[0] = hash_bytes(first, first_bytes, 0);
    for (u64 at = IMAGE_CHUNK_BYTES; at < count; at += IMAGE_CHUNK_BYTES) {
        const u64 left = count - at;
        hashes[at / IMAGE_CHUNK_BYTES] =
            hash_bytes(bytes + at, left < IMAGE_CHUNK_BYTES ? (usize)left : IMAGE_CHUNK_BYTES, 0);
    }
}

bool image_verify(const void *bytes, u64 count, Error *err) {
    u64 id_offset;
    TRY(build_id_find(bytes, count, &id_offset, err));
    const usize chunk_count = (usize)((count + IMAGE_CHUNK_BYTES - 1) / IMAGE_CHUNK_BYTES);
    u8 *room = mem_alloc(IMAGE_CHUNK_BYTES + chunk_count * sizeof(u64));
    if (room == NULL) {
        return fail(err, NO_MEMORY, ERROR_NO_OFFSET, "out of memory verifying an image");
    }
    u64 *hashes = (u64 *)(void *)(room + IMAGE_CHUNK_BYTES);
    u8 expected[IMAGE_BUILD_ID_BYTES];
    hash_chunks(bytes, count, id_offset, hashes, room);
    build_id_of(hashes, chunk_count, expected);
    mem_free(room);
    if (memcmp(expected, (const u8 *)bytes + id_offset, sizeof expected) != 0) {
        return fail(err, IMAGE, ERROR_NO_OFFSET,
                    "damaged image: the contents do not match the build-id");
    }
    return true;
}
