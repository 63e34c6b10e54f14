// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <utility>
#include <variant>

#include <eddy/future/future.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/task/task.hpp>

namespace support {

/// Returns a future that polls `future` once and outputs whether it was ready.
template <class F>
auto poll_once(F& future) {
    return eddy::poll_fn(
        [&future](eddy::context& cx) -> eddy::poll_result<bool> { return future.poll(cx).is_ready(); });
}

/// Polls `operation` once and returns its output. If the operation is pending, drops it and returns nullopt.
template <class F>
eddy::task<std::optional<eddy::output_t<F>>> once(F operation) {
    auto either = eddy::select(std::move(operation), eddy::yield_now());
    auto first = co_await either;
    if (first.index() == 1) co_return std::nullopt;
    co_return std::get<0>(std::move(first));
}

}  // namespace support
