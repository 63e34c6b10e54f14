// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <span>

#include <eddy/future.hpp>
#include <eddy/result.hpp>

namespace eddy::io {

/// What bytes can be written to.
///
///     poll_write(cx, from)   takes at least one byte and answers how many; 0 only if `from` is empty, or if no byte
///     will ever be
///                            taken. "Not yet" means that the context's waker will be woken, and that no byte was
///                            taken.
///     poll_flush(cx)         ready when all that was taken has reached its destination
///     poll_shutdown(cx)      flushes, and says that nothing more will be written. Called again, it succeeds.
///
/// It may offer `poll_write_vectored(cx, std::span<const std::span<const std::byte>>)`, from several buffers, one after
/// the other. Who answers a count that is larger than what it was given is found out: errc::count_too_large.
template <class W>
concept async_write = requires(W& to, context& cx, std::span<const std::byte> from) {
    { to.poll_write(cx, from) } -> std::same_as<poll_result<result<std::size_t>>>;
    { to.poll_flush(cx) } -> std::same_as<poll_result<result<void>>>;
    { to.poll_shutdown(cx) } -> std::same_as<poll_result<result<void>>>;
};

/// A writer that takes several buffers at once.
template <class W>
concept vectored_write =
    async_write<W> && requires(W& to, context& cx, std::span<const std::span<const std::byte>> from) {
        { to.poll_write_vectored(cx, from) } -> std::same_as<poll_result<result<std::size_t>>>;
    };

}  // namespace eddy::io
