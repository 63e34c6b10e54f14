// SPDX-License-Identifier: MIT
#pragma once

#include <pthread.h>

#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/result.hpp>

#include "sys/fork.hpp"

namespace eddy::sys {

/// A thread of the system: std::thread with a choice of its stack's size, and with errors as values.
/// It must be joined or detached before it is destroyed. In the child of a fork, where the thread is not, both just
/// forget it: its identity means nothing to the system there, or somebody else.
class thread {
public:
    thread() noexcept = default;
    thread(thread&& other) noexcept : id_(std::exchange(other.id_, std::nullopt)), process_(other.process_) {}
    thread& operator=(thread&& other) noexcept;
    ~thread();

    /// Starts `entry(argument)`. A stack of 0 bytes is the system's default; one that is too small is made large
    /// enough. Errors: resource_unavailable_try_again and what else pthread_create(3) reports.
    [[nodiscard]] static result<thread> start(std::size_t stack_size, void* (*entry)(void*), void* argument) noexcept;

    [[nodiscard]] bool is_joinable() const noexcept { return id_.has_value(); }
    [[nodiscard]] bool is_this_thread() const noexcept { return id_ && pthread_equal(*id_, pthread_self()) != 0; }
    void join() noexcept;
    void detach() noexcept;

private:
    explicit thread(pthread_t id) noexcept : id_(id) {}

    std::optional<pthread_t> id_;
    process_mark process_;
};

/// How many processors this process may use, at least 1.
[[nodiscard]] unsigned processor_count() noexcept;

/// Names the calling thread, for debuggers and the system's tools. Linux keeps the first 15 bytes.
void name_this_thread(const std::string& name) noexcept;

/// Starts a thread that is called `name` (unless that is empty) and calls `fn`, which owns what it needs and must not
/// throw.
/// Errors: as thread::start(); not_enough_memory. `fn` is destroyed then.
template <class Fn>
[[nodiscard]] result<thread> start_thread(std::string name, std::size_t stack_size, Fn fn) noexcept {
    static_assert(std::is_nothrow_invocable_v<Fn&>, "an exception could go nowhere: the function must be noexcept");
    struct work {
        std::string name;
        Fn fn;
    };
    std::unique_ptr<work> all(new (std::nothrow) work{std::move(name), std::move(fn)});
    if (!all) return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
    auto started = thread::start(
        stack_size,
        [](void* raw) -> void* {
            // SAFETY: made just above, and given up there since the thread was started.
            const std::unique_ptr<work> mine(static_cast<work*>(raw));
            if (!mine->name.empty()) name_this_thread(mine->name);
            mine->fn();
            return nullptr;
        },
        all.get());
    if (started) static_cast<void>(all.release());
    return started;
}

}  // namespace eddy::sys
