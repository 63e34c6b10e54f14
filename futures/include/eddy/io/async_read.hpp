// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <span>

#include <eddy/future/future.hpp>
#include <eddy/result.hpp>

namespace eddy::io {

/// A source of bytes: a socket, a pipe, a decoder.
///
///     poll_read(cx, into)   Reads at least one byte and returns the count. Returns 0 at end of stream, or if `into` is
///                           empty. Never blocks. not_ready means that no byte was taken, and that the waker of `cx`
///                           will be woken.
///
/// Optional: `poll_read_vectored(cx, std::span<const std::span<std::byte>>)` fills several buffers in order. The
/// algorithms of eddy::io report errc::count_too_large if a reader returns a larger count than the buffers have.
template <class R>
concept async_read = requires(R& from, context& cx, std::span<std::byte> into) {
    { from.poll_read(cx, into) } -> std::same_as<poll_result<result<std::size_t>>>;
};

/// A reader that can fill several buffers in one call.
template <class R>
concept vectored_read = async_read<R> && requires(R& from, context& cx, std::span<const std::span<std::byte>> into) {
    { from.poll_read_vectored(cx, into) } -> std::same_as<poll_result<result<std::size_t>>>;
};

}  // namespace eddy::io
