// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>

#include <eddy/detail/export.hpp>
#include <eddy/net/halves.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/net/unix_stream.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::inline v0_1::net {

/// Closes a connection whose peer may still be sending, so that the peer can read everything that was written to it.
/// Ends the writing direction, then reads and discards until the peer closes the connection or `limit` has passed, then
/// closes the stream. Servers use it after an error reply, and for clients that are busy when the server ends.
///
/// Destroying a TCP stream while received bytes are unread resets the connection, and so does a byte that arrives
/// later. The peer's system then discards what the peer has not read yet. So a peer may lose replies that were written
/// long before.
/// Errors: errc::timed_out if the peer has not closed the connection in time: a reset is then possible;
/// connection_reset and the other errors of read() and shutdown(). The stream is closed in each case.
/// Cancel safety: safe. The stream is closed immediately.
/// Lifetime: the stream, or both halves, are moved into the task.
/// Cost: one task with a buffer of 8 KiB.
[[nodiscard]] EDDY_API task<result<void>> close_gracefully(tcp_stream stream, std::chrono::nanoseconds limit);
[[nodiscard]] EDDY_API task<result<void>> close_gracefully(unix_stream stream, std::chrono::nanoseconds limit);
[[nodiscard]] EDDY_API task<result<void>> close_gracefully(owned_read_half<tcp_stream> reader,
                                                           owned_write_half<tcp_stream> writer,
                                                           std::chrono::nanoseconds limit);
[[nodiscard]] EDDY_API task<result<void>> close_gracefully(owned_read_half<unix_stream> reader,
                                                           owned_write_half<unix_stream> writer,
                                                           std::chrono::nanoseconds limit);

}  // namespace eddy::net
