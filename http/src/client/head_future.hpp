// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/detail/wait_shape.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/result.hpp>

#include "client/connect.hpp"
#include "client/exchange.hpp"

namespace eddy::detail {

/// Waits for the head of a response. Records meanwhile whether the request is still sent.
/// Lifetime: the exchange and `at` must outlive the future.
class head_future : public future_ops<head_future> {
public:
    using output_type = result<void>;

    head_future(client_exchange& of, client_progress& at) noexcept : of_(&of), at_(&at) {}

    poll_result<result<void>> poll(context& cx) {
        auto head = of_->poll_head(cx);
        at_->phase = of_->is_sent() ? http::phase::receive : http::phase::send;
        return head;
    }

    EDDY_WAITS_AS(head_future, of_);

private:
    client_exchange* of_;
    client_progress* at_;
};

}  // namespace eddy::detail
