// SPDX-License-Identifier: MIT
#include <eddy/run.hpp>

#include <cstdio>

namespace eddy::detail {

void print_error(const std::string& text) noexcept { std::fprintf(stderr, "Error: %s\n", text.c_str()); }

}  // namespace eddy::detail
