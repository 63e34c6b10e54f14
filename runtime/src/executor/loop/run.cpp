// SPDX-License-Identifier: MIT
#include <eddy/runtime/run.hpp>

#include <cstdio>
#include <optional>
#include <system_error>
#include <utility>

#include "executor/reports/endless_wait.hpp"
#include "reactor/choose.hpp"

namespace eddy::detail {

void print_error(const std::string& text) noexcept { std::fprintf(stderr, "Error: %s\n", text.c_str()); }

std::optional<main_executor> make_main_executor_or_print() try {
#ifdef EDDY_NO_THREADS
    static const endless_wait::reports until_the_end;
    return std::optional<main_executor>(std::in_place);
#else
    auto made = runtime::builder().report_deadlocks(true).build();
    if (!made) throw std::system_error(made.error(), with_driver_asked_for("eddy::runtime", made.error()));
    return *std::move(made);
#endif
} catch (const std::system_error& error) {
    print_error(error.what());
    return std::nullopt;
}

}  // namespace eddy::detail
