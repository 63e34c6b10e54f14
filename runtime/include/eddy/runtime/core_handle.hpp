// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/result.hpp>
#include <eddy/runtime/detail/core_loop.hpp>
#include <eddy/runtime/duration_histogram.hpp>
#include <eddy/runtime/reactor.hpp>

namespace eddy {

class core_remote;
template <class T>
class core_answer;

namespace detail {

// Defined in detail/core_work.hpp, which is included at the end.
struct core_access;
template <class W>
constexpr bool check_work();
template <class W>
spawned_task& spawn_work(core_shared& loop, W&& work, std::source_location where);
template <class W>
[[nodiscard]] bool send_work(core_shared& loop, W&& work, std::source_location where);
template <class F>
auto call_on_loop(const core_remote& remote, F&& f, std::source_location where);

}  // namespace detail

/// A snapshot of the counters of an event loop.
/// Thread safety: a plain value.
class core_metrics {
public:
    /// For the library.
    core_metrics(std::size_t alive, std::uint64_t polls, std::uint64_t turns, const io_metrics& io,
                 std::uint64_t forced_yields = 0, const duration_histogram& poll_times = {},
                 const duration_histogram& schedule_latencies = {}, std::uint64_t stalls = 0,
                 const duration_histogram& stall_times = {}) noexcept
        : alive_(alive),
          polls_(polls),
          turns_(turns),
          io_(io),
          forced_yields_(forced_yields),
          poll_times_(poll_times),
          schedule_latencies_(schedule_latencies),
          stalls_(stalls),
          stall_times_(stall_times) {}

    /// Returns the number of tasks that have not ended.
    [[nodiscard]] std::size_t alive_tasks() const noexcept { return alive_; }
    /// Returns the number of polls of tasks and of main futures.
    [[nodiscard]] std::uint64_t polls() const noexcept { return polls_; }
    /// Returns the number of driver ticks.
    [[nodiscard]] std::uint64_t turns() const noexcept { return turns_; }
    /// Returns the counters of the reactor.
    [[nodiscard]] const io_metrics& io() const noexcept { return io_; }
    /// Returns the number of polls that ended because the coop budget was used up.
    [[nodiscard]] std::uint64_t forced_yields() const noexcept { return forced_yields_; }
    /// Returns the durations of polls. Empty unless core_builder::poll_time_histogram() was set.
    [[nodiscard]] const duration_histogram& poll_times() const noexcept { return poll_times_; }
    /// Returns how long tasks waited for their polls; see worker_metrics::schedule_latencies.
    [[nodiscard]] const duration_histogram& schedule_latencies() const noexcept { return schedule_latencies_; }
    /// Returns the number of stalls; see core_builder::stall_limit().
    [[nodiscard]] std::uint64_t stalls() const noexcept { return stalls_; }
    /// Returns the durations of stalls that have ended: the time for which each poll was measured.
    [[nodiscard]] const duration_histogram& stall_times() const noexcept { return stall_times_; }

private:
    std::size_t alive_;
    std::uint64_t polls_;
    std::uint64_t turns_;
    io_metrics io_;
    std::uint64_t forced_yields_;
    duration_histogram poll_times_;
    duration_histogram schedule_latencies_;
    std::uint64_t stalls_;
    duration_histogram stall_times_;
};

/// A handle to an event loop for use on that loop's own thread: spawns tasks, and makes sockets that belong to the
/// loop. It is cheap to copy. It does not keep the loop running: after the `core` is destroyed, spawn() returns an
/// error.
/// Thread safety: copying, destroying, remote() and id() are allowed on any thread. All other functions throw
/// `wrong_thread` on another thread than the loop's. Other threads use `core_remote`.
class EDDY_API core_handle {
public:
    /// Copies refer to the same event loop. There is no move: a handle is never empty.
    core_handle(const core_handle& other) noexcept : loop_(other.loop_) { detail::retain(*loop_); }
    core_handle& operator=(const core_handle& other) noexcept {
        core_handle copy(other);
        std::swap(loop_, copy.loop_);
        return *this;
    }
    ~core_handle() { detail::release(*loop_); }

    /// Returns the handle of the event loop that runs on this thread.
    /// Errors: throws `misuse` if no event loop runs on this thread.
    [[nodiscard]] static core_handle current(std::source_location where = std::source_location::current());
    /// Returns the handle of the event loop that runs on this thread, or nullopt if there is none.
    [[nodiscard]] static std::optional<core_handle> try_current() noexcept;

    /// Spawns a detached task on the event loop; its first poll is in the next iteration. `work` is one of: a future
    /// with output void; a callable that returns such a future (and may take a `core_handle&`); a callable that returns
    /// nothing. The callable is called on the event loop and lives as long as its future. An exception that leaves the
    /// work is passed to the loop's uncaught handler.
    /// Errors: errc::runtime_shutdown if the event loop is gone, or, in a forked child, belongs to the parent; `work`
    /// is then destroyed.
    /// Thread safety: throws `wrong_thread` on another thread than the loop's.
    /// Cost: one block from the frame pool; no atomic operation.
    template <class W>
    discardable_result spawn(W&& work, std::source_location where = std::source_location::current()) const {
        detail::check_thread(*loop_, where);
        if (detail::is_closed(*loop_)) return std::unexpected(make_error_code(errc::runtime_shutdown));
        if constexpr (detail::check_work<W>()) detail::spawn_work(*loop_, std::forward<W>(work), where);
        return {};
    }

    detail::broken_future spawn(auto&&, detail::argument_of_work auto&&, auto&&...) const
        EDDY_DELETED(EDDY_NO_ARGUMENTS);

    /// Returns a handle to the same event loop for other threads.
    [[nodiscard]] core_remote remote() const noexcept;

    /// Returns a handle to the reactor of this event loop.
    /// Errors: errc::io_disabled if the event loop was built without I/O; errc::runtime_shutdown if it is gone. Throws
    /// `wrong_thread` on another thread than the loop's.
    [[nodiscard]] result<reactor_handle> reactor(std::source_location where = std::source_location::current()) const;

    /// Returns the counters of the event loop.
    /// Errors: throws `wrong_thread` on another thread than the loop's.
    [[nodiscard]] core_metrics metrics(std::source_location where = std::source_location::current()) const;

    /// Returns a number that is unique among the event loops of this process.
    /// Thread safety: any thread.
    [[nodiscard]] std::uint64_t id() const noexcept;

private:
    friend class core;
    friend class core_remote;
    friend struct detail::core_access;

    explicit core_handle(detail::core_shared& loop) noexcept : loop_(&loop) { detail::retain(loop); }

    detail::core_shared* loop_;  // holds a reference; never null
};

/// A handle to an event loop for use on any thread. Work that is sent runs on the loop's thread, in the order in which
/// each sender sent it. It is cheap to copy and does not keep the loop running.
/// Thread safety: any thread.
class EDDY_API core_remote {
public:
    /// Copies refer to the same event loop. There is no move: a remote is never empty.
    core_remote(const core_remote& other) noexcept : loop_(other.loop_) { detail::retain(*loop_); }
    core_remote& operator=(const core_remote& other) noexcept {
        core_remote copy(other);
        std::swap(loop_, copy.loop_);
        return *this;
    }
    ~core_remote() { detail::release(*loop_); }

    /// Spawns `work` on the event loop, as core_handle::spawn() does. A callable crosses the thread boundary; the
    /// future that it returns does not need to. The `core_handle&` that the callable may take proves that it runs on
    /// the loop's thread; the reference stays valid as long as the future. The number of tasks that wait to be polled
    /// has no limit: a thread that may be faster than the loop sends through a bounded channel. The loop's own tasks
    /// and timers do not wait behind them.
    /// Errors: errc::runtime_shutdown if the event loop is gone; `work` is then destroyed on the calling thread.
    /// Cost: one block from the frame pool, a few atomic operations, and a system call if the event loop sleeps.
    template <class W>
    discardable_result spawn(W&& work, std::source_location where = std::source_location::current()) const {
        if constexpr (detail::check_work<W>()) {
            if (!detail::send_work(*loop_, std::forward<W>(work), where)) {
                return std::unexpected(make_error_code(errc::runtime_shutdown));
            }
        }
        return {};
    }

    /// Runs `f` on the event loop and returns a core_answer, whose get() blocks until the result has arrived:
    /// `remote.call(f).get()`. `f` takes a `core_handle&` or nothing, and returns a value or a future of one. A task
    /// must not call get(): it uses spawn(), with work that sends its result through a sync::oneshot.
    /// Errors: get() throws the exception of `f`, or std::system_error with errc::runtime_shutdown if the event loop is
    /// gone or ends before the work has ended; see core_answer::get().
    template <class F>
    [[nodiscard]] auto call(F&& f, std::source_location where = std::source_location::current()) const;

    /// Returns a handle if the event loop currently runs on this thread; otherwise nullopt.
    [[nodiscard]] std::optional<core_handle> try_handle() const noexcept;

    /// Returns the number of the event loop; see core_handle::id().
    [[nodiscard]] std::uint64_t id() const noexcept;

private:
    friend class core_handle;
    friend class core;
    template <class T>
    friend class core_answer;
    explicit core_remote(detail::core_shared& loop) noexcept : loop_(&loop) { detail::retain(loop); }

    detail::core_shared* loop_;  // holds a reference; never null
};

// ---- Implementation ----

namespace detail {

struct core_access {
    static core_handle handle(core_shared& loop) noexcept { return core_handle(loop); }
    static core_shared& loop(const core_handle& of) noexcept { return *of.loop_; }
};

}  // namespace detail

template <class F>
auto core_remote::call(F&& f, std::source_location where) const {
    return detail::call_on_loop(*this, std::forward<F>(f), where);
}

}  // namespace eddy

#include <eddy/runtime/detail/core_work.hpp>  // IWYU pragma: keep
