// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/blocking_cell.hpp>
#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/owned.hpp>
#include <eddy/detail/pool.hpp>
#include <eddy/join_handle.hpp>

namespace eddy {

/// Runs a function that blocks, or computes for long, on a thread for such work: of the current runtime, or of the
/// process where there is none but a loop (512 of those at most). The handle gives what it returns. On threads without
/// either use handle::spawn_blocking or runtime::spawn_blocking.
///
/// It cannot be cancelled once it runs: abort() only keeps it from being begun. A runtime that shuts down does not wait
/// for it, unless it is given a limit. Errors: the handle says "cancelled" if the runtime shuts down before it runs, or
/// if no thread can be had. Thread safety: any thread with a runtime or a loop; else it throws `misuse`. Cost: one
/// block of the frame pool, and a hand-over to another thread and back.
template <class F>
auto spawn_blocking(F&& f, std::source_location where = std::source_location::current()) {
    if constexpr (detail::check_blocking<F>()) {
        return detail::spawn_blocking_on(detail::current_blocking_pool(where), std::forward<F>(f), where);
    } else {
        return detail::broken_future();
    }
}

// Only to say in a short error what to write.
template <class W, detail::argument_of_work A, class... More>
auto spawn_blocking(W&&, A&&, More&&...) {
    return detail::refuse_arguments<W>();
}

namespace detail {

/// While it lives, another thread goes on with this thread's worker.
class EDDY_API in_place_scope {
public:
    explicit in_place_scope(std::source_location where);
    in_place_scope(const in_place_scope&) = delete;
    in_place_scope& operator=(const in_place_scope&) = delete;
    ~in_place_scope();

private:
    class worker* handed_ = nullptr;
    class worker* hidden_ = nullptr;
    class time_driver* hidden_time_ = nullptr;
    bool was_in_call_ = false;
};

}  // namespace detail

/// Calls a function that blocks, or computes for long, here and now; the other tasks of this worker, its sockets and
/// its timers go on meanwhile, on another thread. Returns what it returns. (The task itself stands still: what it would
/// `join` or `select` beside this as well.)
///
/// Errors: throws `misuse` on a loop's thread (`core`), whose tasks cannot go elsewhere: use spawn_blocking there.
/// Outside of a runtime it just calls the function; so it does if no further thread can be had.
/// Cost: a hand-over to another thread, unless the function is quicker than that.
template <class F>
decltype(auto) block_in_place(F&& f, std::source_location where = std::source_location::current()) {
    const detail::in_place_scope scope(where);
    return std::invoke(std::forward<F>(f));
}

}  // namespace eddy
