// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <source_location>
#include <string_view>
#include <type_traits>
#include <utility>

#include <eddy/core_handle.hpp>
#include <eddy/detail/core_shared.hpp>
#include <eddy/detail/core_work.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/owned.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/reactor.hpp>
#include <eddy/result.hpp>

namespace eddy {

class core_builder;

/// One event loop, for one thread: it owns a driver, a timer wheel and tasks, and runs them while somebody calls run()
/// or turn(). It belongs to the thread that made it. It may be moved while it does not run; what is left is empty: its
/// id is 0, it has neither driver nor metrics, and all other uses throw `misuse`.
///
/// Destroying it destroys its tasks, on this thread; sockets that outlive it answer errc::runtime_shutdown; a sleep
/// that outlives it goes on where it is polled next. The child of a fork cannot use it: run() and turn() throw `misuse`
/// there, and destroying it destroys the child's copy of its tasks and leaves the parent's driver alone. (If another
/// thread of the parent was using the core at the fork, that may wait for ever for a lock of that thread's: then the
/// child leaves it undestroyed.) A new core can be made in the child. Lifetime: what its tasks borrow must outlive it;
/// a local that is declared after the core dies before it.
class EDDY_API core {
public:
    /// A loop with the defaults. Throws std::system_error with an error of core_builder::build(): too many descriptors
    /// are open, or the driver that EDDY_DRIVER names is none, or cannot be had.
    core();
    /// As the constructor, with the error as a value.
    [[nodiscard]] static result<core> make() noexcept;
    [[nodiscard]] static core_builder builder() noexcept;

    core(core&& other) noexcept : loop_(std::exchange(other.loop_, nullptr)) {}
    core& operator=(core&& other) noexcept {
        std::swap(loop_, other.loop_);
        return *this;
    }
    ~core();

    /// Drives the loop on this thread until `main` is ready, and returns its output or throws what it throws. Runs all
    /// other work of the loop meanwhile; what is left then stays, and goes on in the next run() or turn(). `main` may
    /// borrow from the caller's stack. A task given as an rvalue is destroyed before run() returns; all else is
    /// borrowed. Preconditions: not inside a loop on this thread (throws `nested_runtime`); the thread that made the
    /// core.
    template <class F>
    auto run(F&& main, std::source_location where = std::source_location::current()) {
        constexpr bool is_future = future<std::remove_cvref_t<F>>;
        static_assert(is_future,
                      "eddy: core.run takes a future, such as a task: call the coroutine, `core.run(work())`");
        if constexpr (is_future) {
            return detail::run_main<F>(own("core::run()", where), std::forward<F>(main), where);
        } else {
            return detail::broken_future();
        }
    }

    /// One iteration: asks the driver once, waiting up to `max_wait` (nullopt: until something happens; not at all
    /// while tasks are queued), hands out the events, fires timers, and then runs the tasks that are queued.
    void turn(std::optional<std::chrono::nanoseconds> max_wait = std::nullopt,
              std::source_location where = std::source_location::current());

    /// Drives the loop until no task is left.
    void run_until_idle(std::source_location where = std::source_location::current()) {
        detail::run_until_idle(own("core::run_until_idle()", where), where);
    }

    [[nodiscard]] core_handle handle(std::source_location where = std::source_location::current()) const {
        return core_handle(own("core::handle()", where));
    }
    [[nodiscard]] core_remote remote(std::source_location where = std::source_location::current()) const {
        return core_remote(own("core::remote()", where));
    }
    [[nodiscard]] std::uint64_t id() const noexcept;
    /// As core_handle::metrics(). Throws `wrong_thread` on another thread than the core's.
    [[nodiscard]] core_metrics metrics(std::source_location where = std::source_location::current()) const;

    /// Which driver the loop uses, and never `automatic`; nothing if it was built without I/O.
    [[nodiscard]] std::optional<driver_kind> driver() const noexcept;
    /// Why it is that one, in a sentence that begins with its name: "epoll: this kernel has no io_uring (ENOSYS)".
    /// Lifetime: the text is static.
    [[nodiscard]] std::string_view why_driver() const noexcept;

private:
    friend class core_builder;
    explicit core(detail::core_shared& loop) noexcept : loop_(&loop) {}

    /// The loop, for the function `what`.
    [[nodiscard]] detail::core_shared& own(const char* what, std::source_location where) const {
        if (loop_ == nullptr) [[unlikely]]
            detail::throw_empty(what, "core", "moved from", where);
        return *loop_;
    }

    detail::core_shared* loop_;  // null: empty
};

/// The settings of a loop.
class EDDY_API core_builder {
public:
    /// What is called with an exception that leaves a spawned task, and the place of its spawn. It must not throw.
    using uncaught_handler = std::function<void(std::exception_ptr, const std::source_location&)>;

    core_builder() noexcept = default;

    /// Without I/O the loop makes no descriptors and parks its thread instead; sockets answer errc::io_disabled.
    core_builder& enable_io(bool enabled) noexcept {
        enable_io_ = enabled;
        return *this;
    }
    /// Starts with the clock paused: see eddy::test::pause().
    core_builder& start_paused(bool paused) noexcept {
        start_paused_ = paused;
        return *this;
    }
    /// Uses this driver and no other, or with `automatic` whichever can be had. The default is what the environment's
    /// EDDY_DRIVER names, or else epoll.
    core_builder& driver(driver_kind kind) noexcept {
        driver_ = kind;
        return *this;
    }
    /// For so long the loop asks its driver again and again, without waiting, before its thread sleeps; by default not
    /// at all. For a loop with a processor to itself whose peers are soon back: whoever sends to a thread that sleeps
    /// has to wake it, which takes microseconds of his time, and of the answer's. A loop that stays idle sleeps all the
    /// same, and so it does while its clock is paused. Cost: up to so much of the processor whenever nothing is left to
    /// do.
    core_builder& spin_before_sleep(std::chrono::nanoseconds limit) noexcept {
        spin_ = limit;
        return *this;
    }
    /// By default one line on standard error.
    core_builder& on_uncaught(uncaught_handler handler) {
        on_uncaught_ = std::move(handler);
        return *this;
    }

    /// Errors: too_many_files_open and its like; errc::unknown_driver if EDDY_DRIVER names none. For io_uring that was
    /// asked for by name: operation_not_permitted where it is forbidden, function_not_supported where the kernel has
    /// none, not_enough_memory if no more may be locked, and errc::driver_unavailable.
    [[nodiscard]] result<core> build() const noexcept;

private:
    bool enable_io_ = true;
    bool start_paused_ = false;
    std::optional<driver_kind> driver_;
    std::chrono::nanoseconds spin_{0};
    uncaught_handler on_uncaught_;
};

}  // namespace eddy
