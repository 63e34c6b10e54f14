// SPDX-License-Identifier: MIT
// Stubs for functions that the explored sources call in parts of the library that are not explored.
#include <cstdio>
#include <cstdlib>

#include <eddy/error.hpp>

#include "driver/poll.hpp"
#include "io/scheduled_io.hpp"
#include "runtime/uncaught.hpp"

namespace eddy::detail {

void report_failure(const task_owner&, unread_failure, const std::source_location&, std::string_view) noexcept {}

void report_failure_here(unread_failure, const std::source_location&, std::string_view) noexcept {}

void free_stream(scheduled_io&) noexcept {}

void poll_driver::wake() noexcept {}

}  // namespace eddy::detail
