// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <span>

#include <eddy/future/future.hpp>
#include <eddy/result.hpp>

namespace eddy::io {

/// A destination for bytes.
///
///     poll_write(cx, from)   Takes at least one byte and returns the count. Returns 0 only if `from` is empty, or if
///                            the writer will never take another byte. Never blocks. not_ready means that no byte was
///                            taken, and that the waker of `cx` will be woken.
///     poll_flush(cx)         Becomes ready when all bytes that were taken have reached their destination.
///     poll_shutdown(cx)      Flushes, then ends the stream: no further byte will be written. A repeated call succeeds.
///                            A writer that cannot end its stream only flushes: a file, the standard output, a
///                            terminal, a named pipe of Windows.
///
/// Optional: `poll_write_vectored(cx, std::span<const std::span<const std::byte>>)` takes bytes from several buffers in
/// order. The algorithms of eddy::io report errc::count_too_large if a writer returns a larger count than it was given.
template <class W>
concept async_write = requires(W& to, context& cx, std::span<const std::byte> from) {
    { to.poll_write(cx, from) } -> std::same_as<poll_result<result<std::size_t>>>;
    { to.poll_flush(cx) } -> std::same_as<poll_result<result<void>>>;
    { to.poll_shutdown(cx) } -> std::same_as<poll_result<result<void>>>;
};

/// A writer that can take several buffers in one call.
template <class W>
concept vectored_write =
    async_write<W> && requires(W& to, context& cx, std::span<const std::span<const std::byte>> from) {
        { to.poll_write_vectored(cx, from) } -> std::same_as<poll_result<result<std::size_t>>>;
    };

}  // namespace eddy::io
