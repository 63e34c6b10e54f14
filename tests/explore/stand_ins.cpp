// SPDX-License-Identifier: MIT
// Stubs for functions that the explored sources call in parts of the library that are not explored.
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/error.hpp>

#include "driver/poll.hpp"
#include "io/scheduled_io.hpp"
#include "runtime/run_task.hpp"
#include "runtime/uncaught.hpp"

namespace eddy::inline v0_1::detail {

void report_failure(const task_owner&, unread_failure, const std::source_location&, std::string_view) noexcept {}

void report_failure_here(unread_failure, const std::source_location&, std::string_view) noexcept {}

call_site spawn_site_here() noexcept { return nullptr; }

void free_stream(scheduled_io&) noexcept {}

void poll_driver::wake() noexcept {}

// As in a library that a sanitizer checks: the explorer tracks each block.
void* allocate_block_of_library(std::size_t size) {
    return ::operator new(size, std::align_val_t(size % 128 == 0 ? 128 : size_class_step));
}
void free_block_of_library(void* block, std::size_t size) noexcept {
    ::operator delete(block, std::align_val_t(size % 128 == 0 ? 128 : size_class_step));
}

}  // namespace eddy::detail
