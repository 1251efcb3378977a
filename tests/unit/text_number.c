// Number literals: syntax, ranges, and the corners of float rounding. Thousands of random ones are
// compared in tests/spec/text_numbers.py.
#include "text/number.h"

#include "test.h"

static const struct {
    const char *text;
    NumberKind kind;
} KINDS[] = {
    {"0", NUMBER_NAT},        {"007", NUMBER_NAT},         {"1_000", NUMBER_NAT},
    {"0xdead_BEEF", NUMBER_NAT}, {"+1", NUMBER_INT},       {"-0x1", NUMBER_INT},
    {"1.", NUMBER_FLOAT},     {"1.5e-3", NUMBER_FLOAT},    {"1e5", NUMBER_FLOAT},
    {"1.e5", NUMBER_FLOAT},   {"0x1p3", NUMBER_FLOAT},     {"0x1.8P+3", NUMBER_FLOAT},
    {"-inf", NUMBER_FLOAT},   {"nan", NUMBER_FLOAT},       {"+nan:0x1_2", NUMBER_FLOAT},
    {"0x1e5", NUMBER_NAT},    {"0x.8", NUMBER_NONE},       {".5", NUMBER_NONE},
    {"", NUMBER_NONE},        {"+", NUMBER_NONE},          {"_1", NUMBER_NONE},
    {"1_", NUMBER_NONE},      {"1__0", NUMBER_NONE},       {"0_x1", NUMBER_NONE},
    {"0x_1", NUMBER_NONE},    {"0x", NUMBER_NONE},         {"1x", NUMBER_NONE},
    {"1e", NUMBER_NONE},      {"1e+", NUMBER_NONE},        {"1._0", NUMBER_NONE},
    {"1_.0", NUMBER_NONE},    {"1.0_", NUMBER_NONE},       {"1_e1", NUMBER_NONE},
    {"1e_1", NUMBER_NONE},    {"0x1pA", NUMBER_NONE},      {"1p3", NUMBER_NONE},
    {"nan:1", NUMBER_NONE},   {"nan:0x", NUMBER_NONE},     {"infinity", NUMBER_NONE},
    {"+-1", NUMBER_NONE},     {"0X1", NUMBER_NONE},        {"1 ", NUMBER_NONE},
};

TEST(kinds) {
    for (usize i = 0; i < COUNT_OF(KINDS); i++) {
        if (text_number_kind(str_of(KINDS[i].text)) != KINDS[i].kind) {
            TEST_FAIL("%s is not of kind %d", KINDS[i].text, (int)KINDS[i].kind);
        }
    }
}

static const struct {
    const char *text;
    u32 bits;
    bool fits;
    u64 value;
} INTEGERS[] = {
    {"255", 8, true, 255},
    {"256", 8, false, 0},
    {"-128", 8, true, 0x80},
    {"-129", 8, false, 0},
    {"+127", 8, true, 127},
    {"0xffff_ffff", 32, true, UINT32_MAX},
    {"0x100000000", 32, false, 0},
    {"-2147483648", 32, true, 0x80000000},
    {"-2147483649", 32, false, 0},
    {"-1", 32, true, UINT32_MAX},
    {"18446744073709551615", 64, true, UINT64_MAX},
    {"18446744073709551616", 64, false, 0},
    {"-9223372036854775808", 64, true, 1ull << 63},
    {"-9223372036854775809", 64, false, 0},
    {"0x1_0000_0000_0000_0000", 64, false, 0},
    {"36893488147419103233", 64, false, 0}, // 2^65 + 1
    {"00000000000000000000000000001", 64, true, 1},
    {"-0", 64, true, 0},
};

TEST(integers) {
    for (usize i = 0; i < COUNT_OF(INTEGERS); i++) {
        u64 value = 0;
        const Str text = str_of(INTEGERS[i].text);
        const bool fits = text_int_of(text, INTEGERS[i].bits, &value);
        if (fits != INTEGERS[i].fits || (fits && value != INTEGERS[i].value)) {
            TEST_FAIL("%s: fits %d, value %llx", INTEGERS[i].text, fits,
                      (unsigned long long)value);
        }
    }
}

TEST(naturals_have_a_limit) {
    u64 value;
    EXPECT(text_nat_of(STR("0x10"), 16, &value) && value == 16);
    EXPECT(!text_nat_of(STR("17"), 16, &value));
}

#define RANGE UINT64_MAX // not a value of the table below

static const struct {
    const char *text;
    u64 single, twice; // bits, or RANGE
} FLOATS[] = {
    {"0", 0, 0},
    {"-0", 0x80000000, 1ull << 63},
    {"-0.0e7", 0x80000000, 1ull << 63},
    {"1", 0x3F800000, 0x3FF0000000000000},
    {"0x1e", 0x41F00000, 0x403E000000000000},
    {"1_0.2_5", 0x41240000, 0x4024800000000000},
    {"0.1", 0x3DCCCCCD, 0x3FB999999999999A},
    {"inf", 0x7F800000, 0x7FF0000000000000},
    {"-inf", 0xFF800000, 0xFFF0000000000000},
    {"nan", 0x7FC00000, 0x7FF8000000000000},
    {"-nan:0x1", 0xFF800001, 0xFFF0000000000001},
    {"nan:0x80_0000", RANGE, 0x7FF0000000800000},
    {"nan:0x10_0000_0000_0000", RANGE, RANGE},
    {"nan:0x0", RANGE, RANGE},
    // the largest floats, and the first numbers that round beyond them
    {"0x1.fffffep127", 0x7F7FFFFF, 0x47EFFFFFE0000000},
    {"0x1.fffffefffffffp127", 0x7F7FFFFF, 0x47EFFFFFEFFFFFFF},
    {"0x1.ffffffp127", RANGE, 0x47EFFFFFF0000000},
    {"340282356779733661637539395458142568447", 0x7F7FFFFF, 0x47EFFFFFF0000000},
    {"340282356779733661637539395458142568448", RANGE, 0x47EFFFFFF0000000},
    {"1.7976931348623157e308", RANGE, 0x7FEFFFFFFFFFFFFF},
    {"1.7976931348623159e308", RANGE, RANGE},
    {"1e309", RANGE, RANGE},
    {"0x1p1024", RANGE, RANGE},
    {"0x1p999999999999999999999999", RANGE, RANGE},
    {"1e999999999999999999999999", RANGE, RANGE},
    // subnormals, and half of the smallest one: a tie, to zero
    {"0x1p-149", 1, 0x36A0000000000000},
    {"0x1p-150", 0, 0x3690000000000000},
    {"0x1.000000001p-150", 1, 0x3690000000010000},
    {"0x3p-150", 2, 0x36A8000000000000},
    {"0x1p-1074", 0, 1},
    {"0x1p-1075", 0, 0},
    {"0x1.0000000000000000000001p-1075", 0, 1},
    {"4.9e-324", 0, 1},
    {"2.4e-324", 0, 0},
    {"2.5e-324", 0, 1},
    {"1e-400", 0, 0},
    {"1e-999999999999999999999999", 0, 0},
    {"2.2250738585072011e-308", 0, 0x000FFFFFFFFFFFFF},
    {"2.2250738585072014e-308", 0, 0x0010000000000000},
    {"0x0.fffffffp-126", 0x00800000, 0x380FFFFFFE000000},
    // ties to even, and what breaks them
    {"16777217", 0x4B800000, 0x4170000010000000},
    {"16777219", 0x4B800002, 0x4170000030000000},
    {"16777217.00000000000000000000000000000000000000001", 0x4B800001, 0x4170000010000000},
    {"9007199254740993", 0x5A000000, 0x4340000000000000},
    {"9007199254740993.0000000000000000000000000000000000001", 0x5A000000, 0x4340000000000001},
    {"0x1.00000100000000000p0", 0x3F800000, 0x3FF0000010000000},
    {"0x1.00000100000000001p0", 0x3F800001, 0x3FF0000010000000},
};

TEST(floats) {
    for (usize i = 0; i < COUNT_OF(FLOATS); i++) {
        const Str text = str_of(FLOATS[i].text);
        u32 single = 0;
        u64 twice = 0;
        const u64 as_f32 = text_f32_of(text, &single) ? single : RANGE;
        const u64 as_f64 = text_f64_of(text, &twice) ? twice : RANGE;
        if (as_f32 != FLOATS[i].single || as_f64 != FLOATS[i].twice) {
            TEST_FAIL("%s is %llx, %llx", FLOATS[i].text, (unsigned long long)as_f32,
                      (unsigned long long)as_f64);
        }
    }
}

// 1 followed by `zeros` zeros, or by a point and zeros with a last digit 1.
static u64 long_float(usize zeros, bool is_fraction) {
    static char text[20000];
    text[0] = '1';
    text[1] = is_fraction ? '.' : '0';
    memset(text + 2, '0', zeros);
    text[zeros + 1] = '1';
    (void)snprintf(text + zeros + 2, 32, "e%lld", is_fraction ? 0 : -(long long)zeros - 1);
    u64 bits = 0;
    return text_f64_of(str_of(text), &bits) ? bits : RANGE;
}

TEST(long_literals) {
    for (usize zeros = 30; zeros < 15000; zeros = zeros * 3 / 2) {
        EXPECT_EQ(long_float(zeros, true), 0x3FF0000000000000);
        EXPECT_EQ(long_float(zeros, false), 0x3FF0000000000000);
    }
}

int main(void) {
    RUN(kinds);
    RUN(integers);
    RUN(naturals_have_a_limit);
    RUN(floats);
    RUN(long_literals);
    return test_end();
}
