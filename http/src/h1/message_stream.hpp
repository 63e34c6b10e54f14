// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/http/body.hpp>
#include <eddy/http/transport.hpp>
#include <eddy/io/boxed.hpp>
#include <eddy/io/idle_timeout.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

#include "h1/body_decoder.hpp"
#include "message/body_timer.hpp"

namespace eddy::detail {

struct message_buffers {
    std::string_view in;  // the received bytes that were not consumed: the end of `kept`, or see poll_fill_first()
    std::string kept;     // received bytes
    std::string out;
    std::size_t sent = 0;  // number of bytes of `out` that were sent

    /// Returns whether `in` is the end of `kept`.
    [[nodiscard]] bool is_kept() const noexcept { return in.data() + in.size() == kept.data() + kept.size(); }
};

/// A body that another task may receive on a connection while the connection's task waits for the service, or sends a
/// response.
///
/// Only the connection's task waits for the connection: a reader that must wait leaves its waker in `reader`, and the
/// connection wakes it. So the connection also notices its end while a reader waits, and after a read was dropped.
struct received_body {
    mutex lock;  // guards the members, and the message_stream until the body is detached
    body_decoder decoder;
    body_timer timer;
    std::error_code failure;
    waker reader;             // of a reader that waits
    waker connection;         // of the connection's task
    bool wants_room = false;  // the connection's task waits until the reader has taken bytes from the buffer

    received_body(const body_framing& framing, std::uint64_t limit, body_timer&& limits) noexcept
        : decoder(framing, limit), timer(std::move(limits)) {}

    /// Sets the waker of the connection's task. Call it in each poll of that task in which the body may be read.
    void set_connection(waker task) noexcept {
        const std::lock_guard guard(lock);
        connection.swap(task);  // the former waker is destroyed without the lock
    }
};

/// Returns an error code for the exception that is handled now. A body whose reader has thrown fails with this code
/// when it is read again, because bytes may be lost.
[[nodiscard]] std::error_code error_of_exception() noexcept;

/// A connection of a server or a client, with two buffers: received bytes that were not parsed yet, and bytes to send.
///
/// The functions that a server calls for each request are inlined: a system call empties the processor's stack of
/// return addresses, so that each return after it costs about 10 ns.
///
/// Thread safety: one thread at a time.
class message_stream {
public:
    /// An operation that waits without progress for `limit` fails with errc::timed_out.
    message_stream(http_transport&& below, std::chrono::nanoseconds limit);

    /// Returns the received bytes that were not consumed.
    [[nodiscard]] std::string_view in() const noexcept { return buffers_ ? buffers_->in : std::string_view(); }
    void consume(std::size_t count) noexcept {
        if (count != 0) buffers_->in.remove_prefix(count);
    }
    /// Returns the bytes to send. Append to them.
    [[nodiscard]] std::string& out() { return buffers().out; }
    /// Returns the number of bytes in out().
    [[nodiscard]] std::size_t collected() const noexcept { return buffers_ ? buffers_->out.size() : 0; }
    /// Returns whether bytes wait to be sent: in out(), or in a buffer of the connection itself.
    [[nodiscard]] bool has_unsent() const noexcept { return collected() != 0 || needs_flush_; }
    /// Discards the bytes to send, after sending has failed.
    void discard_unsent() noexcept {
        if (buffers_) {
            buffers_->out.clear();
            buffers_->sent = 0;
        }
        needs_flush_ = false;
    }
    /// Releases the buffers if both are empty. Call it when the connection becomes idle.
    void release_buffers() noexcept;

    /// Receives bytes, and returns the count. Returns 0 at the end of the connection.
    /// Cancel safety: safe.
    poll_result<result<std::size_t>> poll_fill(context& cx);
    /// Same as poll_fill(), without a time limit.
    /// Cancel safety: safe.
    poll_result<result<std::size_t>> poll_fill_idle(context& cx);
    /// Same as poll_fill_idle(), but without a copy: in() refers to `scratch` until keep_received() is called.
    /// Cancel safety: safe.
    /// Preconditions: in() is empty.
    poll_result<result<std::size_t>> poll_fill_first(context& cx, std::span<std::byte> scratch);
    /// Copies the bytes of in() to a buffer of this object if they are not there yet.
    void keep_received() {
        if (buffers_ && !buffers_->in.empty() && !buffers_->is_kept()) keep({});
    }
    /// Receives bytes into `into` instead of in(), without a time limit.
    /// Cancel safety: safe.
    poll_result<result<std::size_t>> poll_receive_idle(context& cx, std::span<std::byte> into) {
        return stream_.inner().poll_read(cx, into);
    }
    /// Sends all of out().
    /// Cancel safety: safe.
    poll_result<result<void>> poll_flush(context& cx);

    /// From now on, send_body() fails if the peer closes or resets the connection while the reader of the body waits.
    /// With `may_half_close`, a peer that has only closed its sending direction is still there.
    void watch_peer(bool may_half_close) noexcept {
        watches_peer_ = true;
        may_half_close_ = may_half_close;
    }
    /// Returns whether the peer has gone, as defined by watch_peer(). Otherwise wakes the task when that may have
    /// changed. Receives the bytes that arrive: for the reader of `incoming`, or as in(), up to a limit. With more of
    /// them, only a failed write shows that the peer is gone.
    /// Cancel safety: safe.
    [[nodiscard]] bool poll_peer_gone(context& cx, received_body* incoming);
    /// Returns whether receiving has failed.
    [[nodiscard]] bool is_broken() const noexcept { return bool(receive_failure_); }
    /// Receives data of a body. Returns 0 at its end.
    /// Errors: those of the decoder; body_too_short.
    /// Cancel safety: safe.
    poll_result<result<std::size_t>> poll_body(context& cx, body_decoder& decoder, std::span<std::byte> into);

    /// Same as poll_flush() and poll_fill(), as coroutines.
    task<result<void>> flush();
    task<result<std::size_t>> fill();

    /// Sends out() and then a body. If the body's reader fails, body_failure() returns its error. Close the connection
    /// then, because the message is incomplete. If another task may receive a body meanwhile, pass that as `incoming`:
    /// its lock is held while this object is used, but not while `from` is read.
    /// Cancel safety: not safe. The message is incomplete.
    task<result<void>> send_body(http::body& from, body_framing framing, received_body* incoming = nullptr);
    [[nodiscard]] std::error_code body_failure() const noexcept { return body_failure_; }

    /// Receives and discards the rest of a body.
    /// Errors: body_too_large if there are more than `limit` bytes; those of poll_body().
    /// Cancel safety: not safe. Bytes that were received are lost.
    task<result<void>> discard_body(body_decoder& decoder, std::size_t limit);
    /// Sends out() and ends the writing direction. Then reads until the peer closes the connection, `limit` has passed,
    /// or too many bytes have arrived (see input_discarder). A connection that is destroyed with unread bytes is reset,
    /// and the peer may then lose the last message.
    /// Cancel safety: safe. The connection is closed.
    task<void> close_gracefully(std::chrono::nanoseconds limit);
    /// Sends out() and ends the writing direction.
    task<void> close();
    /// Same as close() for a connection that is destroyed next, as far as that needs no wait. A TLS connection then
    /// sends close_notify (RFC 8446, section 6.1). The last message must be complete: after close_notify, the peer
    /// takes the end of the connection for the end of a body without a length.
    void end_writing(context& cx) noexcept;

    /// Returns the connection, for another protocol. A read of it returns the bytes of in() first. This object must not
    /// be used afterwards.
    [[nodiscard]] io::boxed_stream release();

    static constexpr std::size_t read_size = 16 * 1024;

private:
    template <class S>
    poll_result<result<std::size_t>> poll_fill_from(S& stream, context& cx);
    /// Appends bytes to in().
    void keep(std::span<const std::byte> received);
    poll_result<result<std::size_t>> poll_piece(context& cx, http::body& from, std::span<std::byte> into,
                                                received_body* incoming);
    /// Appends data of a body to out(). Returns whether to flush it.
    bool append_piece(std::span<const std::byte> piece, body_framing framing, received_body* incoming);
    poll_result<result<void>> poll_flush_locked(context& cx, received_body* incoming);
    /// Receives for the reader of a body, which waits. Returns whether to wake it.
    [[nodiscard]] bool poll_for_reader(context& cx, received_body& body);
    /// Receives as long as in() is small. Returns whether the connection has ended or failed.
    [[nodiscard]] bool poll_ahead(context& cx, received_body* incoming);
    /// Receives and discards all bytes. Returns whether the connection has ended or failed, or has sent too many bytes.
    /// `discarded` is their number.
    bool poll_discard(context& cx, std::size_t& discarded);
    task<result<void>> send_bytes(std::span<const std::byte> content);

    [[nodiscard]] message_buffers& buffers() {
        if (!buffers_) take_buffers();
        return *buffers_;
    }
    void take_buffers();

    io::idle_stream<http_transport> stream_;
    std::unique_ptr<message_buffers> buffers_;  // null before the first use, and while the connection is idle
    bool needs_flush_ = false;                  // bytes were written since the connection was flushed
    bool watches_peer_ = false;                 // see watch_peer()
    bool may_half_close_ = false;
    bool has_ended_ = false;  // the peer has closed its sending direction
    std::error_code receive_failure_;
    std::error_code body_failure_;
};

template <class S>
inline poll_result<result<std::size_t>> message_stream::poll_fill_from(S& stream, context& cx) {
    // Reads into the stack and not into a buffer of the connection, so that a waiting connection owns no large buffer.
    std::array<std::byte, read_size> scratch;  // NOLINT(cppcoreguidelines-pro-type-member-init): written by the read
    // An error is reported once by the system, but it may have been received ahead: see poll_peer_gone().
    if (receive_failure_) return result<std::size_t>(std::unexpect, receive_failure_);
    const auto count = stream.poll_read(cx, scratch);
    if (!count) return not_ready;
    if (!*count) {
        if (count->error() != errc::timed_out) receive_failure_ = count->error();
        return result<std::size_t>(std::unexpect, count->error());
    }
    try {
        keep(std::span(scratch).first(**count));
    } catch (...) {
        receive_failure_ = error_of_exception();  // the bytes are lost
        throw;
    }
    return eddy::ok(**count);  // a copy of `count` would stall (see eddy/detail/by_parts.hpp)
}

[[gnu::always_inline]] inline poll_result<result<std::size_t>> message_stream::poll_fill_first(
    context& cx, std::span<std::byte> scratch) {
    const auto count = stream_.inner().poll_read(cx, scratch);
    if (!count) return not_ready;
    if (!*count) return result<std::size_t>(std::unexpect, count->error());
    // SAFETY: bytes may be read as char.
    buffers().in = {reinterpret_cast<const char*>(scratch.data()), **count};
    return eddy::ok(**count);  // as in poll_fill_from()
}

[[gnu::always_inline]] inline poll_result<result<void>> message_stream::poll_flush(context& cx) {
    // A flush of nothing would count as progress of the connection: a silent peer would get more time at each poll.
    if (!has_unsent()) return eddy::ok();
    if (buffers_) {
        auto& [in, kept, out, sent] = *buffers_;
        while (sent != out.size()) {
            auto count = stream_.poll_write(cx, std::as_bytes(std::span(out)).subspan(sent));
            if (!count) return not_ready;
            if (!*count) return result<void>(std::unexpect, count->error());
            if (**count == 0) return result<void>(std::unexpect, make_error_code(errc::write_zero));
            sent += **count;
            needs_flush_ = true;
        }
        out.clear();
        sent = 0;
    }
    const auto flushed = stream_.poll_flush(cx);
    if (!flushed) return not_ready;
    needs_flush_ = false;
    if (!*flushed) return result<void>(std::unexpect, flushed->error());
    return eddy::ok();  // a copy of `flushed` would stall, as in poll_fill_from()
}

}  // namespace eddy::detail
