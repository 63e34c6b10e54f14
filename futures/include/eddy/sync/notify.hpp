// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/sync/detail/notify_state.hpp>

namespace eddy::sync {

template <class Of>
class basic_notified_future;

/// Wakes tasks that wait for an event. It carries no value; other primitives can be built from it. A task that was
/// woken must check its condition again:
///     for (;;) {
///         auto changed = queue_changed.notified();
///         if (auto item = queue.take()) co_return item;
///         co_await changed;                              // the other side: queue.put(item);
///         queue_changed.notify_one();
///     }
///
/// It stores at most one permit. If there are no waiters, notify_one() stores it. So a notify_one() between the check
/// and the wait is not lost. Two such calls store one permit. The function notify_waiters() stores none. Does not need
/// a runtime.
/// Thread safety: all members may be called from any thread; only the destructor needs exclusive access.
/// Lifetime: it must outlive its notified() futures. It may be destroyed as soon as they have been notified, even if
/// the notifying call has not returned yet. Destroying it while a task waits terminates the program.
/// Cost: no allocation. notify_one() and taking a permit take one read-modify-write each. Waiting takes two more, and a
/// copy of a waker.
class notify {
public:
    /// The futures of notified() and notified_owned().
    using notified_future = basic_notified_future<notify*>;
    using owned_notified_future = basic_notified_future<std::shared_ptr<notify>>;

    notify() noexcept = default;
    notify(const notify&) = delete;
    notify& operator=(const notify&) = delete;
    ~notify() {
        if (!state_.may_be_destroyed())
            state_.destroyed_too_early(
                "a sync::notify was destroyed while a task waits for it: keep it until its "
                "notified() futures are gone, or use notified_owned()");
    }

    /// Wakes the task that has waited longest. If there are no waiters, stores a permit: the next wait returns
    /// immediately.
    void notify_one() noexcept { state_.notify_one(); }
    /// Same as notify_one(), but wakes the task that began to wait last.
    void notify_last() noexcept { state_.notify_last(); }
    /// Wakes all waiters and completes all existing notified() futures, including those that were not polled yet.
    /// Neither stores nor consumes a permit.
    void notify_waiters() noexcept { state_.notify_waiters(); }

    /// Returns a future that is ready once it is notified. A later notify_waiters() notifies it even before its first
    /// poll. In contrast, notify_one() notifies it only after its first poll or enable(), in the order of these.
    /// Cancel safety: dropping the future loses its place in the queue. If notify_one() or notify_last() has already
    /// notified it, that notification passes to the next waiter.
    /// Lifetime: the notify must outlive the future.
    [[nodiscard]] notified_future notified() noexcept;
    /// Same as notified(), but the future shares ownership of `of`.
    /// Errors: throws `misuse` if `of` is null.
    [[nodiscard]] static owned_notified_future notified_owned(
        std::shared_ptr<notify> of, std::source_location where = std::source_location::current());

private:
    template <class Of>
    friend class basic_notified_future;

    eddy::detail::notify_state state_;
};

/// The future that notify::notified() and notify::notified_owned() return. Moving it after its first poll or enable()
/// terminates the program.
/// Cancel safety: see notify::notified().
template <class Of>
class [[nodiscard("it waits for nothing until it is awaited")]] basic_notified_future
    : public future_ops<basic_notified_future<Of>> {
public:
    using output_type = void;

    explicit basic_notified_future(Of of) noexcept : of_(std::move(of)), waiter_(of_->state_.begin()) {}
    basic_notified_future(basic_notified_future&& other) noexcept
        : of_(other.of_), waiter_(other.waiter_, "a notify's notified()") {}
    basic_notified_future& operator=(basic_notified_future&&) = delete;
    ~basic_notified_future() { of_->state_.leave(waiter_); }

    static constexpr auto wait_shape() { return inspect::awaits(inspect::wait::notify, &basic_notified_future::of_); }

    poll_result<void> poll(context& cx) noexcept {
        if (!cx.consume_budget()) return not_ready;
        waiter_.polled_at = eddy::detail::call_site_of(cx.where());
        if (of_->state_.poll(waiter_, &cx.waker())) return poll_result<void>::ready();
        cx.refund_budget();
        return not_ready;
    }

    /// Enters the queue now instead of at the first poll, or takes the permit if there is one. Returns true if the
    /// future was notified; it is then ready.
    bool enable() noexcept { return of_->state_.poll(waiter_, nullptr); }

private:
    Of of_;
    eddy::detail::notify_waiter waiter_;
};

// ---- Implementation ----

inline notify::notified_future notify::notified() noexcept { return notified_future(this); }

inline notify::owned_notified_future notify::notified_owned(std::shared_ptr<notify> of, std::source_location where) {
    if (!of) throw misuse("notified_owned() needs a notify: make one with std::make_shared<notify>()", where);
    return owned_notified_future(std::move(of));
}

}  // namespace eddy::sync
