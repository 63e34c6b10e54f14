// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <utility>

#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/core_shared.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/reactor.hpp>
#include <eddy/result.hpp>

namespace eddy {

class core_remote;

namespace detail {

// Defined in detail/core_work.hpp, which is included at the end.
struct core_access;
template <class W>
constexpr bool check_work();
template <class W>
core_task& spawn_work(core_shared& loop, W&& work, std::source_location where);
template <class W>
[[nodiscard]] bool send_work(core_shared& loop, W&& work, std::source_location where);
template <class F>
auto call_on_loop(const core_remote& remote, F&& f, std::source_location where);

}  // namespace detail

/// What a loop has counted.
class core_metrics {
public:
    core_metrics(std::size_t alive, std::uint64_t polls, std::uint64_t turns, const io_metrics& io) noexcept
        : alive_(alive), polls_(polls), turns_(turns), io_(io) {}

    [[nodiscard]] std::size_t alive_tasks() const noexcept { return alive_; }
    [[nodiscard]] std::uint64_t polls() const noexcept { return polls_; }  ///< of tasks, main futures included
    [[nodiscard]] std::uint64_t turns() const noexcept { return turns_; }  ///< looks at the driver
    [[nodiscard]] const io_metrics& io() const noexcept { return io_; }

private:
    std::size_t alive_;
    std::uint64_t polls_;
    std::uint64_t turns_;
    io_metrics io_;
};

/// A handle to a loop, for the loop's own thread: to spawn, and to make sockets that belong to the loop. Cheap to copy.
/// It does not keep the loop running: once the `core` is gone, spawn() answers an error.
/// Thread safety: may be copied and destroyed anywhere; used on the loop's thread only, which each use checks (it
/// throws `wrong_thread`). For other threads there is `core_remote`.
class EDDY_API core_handle {
public:
    core_handle(const core_handle& other) noexcept : loop_(other.loop_) { detail::retain(*loop_); }
    core_handle& operator=(const core_handle& other) noexcept {
        core_handle copy(other);
        std::swap(loop_, copy.loop_);
        return *this;
    }
    ~core_handle() { detail::release(*loop_); }

    /// The handle of the loop that runs on this thread. Throws `misuse` if there is none.
    [[nodiscard]] static core_handle current(std::source_location where = std::source_location::current());
    /// The handle of the loop that runs on this thread, if one does.
    [[nodiscard]] static std::optional<core_handle> try_current() noexcept;

    /// Runs a future in the background of the loop, from its next turn on. `work` is a future whose output is void, or
    /// a callable that makes one (and may take a `core_handle&`), or a callable that returns nothing. The callable is
    /// called on the loop, and lives as long as its future. An exception that leaves the work goes to the loop's
    /// handler. Errors: runtime_shutdown if the loop is gone, or is the parent's, in a forked child; `work` is
    /// destroyed then. Thread safety: throws `wrong_thread` on another thread than the loop's. Cost: one block of the
    /// frame pool; no atomic operation.
    template <class W>
    discardable_result spawn(W&& work, std::source_location where = std::source_location::current()) const {
        detail::check_thread(*loop_, where);
        if (detail::is_closed(*loop_)) return std::unexpected(make_error_code(errc::runtime_shutdown));
        if constexpr (detail::check_work<W>()) detail::spawn_work(*loop_, std::forward<W>(work), where);
        return {};
    }

    // Only to say in a short error what to write.
    template <class W, detail::argument_of_work A, class... More>
    auto spawn(W&&, A&&, More&&...) const {
        return detail::refuse_arguments<W>();
    }

    /// For other threads.
    [[nodiscard]] core_remote remote() const noexcept;

    /// The reactor of this loop.
    /// Errors: io_disabled if the loop was built without I/O; runtime_shutdown if it is gone.
    [[nodiscard]] result<reactor_handle> reactor(std::source_location where = std::source_location::current()) const;

    [[nodiscard]] core_metrics metrics(std::source_location where = std::source_location::current()) const;

    /// A number that no other loop of this process has.
    [[nodiscard]] std::uint64_t id() const noexcept;

private:
    friend class core;
    friend class core_remote;
    friend struct detail::core_access;

    explicit core_handle(detail::core_shared& loop) noexcept : loop_(&loop) { detail::retain(loop); }

    detail::core_shared* loop_;
};

/// A way to a loop for all other threads. What is sent runs on the loop's thread, in the order of each sender.
/// Thread safety: any thread.
class EDDY_API core_remote {
public:
    core_remote(const core_remote& other) noexcept : loop_(other.loop_) { detail::retain(*loop_); }
    core_remote& operator=(const core_remote& other) noexcept {
        core_remote copy(other);
        std::swap(loop_, copy.loop_);
        return *this;
    }
    ~core_remote() { detail::release(*loop_); }

    /// Runs `work` on the loop, as core_handle::spawn() does: a callable (it crosses the thread; the future that it
    /// makes need not) or a future. The callable's `core_handle&` is the proof that it runs on the loop, and stays
    /// valid as long as its future. Errors: runtime_shutdown if the loop is gone; `work` is destroyed then, on this
    /// thread. Cost: one or two blocks of the frame pool, two atomic operations, and a system call if the loop sleeps.
    template <class W>
    discardable_result spawn(W&& work, std::source_location where = std::source_location::current()) const {
        if constexpr (detail::check_work<W>()) {
            if (!detail::send_work(*loop_, std::forward<W>(work), where)) {
                return std::unexpected(make_error_code(errc::runtime_shutdown));
            }
        }
        return {};
    }

    /// Runs `f(handle)` on the loop and gives what it makes: `remote.call(f).get()`. `f` takes a `core_handle&` or
    /// nothing and returns a value or a future of one. What it throws, get() throws; std::system_error with
    /// runtime_shutdown if the loop is gone, or goes before the work has ended.
    template <class F>
    [[nodiscard]] auto call(F&& f, std::source_location where = std::source_location::current()) const;

    /// A handle, if this is the loop's thread and the loop is running.
    [[nodiscard]] std::optional<core_handle> try_handle() const noexcept;

    [[nodiscard]] std::uint64_t id() const noexcept;

private:
    friend class core_handle;
    friend class core;
    explicit core_remote(detail::core_shared& loop) noexcept : loop_(&loop) { detail::retain(loop); }

    detail::core_shared* loop_;
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

#include <eddy/detail/core_work.hpp>  // IWYU pragma: keep
