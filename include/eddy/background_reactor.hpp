// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/scheduled_io.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>
#include <eddy/reactor.hpp>

namespace eddy {

namespace detail {
class background_thread;
enum class shutdown_kind : unsigned char { on_idle, now };
}  // namespace detail

/// The end of a background_reactor: ready when its thread has ended. Asks for it when it is first polled.
/// Cancel safety: safe. What was asked for stays so.
/// Thread safety: any number may wait, on any threads. It may outlive the background_reactor.
class [[nodiscard("nothing is shut down before it is awaited")]] EDDY_API background_shutdown
    : public future_ops<background_shutdown> {
public:
    using output_type = void;

    background_shutdown(background_shutdown&& other) noexcept;
    background_shutdown& operator=(background_shutdown&&) = delete;
    ~background_shutdown();

    poll_result<void> poll(context& cx);

private:
    friend class background_reactor;
    background_shutdown(detail::background_thread& thread, detail::shutdown_kind kind) noexcept;

    detail::background_thread* thread_;  // counted; null once this has ended
    detail::io_waiter waiter_;
    detail::shutdown_kind kind_;
    bool has_asked_ = false;
};

/// A reactor that is turned by a thread of its own, so that events are seen however busy the threads are that wait for
/// them: `auto events = std::move(reactor).background().value();`. That thread wakes tasks, and runs none.
///
/// Destroying it shuts it down at once, and joins the thread: what waits, and what comes later, sees
/// errc::runtime_shutdown.
/// Thread safety: handle() and its copies, and the futures, anywhere; destroy it on any thread but its own, that is,
/// not in a waker.
class EDDY_API background_reactor {
public:
    background_reactor(background_reactor&& other) noexcept : thread_(std::exchange(other.thread_, nullptr)) {}
    background_reactor& operator=(background_reactor&& other) noexcept {
        std::swap(thread_, other.thread_);
        return *this;
    }
    ~background_reactor();

    /// For registrations with this reactor, and for reactor_handle::set_fallback().
    [[nodiscard]] reactor_handle handle() const noexcept;

    /// Ends the thread as soon as nothing is registered any more; what registers after that sees
    /// errc::runtime_shutdown.
    ///     co_await events.shutdown_on_idle();     or, without a runtime,     eddy::wait(events.shutdown_on_idle());
    background_shutdown shutdown_on_idle() noexcept;

    /// Ends the thread, and with errc::runtime_shutdown all that waits.
    background_shutdown shutdown_now() noexcept;

    /// Leaves the thread running until the process ends.
    void forget() && noexcept;
    // Only to say in a short error what to write.
    template <class... A>
    auto forget(A&&...) & {
        return detail::refuse_lvalue<A...>();
    }

private:
    friend class reactor;
    explicit background_reactor(detail::background_thread& thread) noexcept : thread_(&thread) {}

    detail::background_thread* thread_;  // counted
};

}  // namespace eddy
