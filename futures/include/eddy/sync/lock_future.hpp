// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <utility>

#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/sync/detail/acquisition.hpp>
#include <eddy/sync/detail/semaphore_state.hpp>

namespace eddy::sync {

/// The future of a guard that `lock`, `read` and `write` return. Moving it while it waits terminates the program.
/// Cancel safety: safe. Dropping it gives up its place in the queue. If it has already received the lock, the lock
/// passes to the next waiter.
/// Lifetime: the mutex or rwlock must outlive it, unless it is a future of an owned guard.
template <class Guard>
class [[nodiscard("co_await it")]] lock_future : public future_ops<lock_future<Guard>> {
    using value_type = typename Guard::value_type;
    using owner_type = typename Guard::owner_type;
    using count_type = typename Guard::count_type;

public:
    using output_type = Guard;

    lock_future(value_type& value, owner_type owner, count_type count) noexcept
        : value_(std::addressof(value)), owner_(std::move(owner)), wait_(std::to_address(owner_), count) {}
    lock_future(lock_future&&) noexcept = default;
    lock_future& operator=(lock_future&&) = delete;
    ~lock_future() = default;

    poll_result<Guard> poll(context& cx) {
        if (wait_.poll(cx, Guard::operation) == eddy::detail::acquired::not_yet) return not_ready;
        return Guard(typename Guard::held(*value_, std::move(owner_), wait_.count()));
    }

    static constexpr auto wait_shape() { return inspect::awaits(Guard::awaited, &lock_future::wait_); }

    friend const void* acquired_from(const lock_future& me) noexcept { return me.wait_.state(); }

private:
    value_type* value_;
    owner_type owner_;  // destroyed last: it may own the state that wait_ uses
    eddy::detail::acquisition<eddy::detail::permit_state, count_type> wait_;
};

}  // namespace eddy::sync
