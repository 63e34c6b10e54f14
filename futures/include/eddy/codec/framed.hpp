// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <optional>
#include <source_location>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/codec/decoder.hpp>
#include <eddy/codec/encoder.hpp>
#include <eddy/codec/framed_parts.hpp>
#include <eddy/codec/framed_read.hpp>
#include <eddy/codec/framed_write.hpp>
#include <eddy/codec/split_framed.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/try.hpp>
#include <eddy/io/borrowed.hpp>
#include <eddy/io/detail/graceful_end.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/result.hpp>
#include <eddy/sink/adaptors.hpp>
#include <eddy/sink/send.hpp>
#include <eddy/stream/next.hpp>
#include <eddy/stream/stream_ops.hpp>
#include <eddy/task/task.hpp>

namespace eddy::codec {

/// A connection as a stream of received frames and a sink of frames to send. `codec` defines how frames are represented
/// as bytes.
///
///     codec::framed lines(std::move(stream), codec::lines_codec(1024));
///     while (auto line = co_await lines.next()) co_await try_(lines.send(co_await try_(std::move(*line))));
///
/// `stream` is any reader and writer. It is moved in, or passed as std::ref(stream). send() writes a frame immediately.
/// feed() collects frames, up to the backpressure boundary, for one flush(). close() flushes and shuts down the write
/// side of the connection. close_gracefully() ends the connection if the peer may still send something. The destructor
/// does not flush.
///
/// At the end of the bytes the stream ends. If it is polled again, it reads again, because a file may have grown.
/// Errors: the stream yields errors of the reader and of the decoder as items. It ends after an error of the reader,
/// and after an error from which the decoder cannot continue; if it is polled again, it continues with the next bytes.
/// An incomplete frame at the end is errc::bytes_remaining, unless the codec decides otherwise. The sink returns errors
/// of the encoder, whose frame is not sent, errors of the writer, and errc::write_zero.
/// Cancel safety: safe. A partially received frame and the frames that were passed to the sink stay in this object.
/// Thread safety: one thread at a time. To use it in two tasks, see split().
/// Cost: a read buffer of 8 KiB, which is allocated at the first read and which frames may share, and a write buffer. A
/// read may receive many frames, which then need no further system call. A buffer that has grown to more than twice its
/// usual size, for a large frame, is freed when it is empty.
template <class S, class C>
class [[nodiscard]] framed : public stream_ops<framed<S, C>>, public sink_ops<framed<S, C>> {
    static constexpr bool fits = detail::check_reader<S>() && detail::check_writer<S>() && detail::check_decoder<C>();

public:
    /// The item type of the stream, and the error and result types of the sink.
    using item_type = typename detail::decoded_by<C>::item_type;
    using error_type = detail::codec_error_t<C>;
    using outcome = std::expected<void, error_type>;

    /// Creates a framed connection that reads up to `capacity` bytes at a time.
    /// Errors: throws misuse if `capacity` is 0.
    explicit framed(detail::given_io<S> io, C with, std::size_t capacity = default_buffer,
                    std::source_location where = std::source_location::current())
        : io_(std::move(io).take()), codec_(std::move(with)), in_(capacity, where), out_(default_buffer) {}
    /// Creates a framed connection from the parts of a former one; see into_parts().
    explicit framed(framed_parts<S, C> parts)
        : io_(std::move(parts.io)),
          codec_(std::move(parts.codec)),
          in_(std::move(parts.read_buffer), default_buffer),
          out_(std::move(parts.write_buffer), default_buffer) {}

    /// The stream function; see stream.hpp.
    poll_result<std::optional<item_type>> poll_next(context& cx) {
        if constexpr (fits) {
            return in_.poll_next(cx, io_, codec_);
        } else {
            return not_ready;
        }
    }

    /// The sink functions; see sink.hpp.
    poll_result<outcome> poll_ready(context& cx) {
        if constexpr (fits) {
            return out_.poll_ready(cx, io_);
        } else {
            return not_ready;
        }
    }
    template <class T>
        requires encoder<C, T>
    outcome start_send(T&& frame) {
        return out_.start_send(codec_, std::forward<T>(frame));
    }
    poll_result<outcome> poll_flush(context& cx) {
        if constexpr (fits) {
            return out_.poll_flush(cx, io_);
        } else {
            return not_ready;
        }
    }
    poll_result<outcome> poll_close(context& cx) {
        if constexpr (fits) {
            return out_.poll_close(cx, io_);
        } else {
            return not_ready;
        }
    }

    /// Ends the connection so that the peer can read all frames that were sent, even if it is still sending: does what
    /// close() does, and at the same time reads and discards until the peer has ended its direction. Then destroy this
    /// object. See net::close_gracefully().
    /// Errors: same as net::close_gracefully(). Errors of the codec are converted to std::error_code.
    /// Cancel safety: safe. What was received is lost.
    /// Lifetime: borrows this object.
    task<result<void>> close_gracefully(std::chrono::nanoseconds limit) {
        const auto end = [this](context& cx) { return poll_end(cx); };
        return detail::end_gracefully(io_, end, limit);
    }

    /// Returns or sets the number of unwritten bytes from which the sink accepts no further frame. 8 KiB by default.
    [[nodiscard]] std::size_t backpressure_boundary() const noexcept { return out_.boundary(); }
    void set_backpressure_boundary(std::size_t bytes) noexcept { out_.set_boundary(bytes); }

    /// Returns the codec.
    [[nodiscard]] C& codec() noexcept { return codec_; }
    [[nodiscard]] const C& codec() const noexcept { return codec_; }
    /// Returns the connection. Bytes that are read or written there directly bypass the codec.
    [[nodiscard]] S& inner() noexcept { return io_; }
    /// Returns the buffer of the bytes that were read and not decoded yet.
    [[nodiscard]] const bytes_mut& read_buffer() const noexcept { return in_.buffer(); }
    [[nodiscard]] bytes_mut& read_buffer() noexcept { return in_.buffer(); }
    /// Returns the buffer of the bytes that were encoded and not written yet.
    [[nodiscard]] const bytes_mut& write_buffer() const noexcept { return out_.buffer(); }
    [[nodiscard]] bytes_mut& write_buffer() noexcept { return out_.buffer(); }

    /// Splits this object into a sending and a receiving half for two tasks: `auto [sink, stream] =
    /// std::move(lines).split();`. The sink accepts `T`s. The default is the `sent_type` of the codec, or else the type
    /// that it decodes. See streams::split().
    template <class T = void>
    [[nodiscard]] auto split() && {
        if constexpr (fits && detail::check_sent<T, C>()) {
            using sent = detail::sent_or<T, C>;
            return framed_halves<framed, sent>(streams::halves<framed, sent>(std::move(*this)));
        } else {
            return detail::broken_framed_halves();
        }
    }

    /// Returns a framed connection with the codec that `f` returns; `f` is called with the present codec. Use it for a
    /// protocol that starts with another codec. Keeps the contents of both buffers.
    template <class F>
    [[nodiscard]] auto map_codec(F&& f) && {
        using other = std::invoke_result_t<F, C&&>;
        return framed<S, other>(std::move(io_), std::invoke(std::forward<F>(f), std::move(codec_)), std::move(in_),
                                std::move(out_.buffer()), out_.boundary());
    }
    /// Returns the parts of this object. `codec::framed(std::move(parts))` restores it.
    [[nodiscard]] framed_parts<S, C> into_parts() && {
        framed_parts<S, C> parts(std::move(io_), std::move(codec_));
        parts.read_buffer = std::move(in_.buffer());
        parts.write_buffer = std::move(out_.buffer());
        return parts;
    }
    /// Returns the connection. The contents of the buffers are lost.
    [[nodiscard]] S into_inner() && { return std::move(io_); }

    static constexpr auto wait_shape() { return inspect::reads_from(&framed::io_); }         // as a stream
    static constexpr auto wait_shape(auto way) { return inspect::uses(way, &framed::io_); }  // as a sink

private:
    template <class, class>
    friend class framed;

    /// Same as poll_close(), with an error code.
    poll_result<result<void>> poll_end(context& cx) {
        const auto closed = poll_close(cx);
        if (!closed) return not_ready;
        if (!*closed) return result<void>(std::unexpect, convert_error<std::error_code>(closed->error()));
        return ok();
    }

    framed(S&& io, C&& with, detail::frame_reader&& in, bytes_mut&& out, std::size_t boundary)
        : io_(std::move(io)), codec_(std::move(with)), in_(std::move(in)), out_(std::move(out), boundary) {
        in_.decoder_has_changed();
    }

    S io_;
    C codec_;
    detail::frame_reader in_;
    detail::frame_writer<error_type> out_;
};

template <class S, class C>
framed(S, C, std::size_t = 0, std::source_location = {}) -> framed<S, C>;
template <class S, class C>
framed(std::reference_wrapper<S>, C) -> framed<io::borrowed<S>, C>;
template <class S, class C>
framed(std::reference_wrapper<S>, C, std::size_t) -> framed<io::borrowed<S>, C>;

}  // namespace eddy::codec

namespace eddy::detail {

template <class S, class C, class T>
struct item_check<codec::framed<S, C>, T> {
    static constexpr bool check() { return check_encoder<C, T>(); }
};

}  // namespace eddy::detail
