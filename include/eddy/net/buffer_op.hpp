// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <eddy/detail/io_socket.hpp>
#include <eddy/future/future.hpp>
#include <eddy/result.hpp>

namespace eddy::net {

/// Selects how an operation treats an empty buffer.
enum class if_empty : bool {
    nothing,  ///< returns 0 immediately
    call      ///< makes the call, because an empty datagram is valid
};

/// An operation that makes one call on its socket, with a buffer or a list of buffers.
/// Cancel safety: safe. If the future is destroyed before it is ready, the call has had no effect.
/// Thread safety: one thread at a time.
template <auto Call, detail::direction Way, class Buffer, if_empty Empty>
class buffer_op {
public:
    /// The output of the operation, and the direction in which it waits. For use by its future.
    using value_type = std::size_t;
    static constexpr detail::direction way = Way;

    /// For use by the functions that return the future.
    explicit buffer_op(Buffer buffer) noexcept : buffer_(buffer) {}

    poll_result<result<std::size_t>> poll(detail::io_socket& socket, context& cx, const void* future) {
        if (Empty == if_empty::nothing && buffer_.empty()) return ok(std::size_t{0});
        return (socket.*Call)(cx, future, buffer_);
    }

private:
    Buffer buffer_;
};

}  // namespace eddy::net
