// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/detail/notify_state.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>

namespace eddy::detail {

/// What the senders of a watch and of a broadcast return for closed(): ready when there is no receiver. `State` is what
/// the ends of the channel share; it says with `closed_was_moved` what is wrong with moving one that waits. Cancel
/// safety: safe.
template <class State>
class [[nodiscard("co_await it")]] receivers_gone_future : public future_ops<receivers_gone_future<State>> {
public:
    using output_type = void;

    explicit receivers_gone_future(State& state) noexcept : state_(&state) {}
    receivers_gone_future(receivers_gone_future&& other) noexcept
        : state_(other.state_), waiter_(other.waiter_, State::closed_was_moved) {}
    receivers_gone_future& operator=(receivers_gone_future&&) = delete;
    ~receivers_gone_future() { state_->stop_waiting_for_leaving(waiter_); }

    poll_result<void> poll(context& cx) noexcept {
        if (!cx.consume_budget()) return not_ready;
        if (state_->poll_left(waiter_, cx.waker())) return poll_result<void>::ready();
        cx.refund_budget();
        return not_ready;
    }

private:
    State* state_;
    notify_waiter waiter_;
};

}  // namespace eddy::detail
