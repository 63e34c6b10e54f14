// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <source_location>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>
#include <eddy/runtime/runtime_metrics.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/detail/blocking_cell.hpp>
#include <eddy/task/detail/executor.hpp>
#include <eddy/task/detail/stored_work.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/spawn.hpp>

namespace eddy {

class enter_guard;

namespace detail {
class time_driver;
struct runtime_access;
}  // namespace detail

/// A handle to a runtime, to spawn tasks on it from any thread. It is cheap to copy. It does not keep the runtime
/// alive: after the runtime has begun to shut down, spawned tasks are cancelled immediately.
/// Thread safety: any thread.
class EDDY_API handle {
public:
    /// Copies refer to the same runtime.
    handle(const handle& other) noexcept : pool_(other.pool_) { detail::retain(*pool_); }
    /// Copies `other`, because a handle is never empty.
    handle(handle&& other) noexcept : pool_(other.pool_) { detail::retain(*pool_); }
    handle& operator=(const handle& other) noexcept {
        handle copy(other);
        std::swap(pool_, copy.pool_);
        return *this;
    }
    handle& operator=(handle&& other) noexcept { return *this = std::as_const(other); }
    ~handle() { detail::release(*pool_); }

    /// Returns the handle of the current runtime: the runtime whose worker this thread is, or the runtime that was
    /// entered last on this thread.
    /// Errors: throws `misuse` if there is none.
    [[nodiscard]] static handle current(std::source_location where = std::source_location::current());
    /// Returns the handle of the current runtime, or nullopt if there is none.
    [[nodiscard]] static std::optional<handle> try_current() noexcept;

    /// Makes this runtime the thread's current one during the lifetime of the guard: `spawn` uses it, and sockets and
    /// timers that are used on this thread belong to it.
    /// Preconditions: guards end in the reverse order of their construction; otherwise the process ends with a message.
    /// A guard must not live across a co_await: other tasks that this worker polls meanwhile would spawn on the wrong
    /// runtime, and the task may resume on another thread.
    [[nodiscard]] enter_guard enter(std::source_location where = std::source_location::current()) const;

    /// Spawns a task on this runtime; see eddy::spawn.
    template <class W>
    auto spawn(W&& work, std::source_location where = std::source_location::current()) const {
        return detail::spawn_on(*pool_, std::forward<W>(work), where);
    }

    /// Runs a blocking function on this runtime; see eddy::spawn_blocking.
    template <class F>
    auto spawn_blocking(F&& f, std::source_location where = std::source_location::current()) const {
        return detail::spawn_blocking_on(pool_, std::forward<F>(f), where);
    }
    detail::broken_future spawn(auto&&, detail::argument_of_work auto&&, auto&&...) const
        EDDY_DELETED(EDDY_NO_ARGUMENTS);

    /// Runs a future on this runtime and blocks until it has ended; see runtime::block_on.
    template <class F>
    auto block_on(F&& future, std::source_location where = std::source_location::current()) const;

    /// Returns a snapshot of the runtime's counters.
    [[nodiscard]] runtime_metrics metrics() const;

    /// Returns a number that is unique among the runtimes of this process.
    [[nodiscard]] std::uint64_t id() const noexcept;

    /// Returns whether both handles refer to the same runtime.
    [[nodiscard]] friend bool operator==(const handle& a, const handle& b) noexcept { return a.pool_ == b.pool_; }

private:
    friend class enter_guard;
    friend struct detail::runtime_access;
    explicit handle(detail::pool& pool) noexcept : pool_(&pool) { detail::retain(pool); }

    detail::pool* pool_;  // holds a reference; never null
};

/// Makes a runtime the thread's current one during its lifetime; see handle::enter().
/// Thread safety: destroy it on the thread that made it.
class [[nodiscard("the runtime is current while the guard lives")]] EDDY_API enter_guard {
public:
    enter_guard(const enter_guard&) = delete;
    enter_guard& operator=(const enter_guard&) = delete;
    /// Restores the runtime that was current before.
    ~enter_guard();

private:
    friend class handle;
    enter_guard(const handle& entered, std::source_location where);

    handle entered_;
    std::source_location entered_at_;
    // The thread's state before, which the destructor restores.
    detail::executor* outer_executor_;
    detail::time_driver* outer_time_;
    enter_guard* outer_guard_;
};

// ---- Implementation ----

namespace detail {

struct runtime_access {
    static handle make_handle(pool& shared) noexcept { return handle(shared); }
    static pool& get(const handle& of) noexcept { return *of.pool_; }
};

/// For block_on(): throws the exception of the task, or a std::system_error that says that the runtime has shut down.
[[noreturn]] EDDY_API void rethrow_from_block_on(const join_error& failed, std::source_location where);

/// Blocks this thread until a spawned task has ended, and returns its output or throws its exception, as the future
/// itself would.
template <class T>
T wait_for_main(join_handle<T> task, std::source_location where) {
    auto outcome = wait(task, where);
    if (!outcome) rethrow_from_block_on(outcome.error(), where);
    if constexpr (!std::is_void_v<T>) return *std::move(outcome);
}

/// Runs a future on the pool and blocks until it has ended. An lvalue is borrowed, and the future may borrow from the
/// caller's stack.
template <class F>
output_t<F> block_on(pool& shared, F&& future, std::source_location where) {
    if constexpr (std::is_lvalue_reference_v<F>) {
        return wait_for_main<output_t<F>>(
            spawn_on(shared, borrowed<std::remove_reference_t<F>>(std::ref(future)), where), where);
    } else {
        return wait_for_main<output_t<F>>(spawn_on(shared, std::forward<F>(future), where), where);
    }
}

}  // namespace detail

template <class F>
auto handle::block_on(F&& future, std::source_location where) const {
    constexpr bool is_future = eddy::future<std::remove_cvref_t<F>> || detail::makes_main<F>;
    static_assert(
        is_future,
        "eddy: block_on takes a future, such as a task, or a function without parameters that returns one: for "
        "a function with parameters, call the coroutine, `block_on(work(x))`");
    if constexpr (detail::makes_main<F>) {
        return block_on(std::invoke(future), where);
    } else if constexpr (is_future) {
        detail::check_may_block(*pool_, "block_on", where);
        return detail::block_on<F>(*pool_, std::forward<F>(future), where);
    } else {
        return detail::broken_future();
    }
}

}  // namespace eddy
