// SPDX-License-Identifier: MIT
#include "sockets/accept.hpp"

#include <cerrno>
#include <chrono>

#include <eddy/io/async_fd.hpp>
#include <eddy/net/detail/accept_pause.hpp>

#include "sys/accept_error.hpp"

namespace eddy::detail {
namespace {

/// Returns whether the listener has a connection to accept, or an error.
bool has_connection(int fd) noexcept {
    const auto now = ready_now(fd, io::interest::readable);
    return !now || !now->is_empty();
}

}  // namespace

bool is_exhausted(const std::error_code& error) noexcept {
    switch (error.value()) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: return true;
    default: return false;
    }
}

result<sys::accepted_fd> accept_one(int listener) noexcept {
    for (;;) {
        auto accepted = sys::accept(listener);
        if (accepted || !sys::is_of_lost_connection(accepted.error())) {
            // The kernel allocates a descriptor before it looks for a connection, so it reports a lack of
            // descriptors even if no connection is waiting. In that case, wait for a connection.
            if (!accepted && is_exhausted(accepted.error()) && !has_connection(listener)) {
                return std::unexpected(std::make_error_code(std::errc::operation_would_block));
            }
            return accepted;
        }
    }
}

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
