// SPDX-License-Identifier: MIT
#include <eddy/runtime/run.hpp>

#include <cstdio>
#include <optional>
#include <system_error>
#include <utility>

#include "executor/task/endless_wait.hpp"

namespace eddy::detail {

void print_error(const std::string& text) noexcept { std::fprintf(stderr, "Error: %s\n", text.c_str()); }

std::optional<main_executor> make_main_executor_or_print() try {
    endless_wait::report_all();
    return std::optional<main_executor>(std::in_place);
} catch (const std::system_error& error) {
    print_error(error.what());
    return std::nullopt;
}

}  // namespace eddy::detail
