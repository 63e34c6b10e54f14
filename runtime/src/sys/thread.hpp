// SPDX-License-Identifier: MIT
#pragma once

#if !defined(_WIN32)
#include <pthread.h>
#endif

#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/result.hpp>

#include "sys/affinity.hpp"
#include "sys/fork.hpp"

namespace eddy::sys {

/// A system thread. Unlike std::thread, it has a configurable stack size and reports errors as values. The thread does
/// not exist in a forked child. There, join() and detach() only clear this object, since the thread's id is invalid or
/// belongs to another thread.
/// Preconditions: join or detach it before its destruction.
class thread {
public:
    thread() noexcept = default;
    thread(thread&& other) noexcept : id_(std::exchange(other.id_, std::nullopt)), process_(other.process_) {}
    thread& operator=(thread&& other) noexcept;
    ~thread();

    /// Starts a thread that calls `entry(argument)`. The stack size is in bytes; 0 is the system's default, and a size
    /// that is too small is increased.
    /// Errors: resource_unavailable_try_again and what else pthread_create(3) reports. On Windows also
    /// not_enough_memory.
    [[nodiscard]] static result<thread> start(std::size_t stack_size, void* (*entry)(void*), void* argument) noexcept;

    [[nodiscard]] bool is_joinable() const noexcept { return id_.has_value(); }
    [[nodiscard]] bool is_this_thread() const noexcept;
    /// Waits for the end of the thread, or lets it run on its own.
    /// Preconditions: is_joinable().
    void join() noexcept;
    void detach() noexcept;

private:
#if defined(_WIN32)
    using native_id = void*;  // a handle of the thread
#else
    using native_id = pthread_t;
#endif

    explicit thread(native_id id) noexcept : id_(id) {}

    std::optional<native_id> id_;
    process_mark process_;
};

/// Returns the number of processors that this process may use, at least 1: the least of its affinity and, on Linux, of
/// the time that its control groups allow, rounded up.
[[nodiscard]] unsigned processor_count() noexcept;

/// Names the calling thread for debuggers and system tools. Linux keeps the first 15 bytes.
void name_this_thread(const std::string& name) noexcept;

/// Starts a thread with this name (none if it is empty) that calls `fn`. `fn` must own what it needs. The thread is not
/// bound to the processors that a thread_binding of this thread has.
/// Errors: same as thread::start(); not_enough_memory. `fn` is destroyed then.
template <class Fn>
[[nodiscard]] result<thread> start_thread(std::string name, std::size_t stack_size, Fn fn) noexcept {
    static_assert(std::is_nothrow_invocable_v<Fn&>,
                  "the function must be noexcept: a thread has no caller that could catch an exception");
    struct work {
        std::string name;
        std::vector<unsigned> processors;
        Fn fn;
    };
    auto processors = thread_binding::processors_of_new_thread();
    if (!processors) return std::unexpected(processors.error());
    std::unique_ptr<work> all(new (std::nothrow) work{std::move(name), *std::move(processors), std::move(fn)});
    if (!all) return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
    auto started = thread::start(
        stack_size,
        [](void* raw) -> void* {
            // SAFETY: `raw` is the object created above. Once the thread has started, it alone owns the object.
            const std::unique_ptr<work> mine(static_cast<work*>(raw));
            if (!mine->name.empty()) name_this_thread(mine->name);
            if (!mine->processors.empty()) static_cast<void>(run_this_thread_on(mine->processors));
            mine->fn();
            return nullptr;
        },
        all.get());
    if (started) static_cast<void>(all.release());
    return started;
}

}  // namespace eddy::sys
