// SPDX-License-Identifier: MIT
#include <eddy/net/detail/accept_pause.hpp>

#include <chrono>

#include "sockets/accept.hpp"

namespace eddy::detail {

void accept_pause::begin_if_exhausted(const std::error_code& error) noexcept {
    constexpr auto back_off_time = std::chrono::milliseconds(50);
    if (is_exhausted(error)) until_ = time::clock::now() + back_off_time;
}

poll_result<void> accept_pause::poll_end(context& cx, const wait_record* future) {
    if (!sleep_) sleep_ = std::make_unique<time::sleep_future>(*until_, cx.where());
    for_ = future;
    if (!sleep_->poll(cx)) return not_ready;
    sleep_.reset();
    until_.reset();
    return poll_result<void>::ready();
}

}  // namespace eddy::detail
