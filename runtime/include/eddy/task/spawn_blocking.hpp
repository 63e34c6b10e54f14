// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/task/detail/blocking_cell.hpp>
#include <eddy/task/join_handle.hpp>

namespace eddy {

/// Runs a blocking or long-running function on a thread for blocking work, and returns a join_handle of its result. The
/// threads belong to the current runtime. On the thread of an event loop without a runtime, they belong to the process
/// (up to 512 threads). On other threads, use handle::spawn_blocking or runtime::spawn_blocking.
///
/// The function cannot be cancelled while it runs: abort() only prevents its start. A shutdown of the runtime does not
/// wait for it, except for shutdown_timeout().
/// Errors: the handle reports that the task was cancelled if the runtime shuts down before the function starts, and the
/// system's error (EAGAIN) if no thread can be created. Throws `misuse` on a thread without a runtime or event loop.
/// Thread safety: any thread that has a runtime or runs an event loop.
/// Lifetime: the function must own its data, because it can outlive the caller, also after a timeout or an abort().
/// Cost: one block from the frame pool; a switch to another thread and back.
template <class F>
auto spawn_blocking(F&& f, std::source_location where = std::source_location::current()) {
    return detail::spawn_blocking_on(detail::current_blocking_pool(where), std::forward<F>(f), where);
}

detail::broken_future spawn_blocking(auto&&, detail::argument_of_work auto&&, auto&&...)
    EDDY_DELETED(EDDY_NO_ARGUMENTS);

namespace detail {

/// A guard. During its lifetime, another thread runs this thread's worker, from 0.1 or 0.2 ms on.
class EDDY_API in_place_scope {
public:
    explicit in_place_scope(std::source_location where);
    in_place_scope(const in_place_scope&) = delete;
    in_place_scope& operator=(const in_place_scope&) = delete;
    ~in_place_scope();

    /// Whether a scope costs little on this thread. It does not if this thread runs no worker, or a worker whose
    /// sockets would have to move to another io_uring ring.
    [[nodiscard]] static bool is_cheap() noexcept;

private:
    class worker* handed_ = nullptr;
    class worker* hidden_ = nullptr;
    class time_driver* hidden_time_ = nullptr;
    bool was_in_call_ = false;
};

}  // namespace detail

/// Calls a blocking or long-running function on this thread, and returns its result. Meanwhile another thread runs this
/// thread's worker: its other tasks, its sockets and its timers. The calling task makes no progress. Neither do the
/// other futures of a `join` or `select` in which this call is made.
///
/// Outside of a runtime, or if no other thread is available, this only calls the function.
/// Errors: throws `misuse` on the thread of an event loop (`core`), whose tasks cannot migrate: use spawn_blocking
/// there.
/// Cost: if the function returns within 0.1 ms, about 50 ns. If it lasts for more than 0.2 ms, the worker has moved to
/// another thread. The first call in several milliseconds wakes that thread.
template <class F>
decltype(auto) block_in_place(F&& f, std::source_location where = std::source_location::current()) {
    const detail::in_place_scope scope(where);
    return std::invoke(std::forward<F>(f));
}

}  // namespace eddy
