// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <span>

#include <eddy/future/future.hpp>
#include <eddy/io/async_read.hpp>
#include <eddy/result.hpp>

namespace eddy::io {

/// A reader with an internal buffer, whose bytes can be examined before they are consumed.
///
///     poll_fill_buf(cx)   Returns the unread bytes of the buffer. Reads first if there are none. Returns an empty span
///                         at end of stream. The bytes stay valid until the next operation on the reader.
///     consume(count)      Removes the first `count` bytes, at most as many as poll_fill_buf() returned.
///
/// To add a buffer to a reader, wrap it in buf_reader.
template <class R>
concept async_buf_read = async_read<R> && requires(R& from, context& cx, std::size_t count) {
    { from.poll_fill_buf(cx) } -> std::same_as<poll_result<result<std::span<const std::byte>>>>;
    { from.consume(count) } -> std::same_as<void>;
};

}  // namespace eddy::io
