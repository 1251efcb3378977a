#include "cli/settings.h"

#include "cli/report.h"

enum { MAX_JOBS = 1024, MAX_FUNC_ALIGN = 4096 };

static bool set_padding(Args *args, ImagoCompileOptions *options) {
    u64 bytes = 0;
    if (!args_size(args, OPT_FUNC_PADDING, &bytes)) {
        return false;
    }
    if (bytes > UINT32_MAX) {
        args->status = cli_usage_error(
            args->command, "option --func-padding: expected less than 4G, found '%s'", args->value);
        return false;
    }
    options->func_padding = (u32)bytes;
    return true;
}

static bool set_seed(Args *args, ImagoCompileOptions *options) {
    u32 seed = 0;
    const bool ok = args_count(args, OPT_SHUFFLE_FUNCS, UINT32_MAX, &seed);
    options->func_shuffle = seed;
    return ok;
}

static bool set_address_map(Args *args, ImagoCompileOptions *options) {
    static const char *const NAMES[] = {[IMAGO_ADDRESS_MAP_SITES] = "sites",
                                        [IMAGO_ADDRESS_MAP_NONE] = "none",
                                        [IMAGO_ADDRESS_MAP_ALL] = "all"};
    for (u32 i = 0; i < COUNT_OF(NAMES); i++) {
        if (strcmp(args->value, NAMES[i]) == 0) {
            options->address_map = (ImagoAddressMap)i;
            return true;
        }
    }
    args->status = cli_usage_error(
        args->command, "option --address-map: expected none, sites or all, found '%s'",
        args->value);
    return false;
}

bool cli_setting(Args *args, OptionId *id, ImagoCompileOptions *options) {
    bool ok = true;
    switch ((int)*id) {
    case OPT_COMPILER: options->compiler = args->value; break;
    case OPT_TARGET: options->target = args->value; break;
    case OPT_JOBS: ok = args_count(args, OPT_JOBS, MAX_JOBS, &options->threads); break;
    case OPT_ADDRESS_MAP: ok = set_address_map(args, options); break;
    case OPT_FUNC_ALIGN:
        ok = args_power(args, OPT_FUNC_ALIGN, MAX_FUNC_ALIGN, &options->func_align);
        break;
    case OPT_FUNC_PADDING: ok = set_padding(args, options); break;
    case OPT_SHUFFLE_FUNCS: ok = set_seed(args, options); break;
    case OPT_FORCE_VENEERS: options->force_veneers = true; break;
    default: return false;
    }
    *id = ok ? *id : OPT_STOP;
    return ok;
}
