// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/error.hpp>
#include <eddy/fs/detail/file_sender.hpp>
#include <eddy/future/detail/awaited_part.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/http/error.hpp>
#include <eddy/http/transport.hpp>
#include <eddy/io/boxed.hpp>
#include <eddy/io/idle_timeout.hpp>
#include <eddy/result.hpp>
#include <eddy/time/sleep.hpp>

namespace eddy::detail {

/// The buffers of a connection: received bytes that were not parsed yet, and bytes to send. An idle connection has
/// none.
/// Thread safety: one thread at a time.
class message_buffers {
public:
    /// Returns the received bytes that were not consumed.
    [[nodiscard]] std::string_view in() const noexcept { return made_ ? made_->unread() : std::string_view(); }
    void consume(std::size_t count) noexcept {
        if (count != 0) made_->consumed += count;
    }
    /// Appends received bytes.
    void keep(std::string_view received) {
        if (!received.empty()) append(received);
    }
    /// Consumes in() up to its part `rest`, which is at its end.
    void consume_until(std::string_view rest) noexcept { consume(in().size() - rest.size()); }
    /// Returns the bytes to send. Append to them.
    [[nodiscard]] std::string& out() { return made().out; }
    /// Returns the number of bytes in out().
    [[nodiscard]] std::size_t collected() const noexcept { return made_ ? made_->out.size() : 0; }
    /// Releases the buffers if both are empty. Call it when the connection becomes idle.
    void release_buffers() noexcept;

protected:
    /// Returns the part of out() that was not sent.
    [[nodiscard]] std::string_view unsent() const noexcept {
        if (!made_) return {};
        return {made_->out.data() + made_->sent, made_->out.size() - made_->sent};
    }
    /// Records that bytes were sent. Clears out() when all of it was.
    void has_sent(std::size_t count) noexcept {
        made_->sent += count;
        if (made_->sent != made_->out.size()) return;
        made_->out.clear();
        made_->sent = 0;
    }

private:
    struct pair {
        std::string in;            // received bytes
        std::size_t consumed = 0;  // number of bytes of `in` that were consumed
        std::string out;           // bytes to send
        std::size_t sent = 0;      // number of bytes of `out` that were sent

        [[nodiscard]] std::string_view unread() const noexcept { return {in.data() + consumed, in.size() - consumed}; }
    };

    void append(std::string_view received);
    [[nodiscard]] pair& made() {
        if (!made_) take_buffers();
        return *made_;
    }
    void take_buffers();

    /// The buffers of a connection that became idle on this thread. The next connection that receives or sends takes
    /// them, so a request usually needs no allocation for buffers.
    static thread_local std::unique_ptr<pair> spare;

    std::unique_ptr<pair> made_;  // null before the first use, and while the connection is idle
};

/// Returns an error code for the exception that is handled now. A body whose reader has thrown fails with this code
/// when it is read again, because bytes may be lost.
[[nodiscard]] std::error_code error_of_exception() noexcept;

/// A connection of a server or a client, with its buffers.
/// Thread safety: one thread at a time.
class message_stream : public message_buffers {
public:
    /// An operation that waits without progress for `limit` fails with errc::timed_out.
    message_stream(http_transport&& below, std::chrono::nanoseconds limit);

    /// Returns whether bytes wait to be sent: in out(), or in a buffer of the connection itself.
    [[nodiscard]] bool has_unsent() const noexcept { return collected() != 0 || needs_flush_; }
    /// Discards the bytes to send, after sending has failed.
    void discard_unsent() noexcept;

    /// Receives bytes, and returns the count. Returns 0 at the end of the connection.
    /// Cancel safety: safe.
    poll_result<result<std::size_t>> poll_fill(context& cx) { return poll_fill_from(stream_, cx); }
    /// Same as poll_fill(), without a time limit.
    /// Cancel safety: safe.
    poll_result<result<std::size_t>> poll_fill_idle(context& cx) { return poll_fill_from(stream_.inner(), cx); }
    /// Receives without a time limit until in() has `most` bytes. Returns whether it has. The end and errors of the
    /// connection are in has_ended() and is_broken().
    /// Cancel safety: safe.
    bool poll_ahead(context& cx, std::size_t most);
    /// Receives bytes into `into` instead of in(), without a time limit.
    /// Cancel safety: safe.
    poll_result<result<std::size_t>> poll_receive_idle(context& cx, std::span<std::byte> into) {
        return stream_.inner().poll_read(cx, into);
    }
    /// Receives data of a body that an http::h1::engine decodes. Returns 0 at its end.
    /// Errors: any error of the engine; body_too_short.
    /// Cancel safety: safe.
    template <class Engine>
    poll_result<result<std::size_t>> poll_body(context& cx, Engine& by, std::span<std::byte> into);

    /// Sends all of out().
    /// Cancel safety: safe.
    poll_result<result<void>> poll_flush(context& cx) {
        // A flush of nothing would count as progress of the connection: a silent peer would get more time at each poll.
        if (!has_unsent()) return eddy::ok();
        return poll_unsent(cx);
    }
    /// Sends some of `content`, and returns how much.
    /// Cancel safety: safe.
    /// Preconditions: out() is empty.
    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> content) {
        const auto count = stream_.poll_write(cx, content);
        if (!count) return not_ready;
        if (!*count) return result<std::size_t>(std::unexpect, count->error());
        if (**count == 0) return result<std::size_t>(std::unexpect, make_error_code(errc::write_zero));
        needs_flush_ = true;
        sent_ += **count;
        return eddy::ok(**count);
    }
    /// Returns how many bytes the connection has taken, without the bytes of files.
    [[nodiscard]] std::uint64_t sent() const noexcept { return sent_; }
    /// Returns whether poll_send_file() is possible.
    [[nodiscard]] bool sends_files() noexcept { return stream_.inner().tcp() != nullptr; }
    /// Sends some of a file, and returns how much; 0 at its end.
    /// Errors: any error of the connection, and of reading the file; see file_sender::has_failed_to_read().
    /// Cancel safety: safe.
    /// Preconditions: sends_files(), and out() is empty.
    poll_result<result<std::size_t>> poll_send_file(context& cx, fs::detail::file_sender& file);
    /// Ends the writing direction.
    /// Cancel safety: safe.
    poll_result<result<void>> poll_shutdown(context& cx) { return stream_.poll_shutdown(cx); }

    /// Returns whether receiving has failed, or has reached the end.
    [[nodiscard]] bool is_broken() const noexcept { return bool(receive_failure_); }
    [[nodiscard]] bool has_ended() const noexcept { return has_ended_; }

    /// Same as connection_end for a connection that is destroyed next, as far as that needs no wait. A TLS connection
    /// then sends close_notify (RFC 8446, section 6.1). The last message must be complete: after close_notify, the peer
    /// takes the end of the connection for the end of a body without a length.
    void end_writing(context& cx) noexcept;

    /// Returns the connection, for another protocol. A read of it returns the bytes of in() first. This object must not
    /// be used afterwards.
    [[nodiscard]] io::boxed_stream release();

    static constexpr auto wait_shape(auto way) { return inspect::uses(way, &message_stream::stream_); }

    static constexpr std::size_t read_size = 16 * 1024;
    /// With this many unsent bytes, a message waits for the connection.
    static constexpr std::size_t most_unsent = 64 * 1024;

private:
    template <class S>
    poll_result<result<std::size_t>> poll_fill_from(S& stream, context& cx);
    poll_result<result<void>> poll_unsent(context& cx);

    io::idle_stream<http_transport> stream_;
    bool needs_flush_ = false;  // bytes were written since the connection was flushed
    bool has_ended_ = false;
    std::uint64_t sent_ = 0;
    std::error_code receive_failure_;
};

/// The end of a connection: sends out(), and ends the writing direction. With a limit, then reads until the peer closes
/// the connection, the limit has passed, or too many bytes have arrived (see input_discarder). A connection that is
/// destroyed with unread bytes is reset, and the peer may then lose the last message.
/// Cancel safety: safe. The connection is closed.
class connection_end : public future_ops<connection_end> {
public:
    using output_type = void;

    explicit connection_end(message_stream& of, std::optional<std::chrono::nanoseconds> limit = std::nullopt) noexcept
        : of_(&of), limit_(limit) {}

    poll_result<void> poll(context& cx);

    static constexpr auto wait_shape() {
        return inspect::awaits("the end of an HTTP connection", &connection_end::of_);
    }

private:
    /// Receives and discards all bytes. Returns whether the connection has ended or failed, or has sent too many bytes.
    [[nodiscard]] bool poll_discard(context& cx);
    poll_result<result<void>> poll_end(context& cx);

    message_stream* of_;
    std::optional<std::chrono::nanoseconds> limit_;
    std::size_t discarded_ = 0;
    pool_box<time::sleep_future> timer_;  // null until the writing direction has ended
    bool has_ended_ = false;              // nothing more is to be received
};

template <class Engine>
poll_result<result<std::size_t>> message_stream::poll_body(context& cx, Engine& by, std::span<std::byte> into) {
    using event = typename Engine::event;
    if (into.empty()) return eddy::ok(std::size_t{0});
    for (;;) {
        auto input = in();
        auto found = by.receive(input, into.size());
        if (found == event::data) std::memcpy(into.data(), by.data().data(), by.data().size());
        consume_until(input);
        if (found == event::incomplete) {
            auto count = poll_fill(cx);
            if (!count || !*count) return count;
            if (**count != 0) continue;
            found = by.end_of_input();
        }
        if (found == event::failed) return result<std::size_t>(std::unexpect, by.failure());
        return eddy::ok(found == event::data ? by.data().size() : std::size_t{0});
    }
}

}  // namespace eddy::detail
