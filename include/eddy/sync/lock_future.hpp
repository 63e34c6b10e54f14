// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <utility>

#include <eddy/detail/acquisition.hpp>
#include <eddy/detail/semaphore_state.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>

namespace eddy::sync {

/// What `lock`, `read` and `write` return: a future of the guard.
/// Cancel safety: safe. Who drops it loses its place in the line; a lock that it was given already goes to the next.
/// Lifetime: it must not outlive the lock, unless it is of an owned guard.
template <class Guard>
class [[nodiscard("co_await it")]] lock_future : public future_ops<lock_future<Guard>> {
    using value_type = typename Guard::value_type;
    using home_type = typename Guard::home_type;
    using count_type = typename Guard::count_type;

public:
    using output_type = Guard;

    /// For the locks' own use.
    lock_future(value_type& value, home_type home, count_type count) noexcept
        : value_(std::addressof(value)), home_(std::move(home)), wait_(std::to_address(home_), count) {}
    lock_future(lock_future&&) noexcept = default;
    lock_future& operator=(lock_future&&) = delete;
    ~lock_future() = default;

    poll_result<Guard> poll(context& cx) {
        if (wait_.poll(cx, Guard::operation) == eddy::detail::acquired::not_yet) return not_ready;
        return Guard(typename Guard::held(*value_, std::move(home_), wait_.count()));
    }

private:
    value_type* value_;
    home_type home_;  // goes last: it may hold what is waited for
    eddy::detail::acquisition<eddy::detail::permit_state, count_type> wait_;
};

}  // namespace eddy::sync
