// SPDX-License-Identifier: MIT
#include <eddy/run.hpp>

#include <cstdio>

namespace eddy::detail {

void print_error(const std::string& text) noexcept { std::fprintf(stderr, "Error: %s\n", text.c_str()); }

void check_not_nested(std::source_location where) {
    if (inside_loop()) {
        throw nested_runtime(
            "eddy::run was called inside a runtime: await the future there, or run it on a thread of its own", where);
    }
}

}  // namespace eddy::detail
