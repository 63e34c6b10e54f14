// SPDX-License-Identifier: MIT
// Stubs for functions that the explored sources call in parts of the library that are not explored.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <new>
#include <span>
#include <utility>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/error.hpp>

#include "executor/task/run_task.hpp"
#include "executor/task/uncaught.hpp"
#include "reactor/source/scheduled_io.hpp"
#include "sys/syscall.hpp"
#include "sys/word_wait.hpp"

namespace eddy::detail {

void report_failure(spawned_task_owner&, unread_failure, const std::source_location&, std::string_view) noexcept {}

void report_failure_here(unread_failure, const std::source_location&, std::string_view) noexcept {}

call_site spawn_site_here() noexcept { return nullptr; }

// As in a library that a sanitizer checks: the explorer tracks each block.
void* allocate_block_of_library(std::size_t size) {
    return ::operator new(size, std::align_val_t(size % 128 == 0 ? 128 : size_class_step));
}
void free_block_of_library(void* block, std::size_t size) noexcept {
    ::operator delete(block, std::align_val_t(size % 128 == 0 ? 128 : size_class_step));
}

}  // namespace eddy::detail

// Descriptors: they may have any number, and none is read.
namespace eddy::sys {

int above_standard(int fd) noexcept { return fd; }
result<std::size_t> read(int, std::span<std::byte>) noexcept { std::abort(); }
result<std::pair<unique_fd, unique_fd>> make_pipe() noexcept {
    std::array<int, 2> fds{};
    if (::pipe2(fds.data(), O_CLOEXEC | O_NONBLOCK) != 0) std::abort();
    return std::pair(unique_fd(fds[0]), unique_fd(fds[1]));
}

}  // namespace eddy::sys

// Sleeping on a word, as in sys/not_linux/word_wait.cpp, with one entry for all words. A model has no clock: the
// explorer chooses whether the deadline passes. The lock orders more than futex(2), but only for a thread that really
// sleeps.
namespace eddy::sys {
namespace {

constinit explore::mutex lock_of_words;
constinit explore::condition_variable word_changed;

}  // namespace

bool sleep_on(const sleep_word& word, std::uint32_t value, std::chrono::steady_clock::time_point deadline) noexcept {
    std::unique_lock guard(lock_of_words);
    // relaxed: the lock orders the load and the notification.
    if (word.load(std::memory_order_relaxed) != value) return true;
    if (deadline != std::chrono::steady_clock::time_point::max())
        return word_changed.wait_for(guard, deadline) == std::cv_status::no_timeout;
    word_changed.wait(guard);
    return true;
}

void wake_sleeper(const sleep_word&) noexcept {
    {
        const std::lock_guard guard(lock_of_words);
    }
    word_changed.notify_all();
}

}  // namespace eddy::sys
