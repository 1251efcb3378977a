"""The real programs: each function is one test.

It gets an engine under test, a reference engine (or a Skip to raise) and an
empty folder, runs the program, and compares with the same program built
natively, with another engine, or with what the answer has to be.
"""
import hashlib
import os
import random
import struct
import zlib

from harness import (BUILT, HERE, built, checked, expect, expect_equal, expect_status,
                     module, read, run, write)
import stubs

TESTS = []


def test(function):
    TESTS.append((function.__name__, function))
    return function


def words(count, seed):
    """Text with a natural spread of words, the same every time."""
    rng = random.Random(seed)
    vocabulary = ["".join(rng.choice("etaoinshrdlu") for _ in range(rng.randint(1, 9)))
                  for _ in range(3000)]
    picks = (vocabulary[min(int(rng.expovariate(0.003)), 2999)] for _ in range(count))
    return "\n".join(" ".join(line) for line in zip(*[picks] * 10)) + "\n"


def ten_megabytes():
    """Half text, half noise in runs: something to compress and something not to."""
    rng = random.Random(7)
    text = words(200000, 8).encode()
    blocks = []
    size = 0
    while size < 10_000_000:
        start = rng.randrange(len(text) - 40000)
        blocks.append(text[start:start + 40000])
        blocks.append(rng.randbytes(10000))
        size += 50000
    return b"".join(blocks)[:10_000_000]


# --- programs that come compiled ---------------------------------------------------------------

PYTHON_SCRIPT = '''
import base64, collections, errno, functools, hashlib, json, os, re, struct, sys, zlib
with open(sys.argv[1] + "/input.json") as f:
    data = json.load(f)
print(sorted(data), json.dumps(data, sort_keys=True, indent=1)[:60])
for name in ("md5", "sha1", "sha256", "sha3_256", "blake2b"):
    print(name, hashlib.new(name, repr(data["list"]).encode()).hexdigest())
text = " ".join(data["words"] * 50)
print(re.sub(r"(\\w+) (\\w+)", r"\\2-\\1", text)[:80], len(re.findall(r"\\b[aeiou]\\w*", text)))
print(collections.Counter(text.split()).most_common(3))
print(functools.reduce(lambda a, b: a * b % 1000003, range(1, 2000)))
print(2 ** 200, 1e100 / 3, 0.1 + 0.2)
print(zlib.crc32(text.encode()), base64.b64encode(struct.pack("<dq", 2.5, -9)).decode())
with open(sys.argv[1] + "/output.txt", "w") as f:
    f.write("\\n".join(sorted(set(data["words"]))))
os.rename(sys.argv[1] + "/output.txt", sys.argv[1] + "/renamed.txt")
print(sorted(os.listdir(sys.argv[1])), os.stat(sys.argv[1] + "/renamed.txt").st_size)
try:
    open(sys.argv[1] + "/none")
except FileNotFoundError as e:
    print(type(e).__name__, e.errno == errno.ENOENT)
print(os.environ["GREETING"], sys.stdin.read().strip())
def deep(n):
    return deep(n + 1)
try:
    deep(0)
except RecursionError as e:
    print(type(e).__name__)
sys.exit(5)
'''


@test
def cpython_script(engine, reference, folder):
    """CPython 3.12 runs a script that reads and writes a folder, as the machine's own does."""
    data = ('{"list": [1, 2.5, null, true, "\\u00e9"], "words": ["one", "apple", "tree", "under", '
            '"sky"], "nested": {"a": {"b": []}}}')
    outputs, files = [], []
    for name in ("guest", "host"):
        inside = os.path.join(folder, name)
        os.mkdir(inside)
        write(inside, "input.json", data)
        script = write(inside, "script.py", PYTHON_SCRIPT)
        if name == "guest":
            result = engine.run(module("cpython"), ["/work/script.py", "/work"],
                                dirs=[(inside, "/work")], env={"GREETING": "hello"},
                                stdin=b"input\n")
        else:
            result = run(["python3", script, inside], stdin=b"input\n",
                         env={**os.environ, "GREETING": "hello"})
        expect_status(result, 5, f"python ({name})")
        outputs.append(result.text())
        files.append(read(inside, "renamed.txt"))
    expect_equal(outputs[0], outputs[1], "output")
    expect_equal(files[0], files[1], "file")


@test
def cpython_traceback(engine, reference, folder):
    """An exception that nobody catches ends CPython with 1 and its own message."""
    result = engine.run(module("cpython"), ["-c", "import math\nmath.sqrt(-1)"])
    expect_status(result, 1, "python")
    expect(b"ValueError: math domain error" in result.err, result.err[-200:].decode())


C_FOR_AVR = '''
typedef unsigned char u8;
typedef struct { int x, y; long sum; } Point;
static volatile u8 port;
static Point points[8];
int gcd(int a, int b) { while (b) { int t = a % b; a = b; b = t; } return a; }
long dot(const Point *p, int n) {
    long s = 0;
    for (int i = 0; i < n; i++) { s += (long)p[i].x * p[i].y; }
    return s;
}
float scale(float v, float by) { return v * by + 0.5f; }
int main(void) {
    for (u8 i = 0; i < 8; i++) {
        points[i].x = gcd(i * 12, 18);
        points[i].y = i;
        points[i].sum = dot(points, i);
        port = (u8)scale(points[i].sum, 0.25f);
        switch (port & 7) { case 0: port ^= 1; break; case 3: port++; break; case 5: port = 9; }
    }
    return port;
}
'''


def compile_for_avr(engine, folder):
    write(folder, "input.c", C_FOR_AVR)
    return engine.run(module("gcc-cc1"), ["-quiet", "-O2", "-g", "-mmcu=avr5", "/w/input.c", "-o",
                                          "/w/output.s"], dirs=[(folder, "/w")])


@test
def gcc_cc1(engine, reference, folder):
    """GCC's own C compiler makes the same assembly as under another engine."""
    outputs = []
    for i, each in enumerate((engine, reference())):
        inside = os.path.join(folder, str(i))
        os.mkdir(inside)
        expect_status(compile_for_avr(each, inside), 0, f"cc1 under {each.name}")
        outputs.append(read(inside, "output.s"))
    expect(b"gcd:" in outputs[0] and b"__divmodhi4" in outputs[0], "no code for gcd")
    expect_equal(outputs[0], outputs[1], "assembly")


@test
def gcc_cc1_error(engine, reference, folder):
    """A wrong program is refused with status 1 and a message that names the line."""
    write(folder, "wrong.c", "int f(void) {\n    return x;\n}\n")
    result = engine.run(module("gcc-cc1"), ["-quiet", "/w/wrong.c", "-o", "/w/wrong.s"],
                        dirs=[(folder, "/w")])
    expect_status(result, 1, "cc1")
    expect(b"/w/wrong.c:2:12: error:" in result.err, result.err[:200].decode(errors="replace"))


def elf_symbols(data):
    """Names in the symbol table of a 32-bit little-endian ELF file."""
    section_offset = struct.unpack_from("<I", data, 32)[0]
    entry, count = struct.unpack_from("<HH", data, 46)
    headers = [struct.unpack_from("<10I", data, section_offset + i * entry) for i in range(count)]
    table = next(h for h in headers if h[1] == 2)
    strings = headers[table[6]][4]
    names = set()
    for at in range(table[4], table[4] + table[5], 16):
        start = strings + struct.unpack_from("<I", data, at)[0]
        names.add(data[start:data.index(b"\0", start)].decode())
    return names


@test
def avr_assembler(engine, reference, folder):
    """The assembler takes what the compiler made and writes an object file for the AVR."""
    expect_status(compile_for_avr(engine, folder), 0, "cc1")
    objects = []
    for i, each in enumerate((engine, reference())):
        result = each.run(module("avr-as"), ["-mmcu=avr5", "-o", f"/w/{i}.o", "/w/output.s"],
                          dirs=[(folder, "/w")])
        expect_status(result, 0, f"as under {each.name}")
        objects.append(read(folder, f"{i}.o"))
    expect_equal(objects[0][:4], b"\x7fELF", "magic")
    expect_equal(struct.unpack_from("<H", objects[0], 18)[0], 83, "ELF machine")
    missing = {"gcd", "dot", "scale", "main", "points"} - elf_symbols(objects[0])
    expect(not missing, f"no symbol {missing}")
    expect_equal(objects[0], objects[1], "object file")


SVG = '''<svg xmlns="http://www.w3.org/2000/svg" width="160" height="120">
<defs><linearGradient id="g"><stop offset="0" stop-color="#fff"/>
<stop offset="1" stop-color="#06c"/></linearGradient>
<filter id="f"><feGaussianBlur stdDeviation="2"/></filter></defs>
<rect width="160" height="120" fill="#204060"/>
<path d="M20 100 C 40 10, 65 10, 95 80 S 150 150, 150 20" stroke="url(#g)"
 fill="none" stroke-width="6"/>
<g transform="rotate(15 60 60)" filter="url(#f)">
<ellipse cx="60" cy="60" rx="30" ry="14" fill="red"/></g>
<circle cx="120" cy="60" r="20" fill="#ffa500"/></svg>'''


def png_pixels(data):
    """(width, height, rows of RGBA) of an 8-bit RGBA picture without interlacing."""
    expect_equal(data[:8], b"\x89PNG\r\n\x1a\n", "PNG signature")
    at, packed, width, height = 8, b"", 0, 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8:at + 8 + size]
        expect_equal(struct.unpack_from(">I", data, at + 8 + size)[0],
                     zlib.crc32(kind + body), f"PNG checksum of {kind.decode()}")
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack_from(">IIBB", body)
            expect_equal((depth, colour), (8, 6), "PNG depth and colour")
        packed += body if kind == b"IDAT" else b""
        at += 12 + size
    return width, height, unfiltered(zlib.decompress(packed), width * 4, height)


def paeth(a, b, c):
    p = a + b - c
    return min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]


def unfiltered(raw, stride, height):
    rows, above = [], bytearray(stride)
    for y in range(height):
        kind = raw[y * (stride + 1)]
        row = bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for x in range(stride):
            left = row[x - 4] if x >= 4 else 0
            corner = above[x - 4] if x >= 4 else 0
            predicted = (0, left, above[x], (left + above[x]) // 2, paeth(left, above[x], corner))
            row[x] = (row[x] + predicted[kind]) & 255
        rows.append(row)
        above = row
    return rows


@test
def resvg_png(engine, reference, folder):
    """resvg draws a picture: right size and colours, byte for byte as under another engine."""
    write(folder, "input.svg", SVG)
    for name, each in (("tested", engine), ("reference", reference())):
        result = each.run(module("resvg"), ["/w/input.svg", f"/w/{name}.png"],
                          dirs=[(folder, "/w")])
        expect_status(result, 0, f"resvg under {each.name}")
    width, height, rows = png_pixels(read(folder, "tested.png"))
    expect_equal((width, height), (160, 120), "size")
    expect_equal(bytes(rows[2][0:4]).hex(), "204060ff", "background")
    expect_equal(bytes(rows[60][480:484]).hex(), "ffa500ff", "circle")
    expect_equal(read(folder, "tested.png"), read(folder, "reference.png"), "picture")


# --- Go --------------------------------------------------------------------------------------

@test
def go_program(engine, reference, folder):
    """Goroutines, maps, sorting, big numbers, standard input; the native build says the same."""
    wasm = module("go-wasip1")
    native = os.path.join(BUILT, "go.native")
    os.makedirs(BUILT, exist_ok=True)
    checked(["go", "build", "-o", native, "."], "go build", cwd=os.path.join(HERE, "go"))
    text = words(20000, 3).encode()
    for args in (["a", "b c", ""], ["fail"]):
        wanted = run([native, *args], stdin=text)
        result = engine.run(wasm, args, stdin=text)
        expect_status(result, wanted.status, f"arguments {args}")
        expect_equal(result.text(), wanted.text(), "output")


# --- C programs from Debian sources, wasm beside native ------------------------------------------

def same_output(engine, name, args, stdin=b"", files=None, folder=None, status=0):
    """Runs both builds on equal folders, seen as /w by the guest; arguments may name {w}.

    status: what both must exit with; None = whatever error the native build has.
    """
    wasm, native = built(name)
    inside = {}
    for who in ("guest", "host"):
        inside[who] = os.path.join(folder, who)
        os.makedirs(inside[who], exist_ok=True)
        for file, content in (files or {}).items():
            write(inside[who], file, content)
    got = engine.run(wasm, [a.replace("{w}", "/w") for a in args], dirs=[(inside["guest"], "/w")],
                     stdin=stdin)
    wanted = run([native, *[a.replace("{w}", inside["host"]) for a in args]], stdin=stdin)
    if status is None:
        expect(wanted.status != 0, f"native {name} accepts what it should refuse")
    else:
        expect_status(wanted, status, f"native {name}")
    expect_status(got, wanted.status, name)
    guest_text = got.out.replace(b"/w/", b"FOLDER/")
    host_text = wanted.out.replace(inside["host"].encode() + b"/", b"FOLDER/")
    expect_equal(guest_text, host_text, "output")
    return inside["guest"], inside["host"]


LUA_SCRIPT = '''
local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
print(_VERSION, fib(24), 10 // 3, -7 % 3, 2^53, math.maxinteger + 1 == math.mininteger)
local t = {}
for w in ([[the quick brown fox jumps over the lazy dog]]):gmatch("%a+") do t[#t + 1] = w end
table.sort(t, function(a, b) return a:reverse() < b:reverse() end)
print(table.concat(t, " "), #t)
local counts = setmetatable({}, {__index = function() return 0 end})
for _, w in ipairs(t) do for c in w:gmatch(".") do counts[c] = counts[c] + 1 end end
local keys = {}
for k in pairs(counts) do keys[#keys + 1] = k end
table.sort(keys)
for _, k in ipairs(keys) do io.write(k, counts[k], " ") end
print()
print(string.format("%q %5.3f %x %s", "a\\n\\0b", math.pi, 255, tostring(1e15)))
print(("x"):rep(10, ","), ("hello"):byte(1, -1))
print(string.pack("<i4d", 7, 1.5):gsub(".", function(c) return ("%02x"):format(c:byte()) end))
local lines = 0
for line in io.lines(arg[1]) do lines = lines + #line end
print(lines, select("#", table.unpack({1, nil, 3}, 1, 3)), utf8.char(228, 8364))
local f = load("local a, b = ... return a << b, a ~ b, ~a")
print(f(3, 5))
collectgarbage()
local garbage = {}
for i = 1, 200000 do garbage[i % 1000] = {i, tostring(i)} end
collectgarbage()
print(garbage[7][2])
'''


@test
def lua(engine, reference, folder):
    """The Lua interpreter: closures, patterns, metatables, garbage, files."""
    same_output(engine, "lua", ["{w}/script.lua", "{w}/input.txt"], folder=folder,
                files={"script.lua": LUA_SCRIPT, "input.txt": words(5000, 1)})


SQL_FILL = '''
pragma journal_mode = delete;
create table item(id integer primary key, name text, price real, tags text);
create index by_price on item(price, name);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
  insert into item select i, printf('item %05d', i), (i * 7919 % 10007) / 8.0, hex(i * i) from n;
begin; delete from item where id % 7 = 0; rollback;
delete from item where id % 11 = 0;
create virtual table note using fts5(body);
insert into note select name || ' ' || tags from item where id % 100 = 1;
'''
SQL_ASK = '''
select count(*), sum(price), avg(price), max(name) from item;
select * from item where price between 10 and 11 order by price desc, name limit 5;
select a.id, b.id from item a join item b on b.id = a.id * 13 + 1 where a.id % 500 = 3 order by 1;
select rowid, rank < 0, body from note where note match 'item AND 00101';
select id % 5 as g, count(*), group_concat(id % 3, '') over (partition by id % 5) is not null
  from item group by g having count(*) > 10;
select json_extract('{"a":[1,{"b":"x"}]}', '$.a[1].b'), date('2024-02-30'), upper(quote(x'00ff'));
pragma integrity_check;
'''


@test
def sqlite3_shell(engine, reference, folder):
    """The SQLite shell fills a database file in a folder; files go between native and guest."""
    guest, host = same_output(engine, "sqlite3", ["-batch", "-vfs", "unix-none", "{w}/a.db"],
                              stdin=(SQL_FILL + SQL_ASK).encode(), folder=folder)
    expect(os.path.getsize(os.path.join(guest, "a.db")) > 1_000_000, "database is too small")
    wasm, native = built("sqlite3")
    wanted = checked([native, "-batch", os.path.join(host, "a.db")], "native",
                     stdin=SQL_ASK.encode())
    by_native = checked([native, "-batch", os.path.join(guest, "a.db")],
                        "native on the guest's file", stdin=SQL_ASK.encode())
    by_guest = engine.run(wasm, ["-batch", "-vfs", "unix-none", "/w/a.db"], dirs=[(host, "/w")],
                          stdin=SQL_ASK.encode())
    expect_equal(by_native.text(), wanted.text(), "the guest's file read natively")
    expect_equal(by_guest.text(), wanted.text(), "the native file read by the guest")


def round_trip(engine, name, data, pack, unpack, suffix, folder):
    """Compresses natively and in the guest, compares, decompresses in the guest."""
    guest, host = same_output(engine, name, pack, folder=folder, files={"data": data})
    expect_equal(hashlib.sha256(read(guest, "data" + suffix)).hexdigest(),
                 hashlib.sha256(read(host, "data" + suffix)).hexdigest(), "compressed file")
    for inside in (guest, host):
        if os.path.exists(os.path.join(inside, "data")):
            os.remove(os.path.join(inside, "data"))
    same_output(engine, name, unpack, folder=folder)
    expect_equal(hashlib.sha256(read(guest, "data")).hexdigest(), hashlib.sha256(data).hexdigest(),
                 "file after the round trip")


@test
def minigzip(engine, reference, folder):
    """zlib: 10 MB there and back, through files and through the standard streams."""
    data = ten_megabytes()
    round_trip(engine, "minigzip", data, ["{w}/data"], ["-d", "{w}/data.gz"], ".gz", folder)
    same_output(engine, "minigzip", ["-9"], stdin=data[:2_000_000], folder=folder)


@test
def bzip2(engine, reference, folder):
    """bzip2: 4 MB there and back, and a damaged file refused."""
    data = ten_megabytes()[:4_000_000]
    round_trip(engine, "bzip2", data, ["-k", "{w}/data"], ["-d", "{w}/data.bz2"], ".bz2", folder)
    wasm, native = built("bzip2")
    packed = checked([native, "-c"], "bzip2", stdin=b"hello" * 999).out
    broken = packed[:20] + bytes([packed[20] ^ 255]) + packed[21:]
    wanted = run([native, "-dc"], stdin=broken).status
    expect(wanted != 0, "native bzip2 accepts a damaged file")
    expect_status(engine.run(wasm, ["-dc"], stdin=broken), wanted, "damaged input")


@test
def zstd(engine, reference, folder):
    """zstd at a high level, 10 MB there and back."""
    data = ten_megabytes()
    round_trip(engine, "zstd", data, ["-q", "-k", "-9", "{w}/data"],
               ["-q", "-d", "{w}/data.zst"], ".zst", folder)


@test
def brotli(engine, reference, folder):
    """brotli, 1 MB there and back at the highest quality."""
    data = ten_megabytes()[:1_000_000]
    round_trip(engine, "brotli", data, ["-k", "{w}/data"], ["-d", "{w}/data.br"], ".br", folder)


JQ_PROGRAMS = [
    ".",
    "[.items[] | select(.n % 3 == 0) | {id, square: (.n * .n)}] | sort_by(-.square) | .[:5]",
    "reduce .items[].n as $n (0; . + $n)",
    "[paths(type == \"number\")] | length",
    "def f: if . < 2 then . else (. - 1 | f) + (. - 2 | f) end; [range(15) | f]",
    ".items | group_by(.n % 4) | map({(.[0].n % 4 | tostring): length}) | add",
    "[.items[].name | ascii_downcase | explode | add] | @csv",
    "try error(\"x\") catch . , (.items[0] | tojson | fromjson)",
    "([1e300, 0.1, -0, 1e17] | tostring)",
]


@test
def jq(engine, reference, folder):
    """jq: filters of several kinds, an error status, and broken input."""
    items = (f'{{"id": "k{i}", "n": {i * 37 % 101}, "name": "Name \\u00e4 {i}"}}'
             for i in range(300))
    document = '{"items": [' + ", ".join(items) + "]}"
    for program in JQ_PROGRAMS:
        same_output(engine, "jq", ["-c", program], stdin=document.encode(), folder=folder)
    same_output(engine, "jq", [".a.b.c | error"], stdin=b'{"a": 1}', folder=folder, status=None)
    same_output(engine, "jq", ["."], stdin=b'{"a": [1, 2}', folder=folder, status=None)


@test
def cmark(engine, reference, folder):
    """CommonMark: a page with every construct, many times over."""
    page = ("# Title *a* `b`\n\n> quote\n> - list\n>   1. one\n\n```c\nint x;\n```\n\n"
            "[link](/u \"t\") ![i](j) <http://e.x/> **bold _both_** &auml; \\* line  \nbreak\n\n"
            "<div>\nraw\n</div>\n\n"
            "Setext\n======\n\n* * *\n\n[ref]: /url 'title'\n[ref] and [ref][]\n\n")
    for form in ("html", "xml", "man", "latex", "commonmark"):
        same_output(engine, "cmark", ["-t", form, "{w}/page.md"], folder=folder,
                    files={"page.md": page * 300})


@test
def xmlwf(engine, reference, folder):
    """expat: well-formed and broken files, and the canonical form written to a folder."""
    good = ('<?xml version="1.0"?><!DOCTYPE r [<!ENTITY e "<b>x</b>"><!ATTLIST a k CDATA "d">]>'
            "<r>" + "".join(f"<a n='{i}'>&e; &#228; <![CDATA[<{i}>]]></a>" for i in range(3000))
            + "</r>")
    for inside in ("guest", "host"):
        os.makedirs(os.path.join(folder, inside, "out"))
    guest, host = same_output(engine, "xmlwf", ["-d", "{w}/out", "{w}/good.xml"],
                              folder=folder, files={"good.xml": good})
    expect_equal(read(guest, "out/good.xml"), read(host, "out/good.xml"), "canonical form")
    broken = good.replace("&#228;", "&none;", 1)
    same_output(engine, "xmlwf", ["{w}/broken.xml"], folder=folder, files={"broken.xml": broken},
                status=2)


@test
def xxhsum(engine, reference, folder):
    """xxHash: 32, 64 and 128 bits over 10 MB, and checking a list of sums."""
    data = ten_megabytes()
    for width in ("-H0", "-H1", "-H2"):
        same_output(engine, "xxhsum", [width, "{w}/data"], folder=folder, files={"data": data})


# --- validate and compile; modules of other hosts are instantiated with stubs ---------------------

FOREIGN = {
    "esbuild": "",
    # Version 3.41.2: the module is called, not only instantiated.
    "sqlite": '(invoke "__wasm_call_ctors")\n'
              '(assert_return (invoke "sqlite3_libversion_number") (i32.const 3041002))',
    "quickjs": "",
    "tree-sitter": "",
    "ruby": "",
    "swc": "",
}


def compile_test(name):
    def compiles(engine, reference, folder):
        path = module(name)
        expect_status(engine.validate(path), 0, "validate")
        engine.check_image(path)

    compiles.__doc__ = f"{name}: validates and compiles; other tools accept the image."
    TESTS.append((f"compile_{name}", compiles))


def instantiate_test(name, trailer):
    def instantiates(engine, reference, folder):
        path = module(name)
        with open(path, "rb") as f:
            script = write(folder, name + ".wast", stubs.script_of(f.read(), trailer))
        result = engine.script(script)
        expect_status(result, 0, "script")

    instantiates.__doc__ = f"{name}: is instantiated with stubs for its imports."
    TESTS.append((f"instantiate_{name}", instantiates))


for wasi_name in ("cpython", "gcc-cc1", "avr-as", "resvg", "go-wasip1"):
    compile_test(wasi_name)
for foreign_name, foreign_trailer in FOREIGN.items():
    compile_test(foreign_name)
    instantiate_test(foreign_name, foreign_trailer)
