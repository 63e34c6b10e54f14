// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>

#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/future_ops.hpp>
#include <eddy/handle.hpp>
#include <eddy/reactor.hpp>
#include <eddy/result.hpp>
#include <eddy/runtime_metrics.hpp>

namespace eddy {

class runtime_builder;
class runtime_ended;

/// A work-stealing runtime: worker threads that run tasks, each with a driver and timers of its own. A server makes
/// one, or lets `eddy::run` make it.
///
/// Destroying it cancels what still runs: every task is destroyed, on a worker, when it next waits; the workers are
/// joined. Sockets that outlive it answer errc::runtime_shutdown; a sleep that outlives it goes on where it is polled
/// next, or throws `misuse` if no loop or runtime is there. Blocking work is not waited for. A task that never waits
/// holds this up: see shutdown_timeout() and shutdown_background(). One that was moved from, or shut down, is empty: it
/// has no metrics, shutting it down again does nothing, and all other uses throw `misuse`.
///
/// The child of a fork has none of the threads. There what is spawned is cancelled at once, what would wait for the
/// runtime throws `misuse`, and the destructor and the shutdowns just let go: what the tasks hold, and the drivers'
/// descriptors, stay where they are until the child ends. A new runtime can be made in the child. Thread safety: all
/// but moving, destroying and shutting down on any thread. It must not be destroyed by one of its own tasks, which ends
/// the program; in a task of another runtime that blocks the thread.
class EDDY_API runtime {
public:
    /// A worker for each processor. Throws std::system_error with an error of runtime_builder::build(): there are too
    /// many descriptors or threads, EDDY_WORKER_THREADS is wrong, or the driver that EDDY_DRIVER names is none, or
    /// cannot be had.
    runtime();
    /// As the constructor, with the error as a value.
    [[nodiscard]] static result<runtime> make() noexcept;
    [[nodiscard]] static runtime_builder builder();

    runtime(runtime&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)) {}
    /// Shuts the runtime down that this was, as the destructor does.
    runtime& operator=(runtime&& other) noexcept {
        runtime taken(std::move(other));
        std::swap(pool_, taken.pool_);
        return *this;
    }
    ~runtime();

    /// As eddy::spawn, on this runtime.
    template <class W>
    auto spawn(W&& work, std::source_location where = std::source_location::current()) const {
        if constexpr (detail::check_spawned<W>()) {
            return detail::spawn_on(own("runtime::spawn()", where), std::forward<W>(work), where);
        } else {
            return detail::broken_future();
        }
    }

    /// As eddy::spawn_blocking, on this runtime. Any thread.
    template <class F>
    auto spawn_blocking(F&& f, std::source_location where = std::source_location::current()) const {
        if constexpr (detail::check_blocking<F>()) {
            return detail::spawn_blocking_on(&own("runtime::spawn_blocking()", where), std::forward<F>(f), where);
        } else {
            return detail::broken_future();
        }
    }

    // Only to say in a short error what to write.
    template <class W, detail::argument_of_work A, class... More>
    auto spawn(W&&, A&&, More&&...) const {
        return detail::refuse_arguments<W>();
    }

    /// Runs a future on the workers, blocks until it has ended, and returns its output or throws what it throws. The
    /// future may borrow from the caller's stack: an lvalue is borrowed, an rvalue is moved.
    /// Errors: throws `nested_runtime` on a thread that runs a runtime's or a loop's tasks; `misuse` in a forked child;
    /// std::system_error with errc::task_cancelled if the runtime is shut down meanwhile.
    template <class F>
    auto block_on(F&& future, std::source_location where = std::source_location::current()) const {
        static_cast<void>(own("runtime::block_on()", where));
        return handle().block_on(std::forward<F>(future), where);
    }

    /// As block_on(), and then waits until the runtime is idle, and shuts it down.
    /// Errors: as block_on(), and those of wait_until_idle().
    template <class F>
    auto block_on_all(F&& future, std::source_location where = std::source_location::current()) && {
        // Before anything moves: the wait below cannot throw, in a destructor.
        detail::check_may_await_idle(own("runtime::block_on_all()", where), "block_on_all", where);
        struct end_when_idle {
            runtime mine;
            ~end_when_idle() { mine.wait_until_idle(); }
        } guard{std::move(*this)};
        return guard.mine.block_on(std::forward<F>(future), where);
    }

    /// Blocks until no task is alive but background ones, and no blocking work.
    /// Errors: throws `nested_runtime` on a thread that runs tasks, and in work of this runtime that it would wait for:
    /// in its spawn_blocking, and in block_in_place; `misuse` in a forked child.
    void wait_until_idle(std::source_location where = std::source_location::current()) const;

    [[nodiscard]] eddy::handle handle(std::source_location where = std::source_location::current()) const {
        return detail::runtime_access::make_handle(own("runtime::handle()", where));
    }
    /// See handle::enter().
    [[nodiscard]] enter_guard enter(std::source_location where = std::source_location::current()) const {
        return detail::runtime_access::make_handle(own("runtime::enter()", where)).enter();
    }
    /// Of an empty runtime: no workers, and zeros.
    [[nodiscard]] runtime_metrics metrics() const;

    /// Which driver the workers use, and never `automatic`; nothing if the runtime was built without I/O, or is empty.
    /// (In a program of eddy::run: `eddy::handle::current().metrics().driver`.)
    [[nodiscard]] std::optional<driver_kind> driver() const noexcept;
    /// Why it is that one, in a sentence that begins with its name: "epoll: this kernel has no io_uring (ENOSYS)".
    /// Lifetime: the text is static.
    [[nodiscard]] std::string_view why_driver() const noexcept;

    // ---- Shutting down (an empty runtime: does nothing) ----

    /// Asks the tasks to end in an orderly way, waits for that up to `limit`, destroys the rest, and waits for blocking
    /// work up to the same limit. What has not ended by then goes on by itself.
    /// Blocking work of this runtime may call it, also in block_in_place: that is not waited for.
    /// Errors: throws `nested_runtime` on a thread that runs tasks.
    void shutdown_timeout(std::chrono::nanoseconds limit,
                          std::source_location where = std::source_location::current()) &&;
    /// Begins the shutdown and does not wait. Allowed in the runtime's own tasks, as are shutdown_on_idle() and
    /// shutdown_now() if nobody there waits for what they return.
    void shutdown_background() && noexcept;
    /// Shuts down as soon as the runtime is idle: `std::move(rt).shutdown_on_idle().wait()`, or await it elsewhere.
    [[nodiscard]] runtime_ended shutdown_on_idle() && noexcept;
    /// Begins the shutdown at once; what it returns is ready when it has ended. Dropping that waits for nothing.
    [[nodiscard]] runtime_ended shutdown_now() && noexcept;

    // Only to say in a short error what to write.
    template <class... A>
    auto block_on_all(A&&...) & {
        return detail::refuse_lvalue<A...>();
    }
    template <class... A>
    auto shutdown_timeout(A&&...) & {
        return detail::refuse_lvalue<A...>();
    }
    template <class... A>
    auto shutdown_background(A&&...) & {
        return detail::refuse_lvalue<A...>();
    }
    template <class... A>
    auto shutdown_on_idle(A&&...) & {
        return detail::refuse_lvalue<A...>();
    }
    template <class... A>
    auto shutdown_now(A&&...) & {
        return detail::refuse_lvalue<A...>();
    }

private:
    friend class runtime_builder;
    explicit runtime(detail::pool& pool) noexcept : pool_(&pool) {}

    /// The pool, for the function `what`.
    [[nodiscard]] detail::pool& own(const char* what, std::source_location where) const {
        if (pool_ == nullptr) [[unlikely]]
            detail::throw_empty(what, "runtime", "moved from, or shut down", where);
        return *pool_;
    }

    detail::pool* pool_;  // null: empty
};

/// A future that is ready once a runtime has shut down: its tasks are destroyed and its workers out. Dropping it waits
/// for nothing; the shutdown goes on. Of an empty runtime it is ready at once.
class [[nodiscard("await it, or call wait()")]] EDDY_API runtime_ended : public future_ops<runtime_ended> {
public:
    using output_type = void;

    runtime_ended(runtime_ended&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)) {}
    runtime_ended& operator=(runtime_ended&&) = delete;
    ~runtime_ended();

    poll_result<void> poll(context& cx);
    /// Blocks this thread until then.
    /// Errors: throws `nested_runtime` on a thread that runs tasks; after shutdown_on_idle() as wait_until_idle().
    void wait(std::source_location where = std::source_location::current());

private:
    friend class runtime;
    explicit runtime_ended(detail::pool* pool) noexcept : pool_(pool) {}

    detail::pool* pool_;
};

/// Functions that a runtime calls at certain moments. They must be quick, and must not throw.
struct runtime_hooks {
    std::function<void()> thread_start;           ///< on each new thread, workers and blocking ones
    std::function<void()> thread_stop;            ///< on each thread, before it ends
    std::function<void()> before_park;            ///< a worker is about to sleep
    std::function<void()> after_unpark;           ///< a worker has slept
    std::function<void(task_id)> task_spawn;      ///< on the thread that spawns
    std::function<void(task_id)> task_terminate;  ///< the task's future is gone
    std::function<void(task_id)> before_task_poll;
    std::function<void(task_id)> after_task_poll;

    runtime_hooks() {}  // NOLINT: GCC 12 destroys an aggregate in a co_await twice
};

/// The settings of a runtime.
class EDDY_API runtime_builder {
public:
    /// What is called with an exception that left a task and that nobody takes, and the place of the task's spawn. It
    /// must not throw.
    using uncaught_handler = std::function<void(std::exception_ptr, const std::source_location&)>;

    runtime_builder() = default;

    /// From 1 to 32,767: for others build() answers invalid_argument. By default one for each processor that this
    /// process may use; the environment's EDDY_WORKER_THREADS overrides that default, and not what is set here.
    runtime_builder& worker_threads(unsigned count) noexcept {
        worker_threads_ = count;
        return *this;
    }
    /// Names of threads, for debuggers: `name` with the thread's number. The system keeps 15 bytes.
    runtime_builder& thread_name(std::string name) {
        thread_name_ = std::move(name);
        return *this;
    }
    /// In bytes, of workers and blocking threads; 0 is the system's default.
    runtime_builder& thread_stack_size(std::size_t bytes) noexcept {
        stack_size_ = bytes;
        return *this;
    }
    /// The most threads for blocking work at one time (512).
    runtime_builder& max_blocking_threads(std::size_t count) noexcept {
        max_blocking_threads_ = count;
        return *this;
    }
    /// How long a thread for blocking work waits for more (10 s).
    runtime_builder& thread_keep_alive(std::chrono::nanoseconds d) noexcept {
        keep_alive_ = d;
        return *this;
    }
    /// After so many polls a worker takes a task of the injection queue first (31).
    runtime_builder& global_queue_interval(unsigned polls) noexcept {
        global_interval_ = polls;
        return *this;
    }
    /// After so many polls a worker that has work looks at its clock, and if 20 us have passed at its driver (61).
    runtime_builder& event_interval(unsigned polls) noexcept {
        event_interval_ = polls;
        return *this;
    }
    /// Without I/O no descriptors are made; sockets answer errc::io_disabled.
    runtime_builder& enable_io(bool enabled) noexcept {
        enable_io_ = enabled;
        return *this;
    }
    /// Uses this driver and no other, or with `automatic` whichever can be had. The default is what the environment's
    /// EDDY_DRIVER names, or else epoll.
    runtime_builder& driver(driver_kind kind) noexcept {
        driver_ = kind;
        return *this;
    }
    /// By default one line on standard error.
    runtime_builder& on_uncaught(uncaught_handler handler) {
        on_uncaught_ = std::move(handler);
        return *this;
    }
    /// Whether an exception that nobody takes shuts the runtime down (after the handler was called).
    runtime_builder& shutdown_on_uncaught(bool enabled) noexcept {
        shutdown_on_uncaught_ = enabled;
        return *this;
    }
    /// Whether the workers note how long each poll of a task takes (false): see worker_metrics::poll_times. Costs two
    /// looks at the clock for each poll.
    runtime_builder& poll_time_histogram(bool enabled) noexcept {
        poll_time_histogram_ = enabled;
        return *this;
    }
    /// The seed of what is random on the workers: the order in which they look into each other's queues, and the branch
    /// with which a select begins.
    runtime_builder& rng_seed(std::uint64_t seed) noexcept {
        seed_ = seed;
        return *this;
    }

    runtime_builder& on_thread_start(std::function<void()> f) {
        hooks_.thread_start = std::move(f);
        return *this;
    }
    runtime_builder& on_thread_stop(std::function<void()> f) {
        hooks_.thread_stop = std::move(f);
        return *this;
    }
    runtime_builder& on_thread_park(std::function<void()> f) {
        hooks_.before_park = std::move(f);
        return *this;
    }
    runtime_builder& on_thread_unpark(std::function<void()> f) {
        hooks_.after_unpark = std::move(f);
        return *this;
    }
    runtime_builder& on_task_spawn(std::function<void(task_id)> f) {
        hooks_.task_spawn = std::move(f);
        return *this;
    }
    runtime_builder& on_task_terminate(std::function<void(task_id)> f) {
        hooks_.task_terminate = std::move(f);
        return *this;
    }
    runtime_builder& on_before_task_poll(std::function<void(task_id)> f) {
        hooks_.before_task_poll = std::move(f);
        return *this;
    }
    runtime_builder& on_after_task_poll(std::function<void(task_id)> f) {
        hooks_.after_task_poll = std::move(f);
        return *this;
    }

    /// Errors: too_many_files_open and its like; invalid_argument for no workers, or more than 32,767;
    /// errc::unknown_driver if EDDY_DRIVER names none; errc::bad_worker_count for an EDDY_WORKER_THREADS that is no
    /// number of workers; for io_uring that was asked for by name, the errors of core_builder::build(). Nothing is left
    /// behind.
    [[nodiscard]] result<runtime> build() const noexcept;

private:
    friend class detail::pool;

    std::optional<unsigned> worker_threads_;
    std::string thread_name_ = "eddy-worker-";
    std::size_t stack_size_ = 0;
    std::size_t max_blocking_threads_ = 512;
    std::chrono::nanoseconds keep_alive_ = std::chrono::seconds(10);
    unsigned global_interval_ = 31;
    unsigned event_interval_ = 61;
    bool enable_io_ = true;
    std::optional<driver_kind> driver_;
    uncaught_handler on_uncaught_;
    bool shutdown_on_uncaught_ = false;
    bool poll_time_histogram_ = false;
    std::uint64_t seed_ = 0x9e3779b97f4a7c15u;
    runtime_hooks hooks_;
};

inline runtime_builder runtime::builder() { return {}; }

}  // namespace eddy
