// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/detail/operation_guard.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/result.hpp>
#include <eddy/sink/send.hpp>
#include <eddy/sink/sink_ops.hpp>
#include <eddy/stream/next.hpp>
#include <eddy/stream/stream_ops.hpp>
#include <eddy/ws/error.hpp>
#include <eddy/ws/message.hpp>

namespace eddy::ws {

/// The contents of a Close frame.
/// Thread safety: a plain value.
struct close_frame {
    close_code code;     ///< close_code::none if the frame has no code
    std::string reason;  ///< text for logs; usually empty

    /// Makes a frame from its parts.
    close_frame(close_code why, std::string text) : code(why), reason(std::move(text)) {}
};

}  // namespace eddy::ws

namespace eddy::detail {

class ws_state;

/// The state of a connection, shared by its owners. It has the functions of ws_state; they throw `misuse` if the
/// object was moved from or split.
class EDDY_API ws_share {
public:
    explicit ws_share(std::shared_ptr<ws_state> state) noexcept : state_(std::move(state)) {}

    [[nodiscard]] const std::shared_ptr<ws_state>& get(const std::source_location& where) const {
        if (!state_) throw_moved_from(where);
        return state_;
    }

    poll_result<result<ws::message>> poll_receive(context& cx) const;
    poll_result<result<void>> poll_ready(context& cx) const;
    result<void> start_send(const ws::message& item, const std::source_location& where) const;
    result<void> start_ping(std::string_view payload, const std::source_location& where) const;
    poll_result<result<void>> poll_flush(context& cx) const;
    void start_close(ws::close_code code, std::string_view reason, const std::source_location& where) const;
    poll_result<result<void>> poll_closed(context& cx) const;
    [[nodiscard]] std::optional<ws::close_frame> peer_close(const std::source_location& where) const;
    [[nodiscard]] std::string_view protocol(const std::source_location& where) const;
    [[nodiscard]] bool is_compressed(const std::source_location& where) const;

private:
    [[noreturn]] static void throw_moved_from(const std::source_location& where);

    std::shared_ptr<ws_state> state_;
};

/// Throws `misuse` if a Close frame cannot have this code and reason.
EDDY_API void check_close(ws::close_code code, std::string_view reason, const std::source_location& where);
/// Throws `misuse` if the payload of a ping has more than 125 bytes.
EDDY_API void check_ping(std::string_view payload, const std::source_location& where);

}  // namespace eddy::detail

namespace eddy::ws {

/// The future of receiving::receive().
template <class S>
class [[nodiscard("co_await it")]] receive_future : public future_ops<receive_future<S>> {
public:
    using output_type = result<message>;

    explicit receive_future(S& from) noexcept : from_(&from) {}

    friend const S* awaited_object(const receive_future& me) noexcept { return me.from_; }

    poll_result<output_type> poll(context& cx) {
        hold_.enter(eddy::detail::guard_of<eddy::detail::direction::read>(*from_), cx);
        return eddy::detail::poll_entered(hold_, cx, [&] { return from_->poll_receive(cx); });
    }

    static constexpr auto wait_shape() { return inspect::awaits("a message of a WebSocket", &receive_future::from_); }

private:
    S* from_;
    eddy::detail::operation_hold hold_;
};

/// The future of sending::close().
template <class S>
class [[nodiscard("co_await it")]] close_future : public future_ops<close_future<S>> {
public:
    using output_type = result<void>;

    close_future(S& of, close_code code, std::string&& reason) noexcept
        : of_(&of), code_(code), reason_(std::move(reason)) {}

    poll_result<output_type> poll(context& cx) {
        of_->start_close(code_, reason_, cx.where());
        return of_->poll_close(cx);
    }

    static constexpr auto wait_shape() { return inspect::awaits("the end of a WebSocket", &close_future::of_); }

private:
    S* of_;
    close_code code_;
    std::string reason_;
};

/// The future of sending::ping().
template <class S>
class [[nodiscard("co_await it")]] ping_future : public future_ops<ping_future<S>> {
public:
    using output_type = result<void>;

    ping_future(S& of, std::string&& payload) noexcept : of_(&of), payload_(std::move(payload)) {}

    poll_result<output_type> poll(context& cx) {
        return hold_.during(*of_, cx, [&] { return poll_sent(cx); });
    }

private:
    poll_result<output_type> poll_sent(context& cx) {
        if (!has_started_) {
            auto is_ready = of_->poll_ready(cx);
            if (!is_ready || !*is_ready) return is_ready;
            if (auto started = of_->start_ping(payload_, cx.where()); !started) return started;
            has_started_ = true;
        }
        return of_->poll_flush(cx);
    }

    S* of_;
    std::string payload_;
    bool has_started_ = false;
    eddy::detail::sink_hold<S> hold_;
};

/// The functions of `connection` and `receiver` that receive.
template <class Self>
class receiving : public stream_ops<Self> {
public:
    /// The items of the stream; see next(). The stream ends when the WebSocket was closed, or after another error,
    /// which is its last item.
    using item_type = result<message>;

    /// Waits for the next message. Meanwhile it answers pings, sends pings (options::ping_interval()), and sends what
    /// dropped futures of send() have left.
    /// Errors: ws::errc::closed after the closing handshake. For a violation, after a Close frame with the matching
    /// code was sent: ws::errc::protocol_violation, invalid_text, invalid_compression, message_too_large or
    /// too_many_frames. errc::unexpected_eof if the connection ends without a Close frame. errc::timed_out if the peer
    /// is silent (options::ping_interval()), or does not answer the Close frame (options::close_timeout()). Also the
    /// errors of the connection. Later calls return the same error again. Throws `misuse` if another task waits for a
    /// message.
    /// Cancel safety: safe. The received part of the message is kept.
    [[nodiscard]] receive_future<Self> receive() noexcept { return receive_future<Self>(self()); }

    /// Returns the peer's Close frame, or nullopt if none was received.
    [[nodiscard]] std::optional<close_frame> peer_close(
        std::source_location where = std::source_location::current()) const {
        return share().peer_close(where);
    }

    /// The functions behind receive() and next().
    poll_result<result<message>> poll_receive(context& cx) { return share().poll_receive(cx); }
    poll_result<std::optional<item_type>> poll_next(context& cx) {
        if (has_failed_) return std::optional<item_type>();
        auto received = poll_receive(cx);
        if (!received) return not_ready;
        if (!*received && received->error() == errc::closed) return std::optional<item_type>();
        has_failed_ = !*received;
        return std::optional<item_type>(*std::move(received));
    }

private:
    Self& self() noexcept { return static_cast<Self&>(*this); }  // SAFETY: Self derives from receiving<Self>
    const detail::ws_share& share() const noexcept { return static_cast<const Self&>(*this).share_; }
    friend eddy::detail::guard_access;
    [[nodiscard]] eddy::detail::operation_guard* read_guard() noexcept { return &guard_; }

    bool has_failed_ = false;  // the stream has ended with an error
    eddy::detail::operation_guard guard_{
        "two tasks receive from one WebSocket at the same time: let one task receive for all",
        eddy::detail::same_task::permitted};
};

/// The functions of `connection` and `sender` that send.
template <class Self>
class sending : public sink_ops<Self> {
public:
    /// The error and the result of the sink's functions: send(), feed(), flush(), send_all().
    ///
    /// send() waits until the connection has accepted the message.
    /// Errors: ws::errc::closed after a Close frame of either side; ws::errc::invalid_text, and the message is not
    /// sent; the error with which the connection failed.
    /// Cancel safety: the message of a dropped send() is either not sent, or sent as a whole by the next function that
    /// sends or receives.
    /// Thread safety: if several tasks send, use a sync::mutex or a channel. While one task waits in send(), feed(),
    /// flush() or ping(), these functions throw `misuse` in another task.
    using error_type = std::error_code;
    using outcome = result<void>;

    /// Sends a Close frame. Then waits for the peer's Close frame, and for the end of the connection, but not longer
    /// than options::close_timeout(). Messages that arrive meanwhile are discarded, also for a task that waits in
    /// receive(). If the handshake has begun already, completes it.
    /// Errors: errc::timed_out if the peer sends no Close frame; errc::unexpected_eof; the error with which the
    /// connection failed. Throws `misuse` if a Close frame cannot have this code, for example close_code::none. It also
    /// throws if the reason has more than 123 bytes or is not UTF-8.
    /// Cancel safety: safe. Call it again to continue.
    [[nodiscard]] close_future<Self> close(close_code code = close_code::normal, std::string reason = {},
                                           std::source_location where = std::source_location::current()) {
        detail::check_close(code, reason, where);
        return close_future<Self>(self(), code, std::move(reason));
    }

    /// Sends a ping with up to 125 bytes. The peer's answer is not reported, but see options::ping_interval().
    /// Errors: same as send(). Throws `misuse` if the payload is too long.
    /// Cancel safety: same as send().
    [[nodiscard]] ping_future<Self> ping(std::string payload = {},
                                         std::source_location where = std::source_location::current()) {
        detail::check_ping(payload, where);
        return ping_future<Self>(self(), std::move(payload));
    }

    /// The sink functions; see sink.hpp. poll_close() is close().
    poll_result<outcome> poll_ready(context& cx) { return share().poll_ready(cx); }
    outcome start_send(const message& item, std::source_location where = std::source_location::current()) {
        return share().start_send(item, where);
    }
    poll_result<outcome> poll_flush(context& cx) { return share().poll_flush(cx); }
    poll_result<outcome> poll_close(context& cx) {
        share().start_close(close_code::normal, "", cx.where());
        return share().poll_closed(cx);
    }

private:
    friend close_future<Self>;
    friend ping_future<Self>;

    outcome start_ping(std::string_view payload, const std::source_location& where) {
        return share().start_ping(payload, where);
    }
    void start_close(close_code code, std::string_view reason, const std::source_location& where) {
        share().start_close(code, reason, where);
    }
    Self& self() noexcept { return static_cast<Self&>(*this); }  // SAFETY: Self derives from sending<Self>
    const detail::ws_share& share() const noexcept { return static_cast<const Self&>(*this).share_; }
    friend eddy::detail::guard_access;
    [[nodiscard]] eddy::detail::operation_guard* write_guard() noexcept { return &guard_; }

    eddy::detail::operation_guard guard_{
        "two tasks send to one WebSocket at the same time: use a sync::mutex, or a channel and one task that sends",
        eddy::detail::same_task::permitted};
};

class connection;

/// The receiving half of a connection; see connection::split().
/// Thread safety: one thread at a time. The sender may be on another thread.
class receiver : public receiving<receiver> {
public:
    explicit receiver(detail::ws_share share) noexcept : share_(std::move(share)) {}
    receiver(receiver&&) noexcept = default;
    receiver& operator=(receiver&&) noexcept = default;
    ~receiver() { eddy::detail::check_not_awaited(this, "a ws::receiver"); }

private:
    friend class receiving<receiver>;
    detail::ws_share share_;
};

/// The sending half of a connection; see connection::split(). The peer's pings and Close frame are noticed only while
/// another task receives, or by close().
/// Thread safety: one thread at a time. The receiver may be on another thread.
class sender : public sending<sender> {
public:
    explicit sender(detail::ws_share share) noexcept : share_(std::move(share)) {}
    sender(sender&&) noexcept = default;
    sender& operator=(sender&&) noexcept = default;
    ~sender() { eddy::detail::check_not_awaited(this, "a ws::sender"); }

private:
    friend class sending<sender>;
    detail::ws_share share_;
};

/// The two halves of a connection.
/// Thread safety: same as its parts.
struct halves {
    /// The half that sends, and the half that receives.
    ws::sender sender;
    ws::receiver receiver;

    /// Makes two halves of the same connection.
    explicit halves(const detail::ws_share& share) : sender(share), receiver(share) {}
};

/// A WebSocket: a stream of received messages and a sink of messages to send. Made by accept(), service() and
/// connect().
///     for (;;) {
///         auto message = co_await try_(socket.receive());  // ws::errc::closed ends the task
///         co_await try_(socket.send(std::move(message)));
///     }
///
/// While a task receives, pings are answered and sent. A peer that violates the protocol gets a Close frame with the
/// code that RFC 6455 requires, and receive() returns the error.
///
/// Thread safety: one thread at a time. On one event loop, one task may receive while another one sends or closes.
/// For two threads, see split().
/// Lifetime: the connection must outlive its futures. The destructor closes the connection without a Close frame:
/// await close() first. (A server does that when the handler of accept() has ended.)
/// Cost: about 600 bytes, and the buffers that are not empty. Sending copies the message once. See
/// options::compression().
class connection : public receiving<connection>, public sending<connection> {
public:
    explicit connection(detail::ws_share share) noexcept : share_(std::move(share)) {}
    connection(connection&&) noexcept = default;
    connection& operator=(connection&&) noexcept = default;
    ~connection() { eddy::detail::check_not_awaited(this, "a ws::connection"); }

    /// Returns the subprotocol that both sides agreed on; empty if there is none.
    /// Lifetime: the view is valid as long as the connection or one of its halves.
    [[nodiscard]] std::string_view protocol(std::source_location where = std::source_location::current()) const {
        return share_.protocol(where);
    }
    /// Returns whether messages may be compressed.
    [[nodiscard]] bool is_compressed(std::source_location where = std::source_location::current()) const {
        return share_.is_compressed(where);
    }

    /// Splits the connection into two halves for two tasks, which may run on two threads. The functions of one half
    /// wait on a lock while the other half makes a system call. The connection ends when both halves are destroyed.
    ///     auto [sender, receiver] = std::move(socket).split();
    [[nodiscard]] halves split() && { return halves(std::exchange(share_, detail::ws_share(nullptr))); }

private:
    friend class receiving<connection>;
    friend class sending<connection>;
    detail::ws_share share_;
};

}  // namespace eddy::ws
