// SPDX-License-Identifier: MIT
#pragma once

#ifdef EDDY_NO_THREADS
#error \
    "this eddy was built without threads (EDDY_NO_THREADS): use eddy::core or eddy::run instead of eddy::background_reactor"
#endif

#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/wait_record.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/io/detail/io_waiter.hpp>
#include <eddy/runtime/reactor.hpp>

namespace eddy {

namespace detail {
class background_thread;
enum class shutdown_kind : unsigned char { on_idle, now };
}  // namespace detail

/// A future that shuts a background_reactor down: its first poll requests the shutdown, and it becomes ready when the
/// thread has ended. See background_reactor::shutdown_on_idle() and shutdown_now().
/// Cancel safety: safe. A shutdown that was requested is not revoked.
/// Thread safety: several of these futures may wait for one background_reactor, on any threads.
/// Lifetime: it may outlive the background_reactor. Do not move it after its first poll: that ends the process.
class [[nodiscard("nothing is shut down before it is awaited")]] EDDY_API background_shutdown
    : public future_ops<background_shutdown> {
public:
    using output_type = void;

    /// Moves the future; see the class comment.
    background_shutdown(background_shutdown&& other) noexcept;
    background_shutdown& operator=(background_shutdown&&) = delete;
    ~background_shutdown();

    /// Errors: throws `misuse` if the future was ready before, or was moved from.
    poll_result<void> poll(context& cx);

private:
    friend class background_reactor;
    background_shutdown(detail::background_thread& thread, detail::shutdown_kind kind) noexcept;

    detail::background_thread* thread_;  // holds a reference; null after the output was taken or after a move
    detail::io_waiter waiter_;
    detail::shutdown_kind kind_;
    detail::wait_record record_;
};

/// A reactor whose event loop runs on a dedicated thread, so that events are processed even while the threads that wait
/// for them are busy: `auto events = std::move(reactor).background().value();`. The thread wakes tasks, but it does not
/// run them.
///
/// The destructor shuts the reactor down immediately and joins the thread. Operations that are pending, and all later
/// ones, fail with errc::runtime_shutdown.
/// Thread safety: handle(), its copies and the futures may be used on any thread. Do not destroy the object on the
/// reactor's own thread, that is, inside a waker: that ends the process.
class EDDY_API background_reactor {
public:
    /// A moved-from object may only be destroyed or assigned to. The assignment swaps the two reactors.
    background_reactor(background_reactor&& other) noexcept : thread_(std::exchange(other.thread_, nullptr)) {}
    background_reactor& operator=(background_reactor&& other) noexcept {
        std::swap(thread_, other.thread_);
        return *this;
    }
    /// Shuts the reactor down and joins the thread; see the class comment.
    ~background_reactor();

    /// Returns a handle to this reactor, to register descriptors or to call reactor_handle::set_fallback().
    [[nodiscard]] reactor_handle handle() const noexcept;

    /// Returns a future that ends the thread as soon as no descriptor is registered. Later registrations fail with
    /// errc::runtime_shutdown. It does nothing until it is awaited.
    ///     co_await events.shutdown_on_idle();     or, without a runtime,     eddy::wait(events.shutdown_on_idle());
    background_shutdown shutdown_on_idle() noexcept;

    /// Returns a future that ends the thread immediately. Pending operations fail with errc::runtime_shutdown. It does
    /// nothing until it is awaited.
    background_shutdown shutdown_now() noexcept;

    /// Detaches the thread, which then runs until the process ends.
    void forget() && noexcept;
    detail::broken_future forget(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);

private:
    friend class reactor;
    explicit background_reactor(detail::background_thread& thread) noexcept : thread_(&thread) {}

    detail::background_thread* thread_;  // holds a reference; null if moved from or forgotten
};

}  // namespace eddy
