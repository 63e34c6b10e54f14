// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/bytes/bytes_mut.hpp>
#include <eddy/codec/decoder.hpp>
#include <eddy/codec/encoder.hpp>
#include <eddy/codec/split_framed.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/budget_guard.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/borrowed.hpp>
#include <eddy/net/udp_socket.hpp>
#include <eddy/sink/adaptors.hpp>
#include <eddy/sink/send.hpp>
#include <eddy/stream/next.hpp>
#include <eddy/stream/stream_ops.hpp>

namespace eddy::codec {

/// A message and its peer address, which is the source or the destination: `auto [text, peer] = ...`,
/// `udp_message("hello", peer)`.
template <class T>
struct udp_message {
    T message;              ///< the message
    net::socket_addr peer;  ///< the address of the peer

    /// Creates a message for, or from, the peer `from`.
    udp_message(T what, const net::socket_addr& from) : message(std::move(what)), peer(from) {}
};
udp_message(const char*, const net::socket_addr&) -> udp_message<std::string>;

}  // namespace eddy::codec

namespace eddy::detail {

/// The item type of a udp_framed.
template <class D>
struct udp_item {
    using message = typename decoded_by<D>::item_type::value_type;
    using error = typename decoded_by<D>::error_type;
    using type = std::expected<codec::udp_message<message>, error>;
};

/// Returns the socket, which is stored directly or as a std::reference_wrapper.
inline net::udp_socket& socket_of(net::udp_socket& socket) noexcept { return socket; }
inline net::udp_socket& socket_of(std::reference_wrapper<net::udp_socket> socket) noexcept { return socket; }

}  // namespace eddy::detail

namespace eddy::codec {

/// A UDP socket as a stream and a sink of messages with addresses. Each datagram is decoded separately and may contain
/// several messages. Each sent message is one datagram. `Socket` is a net::udp_socket, or a std::reference_wrapper of
/// one.
///
///     codec::udp_framed pings(std::move(socket), my_codec());
///     auto [sink, stream] = std::move(pings).split();
///
/// The stream does not end, except after a permanent error of the socket (errc::runtime_shutdown, errc::io_disabled).
/// Errors: the stream yields errors of the socket and of the decoder as items, and continues with the next datagram.
/// The rest of a datagram is discarded after an error, and also if the decoder throws. A datagram that ends within a
/// message is errc::bytes_remaining. The sink returns errors of the encoder, and std::errc::message_size for a message
/// that does not fit into a datagram. The message is dropped in both cases, and the sink remains usable. An address of
/// the wrong family gives the error of the system.
/// Cancel safety: safe. A partially decoded datagram and a message that was not sent yet stay in this object.
/// Thread safety: one thread at a time. To use it in two tasks, see split().
/// Cost: a buffer of 64 KiB, allocated at the first receive, from which each datagram is copied. One system call per
/// datagram.
template <class C, class Socket = net::udp_socket>
class [[nodiscard]] udp_framed : public stream_ops<udp_framed<C, Socket>>, public sink_ops<udp_framed<C, Socket>> {
    static constexpr bool fits = detail::check_decoder<C>();
    using message = typename detail::udp_item<C>::message;

public:
    /// The item type of the stream, and the error and result types of the sink.
    using item_type = typename detail::udp_item<C>::type;
    using error_type = detail::codec_error_t<C>;
    using outcome = std::expected<void, error_type>;

    /// Creates a framed socket.
    explicit udp_framed(detail::given_io<Socket> socket, C with)
        : socket_(std::move(socket).take()), codec_(std::move(with)) {}

    /// The stream function; see stream.hpp.
    poll_result<std::optional<item_type>> poll_next(context& cx) {
        if constexpr (fits) {
            return poll_message(cx);
        } else {
            return not_ready;
        }
    }

    /// The sink functions; see sink.hpp. poll_ready() is ready when the previous message was sent.
    poll_result<outcome> poll_ready(context& cx) {
        if (!goes_to_) return outcome();
        return poll_flush(cx);
    }
    template <class T>
        requires encoder<C, T>
    outcome start_send(udp_message<T> what) {
        out_.clear();
        auto encoded = codec_.encode(std::move(what.message), out_);
        if (encoded) goes_to_ = what.peer;
        return encoded;
    }
    poll_result<outcome> poll_flush(context& cx) {
        if (!goes_to_) return outcome();
        const auto sent = detail::socket_of(socket_).poll_send_to(cx, out_.chunk(), *goes_to_);
        if (!sent) return not_ready;
        goes_to_.reset();
        if (!*sent) return failure(sent->error());
        if (**sent != out_.size()) return failure(std::make_error_code(std::errc::message_size));
        return outcome();
    }
    /// Same as poll_flush(): a UDP socket has nothing to shut down.
    poll_result<outcome> poll_close(context& cx) { return poll_flush(cx); }

    /// Returns the codec.
    [[nodiscard]] C& codec() noexcept { return codec_; }
    [[nodiscard]] const C& codec() const noexcept { return codec_; }
    /// Returns the socket. Datagrams that are received or sent there directly bypass the codec.
    [[nodiscard]] net::udp_socket& inner() noexcept { return detail::socket_of(socket_); }

    /// Splits this object into a sending and a receiving half; see framed::split(). The sink accepts udp_message<T>.
    template <class T = void>
    [[nodiscard]] auto split() && {
        if constexpr (detail::check_sent<T, C>()) {
            using sent = udp_message<detail::sent_or<T, C>>;
            return framed_halves<udp_framed, sent>(streams::halves<udp_framed, sent>(std::move(*this)));
        } else {
            return detail::broken_framed_halves();
        }
    }
    /// Returns the socket. A message that was not flushed is lost.
    [[nodiscard]] Socket into_inner() && { return std::move(socket_); }

private:
    static constexpr std::size_t largest_datagram = 64 * 1024;

    poll_result<std::optional<item_type>> poll_message(context& cx) {
        if (has_ended_) return std::nullopt;
        for (;;) {
            detail::budget_guard cost(cx);
            if (!is_decoding_ && !poll_datagram(cx)) return not_ready;
            if (error_) return next_error();
            const std::size_t size_before = in_.size();
            auto next = decode();
            if (!next) {
                if (!detail::can_continue_at_end(codec_, next.error(), size_before, in_.size())) drop_datagram();
                return std::optional<item_type>(std::in_place, std::unexpect, std::move(next).error());
            }
            if (*next) {
                return std::optional<item_type>(std::in_place, std::in_place, std::move(**next), from_);
            }
            drop_datagram();
            if (!cost.is_paid()) return not_ready;
        }
    }

    /// Receives a datagram, or sets `error_`. Returns false if it has to wait.
    bool poll_datagram(context& cx) {
        if (!buffer_) buffer_ = std::make_unique_for_overwrite<std::byte[]>(largest_datagram);
        const auto got = detail::socket_of(socket_).poll_recv_from(cx, std::span(buffer_.get(), largest_datagram));
        if (!got) return false;
        if (!*got) {
            error_ = got->error();
            has_ended_ = error_ == errc::runtime_shutdown || error_ == errc::io_disabled;
        } else {
            // Copied, so that a message that is kept does not keep the buffer of 64 KiB alive.
            in_.put(std::span(buffer_.get(), (*got)->size));
            from_ = (*got)->from;
            is_decoding_ = true;
        }
        return true;
    }
    /// Calls the decoder. If it throws, the datagram is discarded; otherwise it would be decoded again endlessly.
    auto decode() {
        try {
            return detail::decode_eof(codec_, in_);
        } catch (...) {
            drop_datagram();
            throw;
        }
    }
    std::optional<item_type> next_error() {
        using error = typename detail::decoded_by<C>::error_type;
        return std::optional<item_type>(std::in_place, std::unexpect, error(std::exchange(error_, {})));
    }
    void drop_datagram() noexcept {
        in_.clear();
        detail::frame_finder::reset(codec_);
        is_decoding_ = false;
    }
    static outcome failure(std::error_code error) { return outcome(std::unexpect, error_type(error)); }

    Socket socket_;
    C codec_;
    std::unique_ptr<std::byte[]> buffer_;
    bytes_mut in_;  // the rest of the datagram that is being decoded
    bytes_mut out_;
    net::socket_addr from_;
    std::optional<net::socket_addr> goes_to_;  // the destination of the message in out_
    std::error_code error_;                    // an error of the socket that was not reported yet
    bool is_decoding_ = false;
    bool has_ended_ = false;
};

template <class C>
udp_framed(net::udp_socket, C) -> udp_framed<C>;
template <class C>
udp_framed(std::reference_wrapper<net::udp_socket>, C) -> udp_framed<C, std::reference_wrapper<net::udp_socket>>;

}  // namespace eddy::codec

namespace eddy::detail {

template <class C, class Socket, class T>
struct item_check<codec::udp_framed<C, Socket>, codec::udp_message<T>> {
    static constexpr bool check() { return check_encoder<C, T>(); }
};

}  // namespace eddy::detail
