// SPDX-License-Identifier: MIT
#pragma once

#ifdef EDDY_NO_THREADS
#error "this eddy was built without threads (EDDY_NO_THREADS): use eddy::core or eddy::run instead of eddy::runtime"
#endif

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/result.hpp>
#include <eddy/runtime/handle.hpp>
#include <eddy/runtime/reactor.hpp>
#include <eddy/runtime/runtime_metrics.hpp>
#include <eddy/runtime/thread_builder.hpp>

namespace eddy {

class runtime_builder;
class runtime_ended;

/// A work-stealing runtime: worker threads that run tasks. Each worker has timers. On epoll, up to eight workers share
/// a driver, else each has its own. A server makes one runtime, or lets `eddy::run` make it.
///
/// The destructor cancels all tasks and joins the workers: each task is destroyed on a worker when it next waits.
/// Blocking work is not waited for. A task that never waits delays the destructor; see shutdown_timeout() and
/// shutdown_background(). Sockets that outlive the runtime fail with errc::runtime_shutdown. A sleep that outlives it
/// continues on the event loop or runtime that polls it next, or throws `misuse` if there is none.
///
/// A runtime that was moved from or shut down is empty: metrics() is all zero, shutting it down again does nothing, and
/// every other use throws `misuse`.
///
/// After fork(2): the child has none of the threads. In the child, spawned tasks are cancelled immediately, and
/// functions that would wait for the runtime throw `misuse`. The destructor and the shutdown functions only release the
/// object: the tasks' resources and the drivers' descriptors exist until the child ends. The child may make a new
/// runtime.
///
/// Thread safety: any thread, except for moving, destroying and shutting down. A task of the runtime must not destroy
/// it: that ends the process. Destroying it in a task of another runtime blocks that worker.
class EDDY_API runtime {
public:
    /// Starts a runtime with the default settings, with one worker for each processor.
    /// Errors: throws std::system_error with an error of runtime_builder::build(). Examples are too many descriptors or
    /// threads, an invalid EDDY_WORKER_THREADS, and a driver in EDDY_DRIVER that is unknown or unavailable.
    runtime();
    /// Same as the constructor, but returns the error.
    [[nodiscard]] static result<runtime> make() noexcept;
    /// Returns a builder with the default settings.
    [[nodiscard]] static runtime_builder builder();

    /// Moves the runtime. `other` is empty afterwards.
    runtime(runtime&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)) {}
    /// Moves the runtime. Shuts down the runtime that this object had before, as the destructor does.
    runtime& operator=(runtime&& other) noexcept {
        runtime taken(std::move(other));
        std::swap(pool_, taken.pool_);
        return *this;
    }
    /// Shuts the runtime down and joins its workers; see the class comment.
    ~runtime();

    /// Spawns a task on this runtime; see eddy::spawn.
    template <class W>
    auto spawn(W&& work, std::source_location where = std::source_location::current()) const {
        return detail::spawn_on(own("runtime::spawn()", where), std::forward<W>(work), where);
    }

    /// Runs a blocking function on a thread of this runtime; see eddy::spawn_blocking.
    template <class F>
    auto spawn_blocking(F&& f, std::source_location where = std::source_location::current()) const {
        return detail::spawn_blocking_on(&own("runtime::spawn_blocking()", where), std::forward<F>(f), where);
    }

    detail::broken_future spawn(auto&&, detail::argument_of_work auto&&, auto&&...) const
        EDDY_DELETED(EDDY_NO_ARGUMENTS);

    /// Runs a future on the workers and blocks this thread until it has ended. Returns its output, or throws its
    /// exception.
    /// Errors: throws `nested_runtime` on a thread that runs tasks of a runtime or an event loop; `misuse` in a forked
    /// child; std::system_error with errc::task_cancelled if the runtime is shut down, also before the call to
    /// handle::block_on().
    /// Lifetime: the future may borrow from the caller's stack. An lvalue is borrowed, an rvalue is moved in.
    ///
    /// `future` may also be a function without parameters that returns a future, for example a lambda that is a
    /// coroutine. It is called on this thread.
    template <class F>
    auto block_on(F&& future, std::source_location where = std::source_location::current()) const {
        static_cast<void>(own("runtime::block_on()", where));
        return handle().block_on(std::forward<F>(future), where);
    }

    /// Same as block_on(), then waits until the runtime is idle, and shuts it down.
    /// Errors: the same as for block_on() and wait_until_idle().
    template <class F>
    auto block_on_all(F&& future, std::source_location where = std::source_location::current()) && {
        // First, before anything is moved: the wait below is in a destructor and must not throw.
        detail::check_may_await_idle(own("runtime::block_on_all()", where), "block_on_all", where);
        struct end_when_idle {
            runtime mine;
            ~end_when_idle() { mine.wait_until_idle(); }
        } guard{std::move(*this)};
        return guard.mine.block_on(std::forward<F>(future), where);
    }

    /// Blocks this thread until no task except background tasks is alive, and no blocking work runs.
    /// Errors: throws `nested_runtime` on a thread that runs tasks, and inside blocking work of this runtime
    /// (spawn_blocking and block_in_place), which would wait for itself; `misuse` in a forked child.
    void wait_until_idle(std::source_location where = std::source_location::current()) const;

    /// Returns a handle to this runtime.
    [[nodiscard]] eddy::handle handle(std::source_location where = std::source_location::current()) const {
        return detail::runtime_access::make_handle(own("runtime::handle()", where));
    }
    /// Makes this runtime the current one of this thread during the lifetime of the guard; see handle::enter().
    [[nodiscard]] enter_guard enter(std::source_location where = std::source_location::current()) const {
        return detail::runtime_access::make_handle(own("runtime::enter()", where)).enter(where);
    }
    /// Returns a snapshot of the counters. An empty runtime has no workers, and all counters are zero.
    [[nodiscard]] runtime_metrics metrics() const;

    /// Returns the driver of the workers (never `automatic`), or nullopt if the runtime was built without I/O or is
    /// empty. (Inside eddy::run, use `eddy::handle::current().metrics().driver`.)
    [[nodiscard]] std::optional<driver_kind> driver() const noexcept;
    /// Returns why this driver was chosen, as a sentence that starts with the name of the driver:
    /// "epoll: this kernel has no io_uring (ENOSYS)".
    /// Lifetime: the text has static storage duration.
    [[nodiscard]] std::string_view why_driver() const noexcept;

    // ---- Shutting down (does nothing if the runtime is empty) ----

    /// Cancels all tasks gracefully and waits for their end until `limit` has passed, then destroys the tasks that are
    /// left. Waits for blocking work, too, until the same limit. Threads that have not ended by then are detached.
    /// Blocking work of this runtime may call it, also inside block_in_place; the call does not wait for that work.
    /// Errors: throws `nested_runtime` on a thread that runs tasks.
    void shutdown_timeout(std::chrono::nanoseconds limit,
                          std::source_location where = std::source_location::current()) &&;
    /// Begins the shutdown and does not wait for its end. The runtime's own tasks may call it. They may also call
    /// shutdown_on_idle() and shutdown_now(), unless a task of the runtime waits for the returned future.
    void shutdown_background() && noexcept;
    /// Shuts the runtime down as soon as it is idle. Wait for the end with `std::move(rt).shutdown_on_idle().wait()`,
    /// or await the returned future outside of this runtime.
    [[nodiscard]] runtime_ended shutdown_on_idle() && noexcept;
    /// Begins the shutdown immediately. The returned future is ready when the shutdown is complete; dropping it does
    /// not wait.
    [[nodiscard]] runtime_ended shutdown_now() && noexcept;

    detail::broken_future block_on_all(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_future shutdown_timeout(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_future shutdown_background(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_future shutdown_on_idle(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_future shutdown_now(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);

private:
    friend class runtime_builder;
    explicit runtime(detail::pool& pool) noexcept : pool_(&pool) {}

    /// Returns the pool. Throws `misuse`, with the function name `what` in its text, if the runtime is empty.
    [[nodiscard]] detail::pool& own(const char* what, std::source_location where) const {
        if (pool_ == nullptr) [[unlikely]]
            detail::throw_empty(what, "runtime", "moved from, or shut down", where);
        return *pool_;
    }

    detail::pool* pool_;  // null: empty
};

/// A future that is ready when a runtime has shut down: its tasks are destroyed and its workers have ended. For an
/// empty runtime it is ready immediately.
/// Cancel safety: safe. If it is dropped, the shutdown continues.
/// Thread safety: same as any future; see eddy::future.
class [[nodiscard("await it, or call wait()")]] EDDY_API runtime_ended : public future_ops<runtime_ended> {
public:
    using output_type = void;

    /// Moves the future. `other` is then ready immediately.
    runtime_ended(runtime_ended&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)) {}
    runtime_ended& operator=(runtime_ended&&) = delete;
    /// Does not wait: the shutdown continues.
    ~runtime_ended();

    poll_result<void> poll(context& cx);
    /// Blocks this thread until the runtime has shut down.
    /// Errors: throws `nested_runtime` on a thread that runs tasks; after shutdown_on_idle() also the errors of
    /// runtime::wait_until_idle().
    void wait(std::source_location where = std::source_location::current());

private:
    friend class runtime;
    explicit runtime_ended(detail::pool* pool) noexcept : pool_(pool) {}

    detail::pool* pool_;
};

/// The settings of a runtime.
/// Thread safety: not synchronized; use one object from one thread at a time.
class EDDY_API runtime_builder : public thread_builder<runtime_builder> {
public:
    /// Constructs a builder with the default settings.
    runtime_builder() = default;

    /// Sets the number of workers, from 1 to 32,767. The default is the value of the environment variable
    /// EDDY_WORKER_THREADS or, if that is unset, the number of processors that this process may use: the processors in
    /// its affinity, but on Linux not more than its control groups allow (a container with 2.5 processors has 3
    /// workers). A value that is set here overrides EDDY_WORKER_THREADS.
    /// Errors: throws `misuse` for other values.
    runtime_builder& worker_threads(unsigned count, std::source_location where = std::source_location::current()) {
        if (count == 0 || count > most_workers) {
            throw misuse("worker_threads(" + std::to_string(count) +
                             "): a runtime has from 1 to 32,767 workers; without this call it has one per processor",
                         where);
        }
        worker_threads_ = count;
        return *this;
    }
    /// Sets the prefix of thread names, which debuggers show; the thread's number is appended. The default is
    /// "eddy-worker-". The system keeps the first 15 bytes.
    runtime_builder& thread_name(std::string name) {
        thread_name_ = std::move(name);
        name_thread_ = nullptr;
        return *this;
    }
    /// Sets a function that returns the whole name of a thread. It is called on each new thread, workers and blocking
    /// threads, before on_thread_start(), possibly on several threads at the same time. It must not throw.
    runtime_builder& thread_name(std::function<std::string()> name) {
        name_thread_ = std::move(name);
        return *this;
    }
    /// Binds each worker to one processor: worker i to the processor i of the list, which begins anew if there are more
    /// workers. Without an argument, the list has the processors on which the calling thread may run. Replaces
    /// affinity(), which has the rules for other threads.
    /// Errors: same as affinity().
    runtime_builder& pin_workers(std::source_location where = std::source_location::current());
    runtime_builder& pin_workers(std::vector<unsigned> processors,
                                 std::source_location where = std::source_location::current()) {
        detail::check_processors(processors, "pin_workers()", where);
        processors_ = std::move(processors);
        is_one_each_ = true;
        return *this;
    }
    /// Sets the maximum number of threads for blocking work, at least 1. The default is 512.
    /// Errors: throws `misuse` for 0.
    runtime_builder& max_blocking_threads(std::size_t count,
                                          std::source_location where = std::source_location::current()) {
        if (count == 0) throw misuse("max_blocking_threads(0) would run no blocking work: pass at least 1", where);
        max_blocking_threads_ = count;
        return *this;
    }
    /// Sets how long an idle thread for blocking work waits for more work before it ends. The default is 10 s.
    /// Errors: throws `misuse` for a negative duration.
    runtime_builder& thread_keep_alive(std::chrono::nanoseconds d,
                                       std::source_location where = std::source_location::current()) {
        if (d < d.zero()) throw misuse("thread_keep_alive() takes no negative duration: pass 0 or more", where);
        keep_alive_ = d;
        return *this;
    }
    /// Sets the number of polls, at least 1, after which a worker takes a task from the injection queue first. The
    /// default is 31.
    /// Errors: throws `misuse` for 0.
    runtime_builder& global_queue_interval(unsigned polls,
                                           std::source_location where = std::source_location::current()) {
        if (polls == 0) {
            throw misuse("global_queue_interval(0): pass 1 to look at the injection queue before each poll", where);
        }
        global_interval_ = polls;
        return *this;
    }
    /// Sets the number of polls, at least 1, after which a busy worker reads its clock. If 20 us have passed since its
    /// last driver tick, it runs the next one. It does the same after a poll that has used up the coop budget. The
    /// default is 61.
    /// Errors: throws `misuse` for 0.
    runtime_builder& event_interval(unsigned polls, std::source_location where = std::source_location::current()) {
        if (polls == 0) throw misuse("event_interval(0): pass 1 to read the clock after each poll", where);
        event_interval_ = polls;
        return *this;
    }
    /// Disables the LIFO slot. A task that is woken or spawned on a worker then goes to the end of the worker's queue.
    /// Other workers can steal it from there, and it does not run next on the same worker. Use this if tasks compute
    /// for a long time after they have woken other tasks.
    runtime_builder& disable_lifo_slot() noexcept {
        has_lifo_slot_ = false;
        return *this;
    }
    /// Sets whether an uncaught exception shuts the runtime down, after the handler of on_uncaught() was called. The
    /// default is false.
    runtime_builder& shutdown_on_uncaught(bool enabled) noexcept {
        shutdown_on_uncaught_ = enabled;
        return *this;
    }

    /// Starts the runtime. After an error, no thread and no descriptor is left.
    /// Errors: system errors such as std::errc::too_many_files_open; errc::bad_worker_count for an invalid
    /// EDDY_WORKER_THREADS; errc::affinity_unsupported; errc::unknown_driver if EDDY_DRIVER names no driver. If
    /// driver() selected io_uring, also the errors of core_builder::build() for io_uring.
    [[nodiscard]] result<runtime> build() const noexcept;

private:
    friend class detail::pool;

    static constexpr unsigned most_workers = 32'767;

    std::optional<unsigned> worker_threads_;
    std::string thread_name_ = "eddy-worker-";
    std::function<std::string()> name_thread_;
    std::size_t max_blocking_threads_ = 512;
    std::chrono::nanoseconds keep_alive_ = std::chrono::seconds(10);
    unsigned global_interval_ = 31;
    unsigned event_interval_ = 61;
    bool has_lifo_slot_ = true;
    bool shutdown_on_uncaught_ = false;
};

inline runtime_builder runtime::builder() { return {}; }

/// Returns the index of the worker that this thread runs, which is less than the number of workers of its runtime;
/// nullopt on other threads: event loops, threads for blocking work, and after a block_in_place has handed the worker
/// over. Use it as an index into an array of objects that threads must not share.
[[nodiscard]] EDDY_API std::optional<std::size_t> worker_index() noexcept;

}  // namespace eddy
