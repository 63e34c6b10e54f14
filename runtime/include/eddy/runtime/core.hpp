// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <source_location>
#include <string_view>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>
#include <eddy/result.hpp>
#include <eddy/runtime/core_handle.hpp>
#include <eddy/runtime/detail/core_loop.hpp>
#include <eddy/runtime/detail/core_work.hpp>
#include <eddy/runtime/executor_builder.hpp>
#include <eddy/runtime/reactor.hpp>
#include <eddy/task/detail/stored_work.hpp>

namespace eddy {

class core_builder;

/// An event loop for one thread. It owns a driver, a timer wheel and tasks, and it makes progress only inside run()
/// and the other functions that run it. It belongs to the thread that constructed it. It may be moved while it does not
/// run. A moved-from core is empty: id() is 0, driver() is nullopt, metrics() is all zero, and every other use throws
/// `misuse`.
///
/// The destructor destroys the tasks on this thread. Sockets that outlive the core fail with errc::runtime_shutdown. A
/// sleep that outlives it continues on the event loop that polls it next.
///
/// After fork(2): the child cannot use the core. run() and turn() throw `misuse` there. Destroying the core in the
/// child destroys the child's copies of the tasks and does not touch the parent's driver. If another thread of the
/// parent used the core during the fork, the destructor in the child may wait forever for a lock of that thread. The
/// child must not destroy the core in this case. The child may make a new core.
/// A core without I/O is an exception: if it belongs to the thread that called fork(2), the child can use its copy of
/// the core. If it belongs to another thread, which the child does not have, work that is sent to it in the child never
/// runs.
///
/// Thread safety: use it on its own thread only. Other threads use remote().
/// Lifetime: objects that its tasks borrow must outlive the core. A local variable that is declared after the core is
/// destroyed before it.
class EDDY_API core {
public:
    /// Constructs an event loop with the default settings.
    /// Errors: throws std::system_error with an error of core_builder::build(), for example if too many descriptors are
    /// open, or if the driver that EDDY_DRIVER names is unknown or unavailable.
    core(std::source_location where = std::source_location::current());  // NOLINT(google-explicit-constructor)
    /// Same as the constructor, but returns the error.
    [[nodiscard]] static result<core> make(std::source_location where = std::source_location::current()) noexcept;
    /// Returns a builder with the default settings.
    [[nodiscard]] static core_builder builder() noexcept;

    /// Moves the event loop. The move assignment swaps the two objects.
    /// Preconditions: neither event loop is running.
    core(core&& other) noexcept : loop_(std::exchange(other.loop_, nullptr)) {}
    core& operator=(core&& other) noexcept {
        std::swap(loop_, other.loop_);
        return *this;
    }
    /// Destroys the event loop and its tasks; see the class comment.
    ~core();

    /// Runs the event loop on this thread until `main` is ready. Returns its output, or throws its exception. Other
    /// tasks of the event loop run meanwhile; tasks that have not ended by then continue in the next run() or turn().
    /// Errors: throws `wrong_thread` on another thread than the core's; `nested_runtime` on a thread that already runs
    /// an event loop or is a worker; `misuse` in a forked child.
    /// Lifetime: `main` may borrow from the caller's stack. A task that is given as an rvalue is destroyed before run()
    /// returns; anything else is borrowed.
    ///
    /// `main` may also be a function without parameters that returns a future, for example a lambda that is a
    /// coroutine. It is called before the event loop runs.
    template <class F>
    auto run(F&& main, std::source_location where = std::source_location::current()) {
        constexpr bool is_future = future<std::remove_cvref_t<F>> || detail::makes_main<F>;
        static_assert(
            is_future,
            "eddy: core.run takes a future, such as a task, or a function without parameters that returns one: "
            "for a function with parameters, call the coroutine, `core.run(work(x))`");
        if constexpr (detail::makes_main<F>) {
            return run(std::invoke(main), where);
        } else if constexpr (is_future) {
            return detail::run_main<F>(own("core::run()", where), std::forward<F>(main), where);
        } else {
            return detail::broken_future();
        }
    }

    /// Runs one iteration: executes one driver tick, fires the timers, then runs the tasks that are queued. The driver
    /// tick waits up to `max_wait` for events (nullopt: without a limit). It does not wait while tasks are queued.
    /// Errors: the same as for run().
    void turn(std::optional<std::chrono::nanoseconds> max_wait = std::nullopt,
              std::source_location where = std::source_location::current());

    /// Runs the event loop until no task is left.
    /// Errors: the same as for run().
    void run_until_idle(std::source_location where = std::source_location::current()) {
        detail::run_until_idle(own("core::run_until_idle()", where), where);
    }

    // ---- Inside another event loop (GLib, Qt, poll(2)) ----

    /// Returns a descriptor that is readable when turn() has work. The other event loop watches it for reading
    /// (POLLIN), and calls `turn(0ns)` when it is readable, or when next_deadline() has passed. The descriptor belongs
    /// to the core and stays the same. Do not read from it. Returns -1 if the core was built without I/O, or
    /// with the driver poll(2).
    /// Errors: throws `wrong_thread` on another thread than the core's; `misuse` if the core was moved from.
    [[nodiscard]] int native_handle(std::source_location where = std::source_location::current());
    /// Returns the latest time for the next turn(): the next timer, or a time in the past if tasks are queued. Returns
    /// nullopt if turn() has nothing to do until native_handle() is readable. Call this after each turn(), directly
    /// before the other event loop waits: from then on, wake-ups of other threads, and of other code on this thread,
    /// make the descriptor readable. A core with io_uring uses epoll from the first call on, because poll(2) does not
    /// wake up for the work of a ring.
    ///     while (!done) {
    ///         pollfd watched{core.native_handle(), POLLIN, 0};
    ///         ::poll(&watched, 1, milliseconds_until(core.next_deadline()));
    ///         core.turn(0ns);
    ///     }
    /// Errors: the same as for native_handle().
    [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> next_deadline(
        std::source_location where = std::source_location::current());

    /// Cancels all tasks gracefully (`poll_cancel`) and runs the event loop until they have ended, but not after
    /// `limit` of real time; then destroys the core and the tasks that are left. A task that is spawned meanwhile is
    /// cancelled before its first poll.
    /// Errors: the same as for run().
    void shutdown_timeout(std::chrono::nanoseconds limit,
                          std::source_location where = std::source_location::current()) &&;
    /// Runs the event loop until no task is left, then destroys the core.
    /// Errors: the same as for run().
    void shutdown_on_idle(std::source_location where = std::source_location::current()) && {
        core mine(std::move(*this));
        mine.run_until_idle(where);
    }
    /// Destroys the core and its tasks now, as the destructor does.
    void shutdown_now() && noexcept { const core mine(std::move(*this)); }
    detail::broken_future shutdown_timeout(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_future shutdown_on_idle(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_future shutdown_now(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);

    /// Returns a handle for this thread, or one for other threads.
    [[nodiscard]] core_handle handle(std::source_location where = std::source_location::current()) const {
        return core_handle(own("core::handle()", where));
    }
    [[nodiscard]] core_remote remote(std::source_location where = std::source_location::current()) const {
        return core_remote(own("core::remote()", where));
    }
    /// Returns a number that is unique among the event loops of this process; 0 for a moved-from core.
    [[nodiscard]] std::uint64_t id() const noexcept;
    /// Returns the counters of the event loop, as core_handle::metrics() does.
    /// Errors: throws `wrong_thread` on another thread than the core's.
    [[nodiscard]] core_metrics metrics(std::source_location where = std::source_location::current()) const;

    /// Returns the driver in use (never `automatic`), or nullopt if the core was built without I/O.
    [[nodiscard]] std::optional<driver_kind> driver() const noexcept;
    /// Returns the reason for the choice of the driver. The text starts with the name of the driver, or with "none" if
    /// there is no driver: "epoll: this kernel has no io_uring (ENOSYS)".
    /// Lifetime: the text has static storage duration.
    [[nodiscard]] std::string_view why_driver() const noexcept;

private:
    friend class core_builder;
    explicit core(detail::core_shared& loop) noexcept : loop_(&loop) {}

    /// Returns the event loop. Throws `misuse`, with the function name `what` in its text, if this core is empty.
    [[nodiscard]] detail::core_shared& own(const char* what, std::source_location where) const {
        if (loop_ == nullptr) [[unlikely]]
            detail::throw_empty(what, "core", "moved from", where);
        return *loop_;
    }

    detail::core_shared* loop_;  // null: empty
};

/// The settings of a core.
/// Thread safety: not synchronized; use one object from one thread at a time.
class EDDY_API core_builder : public executor_builder<core_builder> {
public:
    /// Constructs a builder with the default settings.
    core_builder() noexcept = default;
    /// Starts with the clock paused; see eddy::test::pause(). The default is a running clock.
    core_builder& start_paused(bool paused) noexcept {
        start_paused_ = paused;
        return *this;
    }
    /// Makes an idle event loop poll its driver without waiting for up to `limit` before its thread sleeps. The default
    /// is 0: no spinning. Use it for an event loop that has a processor to itself and whose peers answer quickly.
    /// Without spinning, a sender must wake the sleeping thread, which adds microseconds to the sender's work and to
    /// the latency of the answer. After `limit` an idle event loop sleeps. It never spins while its clock is paused.
    /// Errors: throws `misuse` for a negative duration.
    /// Cost: up to `limit` of processor time each time the event loop becomes idle.
    core_builder& spin_before_sleep(std::chrono::nanoseconds limit,
                                    std::source_location where = std::source_location::current()) {
        if (limit < limit.zero()) {
            throw misuse("spin_before_sleep() takes no negative duration: pass 0 to sleep at once", where);
        }
        spin_ = limit;
        return *this;
    }

    /// Makes the event loop, which belongs to this thread.
    /// Errors: system errors such as std::errc::too_many_files_open; errc::unknown_driver if EDDY_DRIVER names no
    /// driver. If driver() selected io_uring:
    /// std::errc::operation_not_permitted if io_uring is forbidden, std::errc::function_not_supported if the kernel has
    /// no io_uring, std::errc::not_enough_memory if the limit of locked memory is reached, and
    /// errc::driver_unavailable.
    [[nodiscard]] result<core> build(std::source_location where = std::source_location::current()) const noexcept;

private:
    friend class core_thread_builder;

    bool start_paused_ = false;
    std::chrono::nanoseconds spin_{0};
};

}  // namespace eddy
