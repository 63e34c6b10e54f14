// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/notify_state.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>

namespace eddy::sync {

template <class Of>
class basic_notified_future;

/// Wakes tasks that wait for something to happen, and carries no value: the bare signal, of which other primitives can
/// be built. Who waits looks again at what it waits for:
///     for (;;) {
///         auto changed = queue_changed.notified();
///         if (auto item = queue.take()) co_return item;
///         co_await changed;                              // the other side: queue.put(item);
///         queue_changed.notify_one();
///     }
///
/// It holds at most one permit, which notify_one() leaves when nobody waits: so a notify_one() that comes between a
/// look and a wait is not lost; two of them are as one. notify_waiters() leaves none. It needs no runtime. Thread
/// safety: any thread. Lifetime: it must outlive its notified() futures. It may be destroyed as soon as they have been
/// notified, even if who has notified them has not come back from that. Destroying it while one waits ends the program.
/// Cost: no allocation. notify_one() and taking a permit: a read-modify-write each. Waiting: two more, and a copy of a
/// waker.
class notify {
public:
    using notified_future = basic_notified_future<notify*>;
    using owned_notified_future = basic_notified_future<std::shared_ptr<notify>>;

    notify() noexcept = default;
    notify(const notify&) = delete;
    notify& operator=(const notify&) = delete;
    ~notify() {
        if (!state_.may_be_destroyed())
            eddy::detail::fatal_misuse(
                "a sync::notify was destroyed while a task waits for it: keep it until its "
                "notified() futures are gone, or use notified_owned()");
    }

    /// Wakes the one that has waited longest. If nobody waits, the next to wait goes on at once.
    void notify_one() noexcept { state_.notify_one(); }
    /// As notify_one(), but wakes the one that came last.
    void notify_last() noexcept { state_.notify_last(); }
    /// Wakes all that wait, and lets all notified() that exist end, also those not yet polled. Leaves no permit, and
    /// takes none.
    void notify_waiters() noexcept { state_.notify_waiters(); }

    /// A future that ends when it is notified. It takes part in notify_waiters() from this call on, and in notify_one()
    /// from its first poll, or enable(), on: the order of those is the order in which notify_one() serves. Cancel
    /// safety: a place in the queue is lost. What notify_one() or notify_last() handed to a future that is then dropped
    /// goes to the next.
    [[nodiscard]] notified_future notified() noexcept;
    /// notified() that keeps `of` alive.
    /// Errors: throws `misuse` if `of` is null.
    [[nodiscard]] static owned_notified_future notified_owned(
        std::shared_ptr<notify> of, std::source_location where = std::source_location::current());

private:
    template <class Of>
    friend class basic_notified_future;

    eddy::detail::notify_state state_;
};

/// What notify::notified() and notify::notified_owned() return.
/// Thread safety: as a value. It is not moved after its first poll.
template <class Of>
class [[nodiscard("it waits for nothing until it is awaited")]] basic_notified_future
    : public future_ops<basic_notified_future<Of>> {
public:
    using output_type = void;

    explicit basic_notified_future(Of of) noexcept : of_(std::move(of)), waiter_(of_->state_.begin()) {}
    basic_notified_future(basic_notified_future&& other) noexcept
        : of_(other.of_), waiter_(other.waiter_, "a notified() was moved after its first poll, or enable()") {}
    basic_notified_future& operator=(basic_notified_future&&) = delete;
    ~basic_notified_future() { of_->state_.leave(waiter_); }

    poll_result<void> poll(context& cx) noexcept {
        if (!cx.consume_budget()) return not_ready;
        if (of_->state_.poll(waiter_, &cx.waker())) return poll_result<void>::ready();
        cx.refund_budget();
        return not_ready;
    }

    /// Takes its place in the queue now, and not at the first poll; takes the permit, if there is one. Whether it was
    /// notified: then it is ready.
    bool enable() noexcept { return of_->state_.poll(waiter_, nullptr); }

private:
    Of of_;
    eddy::detail::notify_waiter waiter_;
};

// ---- Implementation ----

inline notify::notified_future notify::notified() noexcept { return notified_future(this); }

inline notify::owned_notified_future notify::notified_owned(std::shared_ptr<notify> of, std::source_location where) {
    if (!of) throw misuse("notified_owned() needs a notify: give it one of std::make_shared<notify>()", where);
    return owned_notified_future(std::move(of));
}

}  // namespace eddy::sync
