// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/sync/detail/notify_state.hpp>

namespace eddy::detail {

/// The future of closed() of the senders of a channel: ready when there are no receivers. `State` is the state that
/// the ends of the channel share. `State::name_of_closed` is the name of the future in messages.
/// Cancel safety: safe.
/// Lifetime: the state must outlive this future.
template <class State>
class [[nodiscard("co_await it")]] receivers_gone_future : public future_ops<receivers_gone_future<State>> {
public:
    using output_type = void;

    explicit receivers_gone_future(State& state) noexcept : state_(&state) {}
    receivers_gone_future(receivers_gone_future&& other) noexcept
        : state_(other.state_), waiter_(other.waiter_, State::name_of_closed) {}
    receivers_gone_future& operator=(receivers_gone_future&&) = delete;
    ~receivers_gone_future() { state_->stop_waiting_for_receivers_gone(waiter_); }

    poll_result<void> poll(context& cx) noexcept {
        if (!cx.consume_budget()) return not_ready;
        waiter_.polled_at = call_site_of(cx.where());
        if (state_->poll_receivers_gone(waiter_, cx.waker())) return poll_result<void>::ready();
        cx.refund_budget();
        return not_ready;
    }

    static constexpr auto wait_shape() {
        return inspect::awaits("the end of a channel's receivers", &receivers_gone_future::state_);
    }

private:
    State* state_;
    notify_waiter waiter_;
};

}  // namespace eddy::detail
