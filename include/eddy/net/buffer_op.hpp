// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <eddy/detail/io_socket.hpp>
#include <eddy/future/future.hpp>
#include <eddy/result.hpp>

namespace eddy::net {

/// Selects how an operation treats an empty buffer: it returns 0 immediately, or makes the call, because an empty
/// datagram is valid.
enum class if_empty : bool { nothing, call };

/// An operation that makes one call on its socket, with a buffer or a list of buffers.
/// Cancel safety: safe. If the future is destroyed before it is ready, the call has had no effect.
/// Thread safety: one thread at a time.
template <auto Call, detail::direction Way, class Buffer, if_empty Empty>
class buffer_op {
public:
    using value_type = std::size_t;
    static constexpr detail::direction way = Way;

    explicit buffer_op(Buffer buffer) noexcept : buffer_(buffer) {}

    poll_result<result<std::size_t>> poll(detail::io_socket& socket, context& cx, const void* future) {
        if (Empty == if_empty::nothing && buffer_.empty()) return ok(std::size_t{0});
        return (socket.*Call)(cx, future, buffer_);
    }

private:
    Buffer buffer_;
};

}  // namespace eddy::net
