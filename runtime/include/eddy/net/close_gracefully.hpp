// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/io/async_read.hpp>
#include <eddy/io/async_write.hpp>
#include <eddy/io/detail/graceful_end.hpp>
#include <eddy/net/halves.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/net/unix_stream.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::net {

/// Closes a connection so that the peer can read everything that was written to it, even if it is still sending. Ends
/// the writing direction, which sends what is buffered and the close_notify of TLS. At the same time reads and discards
/// until the peer has ended its direction. Then closes the stream.
///     co_await try_(client.write_all(report));
///     co_return co_await net::close_gracefully(std::move(client), 5s);
/// The stream is any reader and writer: net::tcp_stream, net::unix_stream, tls::stream, io::boxed_stream. For a
/// codec::framed, use framed::close_gracefully().
///
/// Use it at the end of a connection if the peer may send something that is not read:
/// - Servers after an error reply, and for clients that are busy when the server ends.
/// - Clients over TLS 1.3 that have only written. The server has sent session tickets, which are not read.
///
/// Destroying a TCP stream while received bytes are unread resets the connection, and so does a byte that arrives
/// later. A reset discards what was written and not sent yet. The peer's system then discards what the peer has not
/// read yet. So the peer may lose data that was written long before.
///
/// Errors: errc::timed_out if the peer has not ended the connection in time, or std::errc::message_size if it has sent
/// more than 64 MiB meanwhile: a reset is then possible. connection_reset and the other errors of read() and
/// shutdown(). The end of a TLS connection without close_notify is no error here. The stream is closed in each case.
/// Cancel safety: safe. The stream is closed immediately.
/// Lifetime: the stream, or both halves, are moved into the task.
/// Cost: one task with a buffer of 8 KiB.
EDDY_API task<result<void>> close_gracefully(tcp_stream stream, std::chrono::nanoseconds limit);
EDDY_API task<result<void>> close_gracefully(unix_stream stream, std::chrono::nanoseconds limit);
EDDY_API task<result<void>> close_gracefully(owned_read_half<tcp_stream> reader, owned_write_half<tcp_stream> writer,
                                             std::chrono::nanoseconds limit);
EDDY_API task<result<void>> close_gracefully(owned_read_half<unix_stream> reader, owned_write_half<unix_stream> writer,
                                             std::chrono::nanoseconds limit);
template <class S>
    requires io::async_read<S> && io::async_write<S>
task<result<void>> close_gracefully(S stream, std::chrono::nanoseconds limit) {
    const auto end = [&stream](context& cx) { return stream.poll_shutdown(cx); };
    co_return co_await detail::end_gracefully(stream, end, limit);
}
template <io::async_read R, io::async_write W>
task<result<void>> close_gracefully(R reader, W writer, std::chrono::nanoseconds limit) {
    const auto end = [&writer](context& cx) { return writer.poll_shutdown(cx); };
    co_return co_await detail::end_gracefully(reader, end, limit);
}

}  // namespace eddy::net
