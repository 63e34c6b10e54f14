// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <span>

#include <eddy/future.hpp>
#include <eddy/result.hpp>

namespace eddy::io {

/// What bytes can be read from: a socket, a pipe, a decoder.
///
///     poll_read(cx, into)   reads at least one byte and answers how many; 0 at the end, or if `into` is empty. Never
///     blocks:
///                           "not yet" means that the context's waker will be woken, and that no byte was taken.
///
/// It may offer `poll_read_vectored(cx, std::span<const std::span<std::byte>>)`, into several buffers, one after the
/// other. Who answers a count that is larger than the room it was given is found out: errc::count_too_large.
template <class R>
concept async_read = requires(R& from, context& cx, std::span<std::byte> into) {
    { from.poll_read(cx, into) } -> std::same_as<poll_result<result<std::size_t>>>;
};

/// A reader that fills several buffers at once.
template <class R>
concept vectored_read = async_read<R> && requires(R& from, context& cx, std::span<const std::span<std::byte>> into) {
    { from.poll_read_vectored(cx, into) } -> std::same_as<poll_result<result<std::size_t>>>;
};

}  // namespace eddy::io
