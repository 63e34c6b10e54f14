// SPDX-License-Identifier: MIT
#include <eddy/net/basic_stream.hpp>

#include <eddy/future/poll_fn.hpp>

#include "sys/syscall.hpp"

namespace eddy::detail {

task<result<void>> flush_socket(io_socket& socket, std::source_location where) {
    socket.check_not_empty(where);
    auto flushed = poll_fn([&socket](context& cx) { return socket.poll_flush(cx, nullptr); });
    co_return co_await flushed;
}

task<result<void>> shut_down_socket(io_socket& socket, std::source_location where) {
    socket.check_not_empty(where);
    auto done = poll_fn([&socket](context& cx) { return socket.poll_shutdown(cx, nullptr); });
    co_return co_await done;
}

result<std::optional<std::error_code>> take_error_of(const io_socket& socket) {
    return sys::take_error(socket.open_fd());
}

}  // namespace eddy::detail
