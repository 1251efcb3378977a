"""What an ELF file's bytes are for: sections in groups that engines have in common."""
import struct

# Column of the table: sections. Padding is the part of .text that belongs to no symbol.
GROUPS = {
    "text": [".text"],
    "padding": [],
    "traps": [".imago.traps", ".wasmtime.traps"],
    "addrmap": [".imago.addrmap", ".wasmtime.addrmap"],
    "unwind": [".eh_frame", ".eh_frame_hdr", ".wasmtime.exceptions"],
    "module": [".imago.module", ".wasmtime.info"],
    "rodata": [".rodata"],
    "symbols": [".symtab", ".strtab", ".dynsym", ".dynstr", ".gnu.hash"],
    "data": [".rodata.wasm"],
}
SHT_NULL, SHT_NOBITS, STT_FUNC = 0, 8, 2


def sections(image):
    """Name to (offset, size) of the sections of an ELF64 file's bytes."""
    table, = struct.unpack_from("<Q", image, 40)
    entry_bytes, count, names_index = struct.unpack_from("<HHH", image, 58)
    headers = [struct.unpack_from("<IIQQQQ", image, table + i * entry_bytes) for i in range(count)]
    names = headers[names_index][4]
    found = {}
    for name, kind, _, _, offset, size in headers:
        if kind not in (SHT_NULL, SHT_NOBITS):
            end = image.index(b"\0", names + name)
            found[image[names + name:end].decode()] = (offset, size)
    return found


def symbol_bytes(image, table):
    """Bytes that function symbols cover; a symbol that others share is counted once."""
    offset, size = table
    spans = {value: length for info, value, length in
             ((info, value, length) for _, info, _, _, value, length in
              struct.iter_unpack("<IBBHQQ", image[offset:offset + size])) if info & 15 == STT_FUNC}
    return sum(spans.values())


def group_sizes(path):
    """Bytes of each group, of "rest", and of the whole "file"."""
    with open(path, "rb") as f:
        image = f.read()
    found = sections(image)
    sizes, seen = {}, set()
    for group, names in GROUPS.items():
        sizes[group] = 0
        for name in names:
            offset, size = found.get(name, (None, 0))
            if offset not in seen:  # Imago's .strtab is its .dynstr under another name
                sizes[group] += size
            seen.add(offset)
    if ".symtab" in found:
        sizes["padding"] = max(sizes["text"] - symbol_bytes(image, found[".symtab"]), 0)
        sizes["text"] -= sizes["padding"]
    sizes["rest"] = len(image) - sum(sizes.values())
    sizes["file"] = len(image)
    return sizes
