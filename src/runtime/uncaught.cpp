// SPDX-License-Identifier: MIT
#include "runtime/uncaught.hpp"

#include <cstdio>
#include <utility>

#include <eddy/detail/core_loop.hpp>

#include "runtime/local_here.hpp"
#include "runtime/pool.hpp"
#include "runtime/worker_here.hpp"

namespace eddy::detail {

void print_uncaught(const std::exception_ptr& thrown, const std::source_location& where,
                    std::string_view name) noexcept {
    const auto print = [&](const char* text) {
        const bool is_named = !name.empty();
        std::fprintf(stderr, "eddy: %s task%s%.*s%s spawned at %s:%u threw: %s\n", is_named ? "the" : "a",
                     is_named ? " \"" : "", static_cast<int>(name.size()), name.data(), is_named ? "\"" : "",
                     where.file_name(), where.line(), text);
    };
    try {
        std::rethrow_exception(thrown);
    } catch (const std::exception& e) {
        print(e.what());
    } catch (...) {
        print("an exception that is not a std::exception");
    }
}

void report_uncaught_here(std::exception_ptr thrown, const std::source_location& where,
                          std::string_view name) noexcept {
    if (worker_here != nullptr) {
        worker_here->owner().report(std::move(thrown), where, name);
    } else if (core_shared* const loop = current_loop()) {
        report_uncaught(*loop, std::move(thrown), where, name);
    } else {
        print_uncaught(thrown, where, name);
    }
}

void report_uncaught(const task_owner& owner, std::exception_ptr thrown, const std::source_location& where,
                     std::string_view name) noexcept {
    // `owner` may be gone, because a join handle may outlive the pool. Only a worker of that pool knows that it exists.
    if (worker_here != nullptr && worker_owner_here == &owner) {
        worker_here->owner().report(std::move(thrown), where, name);
    } else if (local_polled_here == &owner) {
        report_uncaught_here(std::move(thrown), where, name);
    } else {
        print_uncaught(thrown, where, name);
    }
}

}  // namespace eddy::detail
