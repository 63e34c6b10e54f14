// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/codec/decoder.hpp>
#include <eddy/codec/encoder.hpp>
#include <eddy/codec/framed_parts.hpp>
#include <eddy/codec/split_framed.hpp>
#include <eddy/detail/frame_reader.hpp>
#include <eddy/detail/frame_writer.hpp>
#include <eddy/detail/io_checks.hpp>
#include <eddy/future.hpp>
#include <eddy/io/lent.hpp>
#include <eddy/sink.hpp>
#include <eddy/stream/next.hpp>
#include <eddy/stream/stream_ops.hpp>

namespace eddy::codec {

/// A connection as a stream of the frames that come and a sink of those that go: `codec` says how they lie in its
/// bytes.
///
///     codec::framed lines(std::move(stream), codec::lines_codec(1024));
///     while (auto line = co_await lines.next()) co_await try_(lines.send(co_await try_(std::move(*line))));
///
/// `stream` is any reader and writer, handed over, or lent as std::ref(stream). send() writes a frame at once; feed()
/// collects frames, up to the boundary, for one flush(). close() flushes and shuts the connection's side down;
/// destroying does not flush.
///
/// Errors, of the stream: those of the reader and the decoder are items. After one that the decoder cannot go on from,
/// and after each of the reader, the stream ends; asked again it goes on with the next bytes. At the end of the bytes
/// it ends, too, and reads again when it is asked again: a file may have grown. Half a frame there is
/// errc::bytes_remaining, unless the codec says otherwise. Errors, of the sink: those of the encoder, whose frame is
/// not sent, and of the writer; errc::write_zero. Cancel safety: safe. What was read of a frame is kept here, and what
/// was given to the sink, too. Thread safety: as any object; for two tasks see split(). Cost: a buffer of 8 KiB,
/// allocated at the first read, which frames may share, and one for what waits to be written. A read may bring many
/// frames: those cost no system call.
template <class S, class C>
class [[nodiscard]] framed : public stream_ops<framed<S, C>>, public sink_ops<framed<S, C>> {
    static constexpr bool fits = detail::check_reader<S>() && detail::check_writer<S>() && detail::check_decoder<C>();

public:
    using item_type = typename detail::decoded_by<C>::item_type;
    using error_type = detail::codec_error_t<C>;
    using outcome = std::expected<void, error_type>;

    /// Reads up to `capacity` bytes at once. Throws misuse for none.
    explicit framed(detail::given_io<S> io, C with, std::size_t capacity = default_buffer,
                    std::source_location where = std::source_location::current())
        : io_(std::move(io).take()), codec_(std::move(with)), in_(capacity, where), out_(default_buffer) {}
    explicit framed(framed_parts<S, C> parts)
        : io_(std::move(parts.io)),
          codec_(std::move(parts.codec)),
          in_(std::move(parts.read_buffer), default_buffer),
          out_(std::move(parts.write_buffer), default_buffer) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        if constexpr (fits) {
            return in_.poll_next(cx, io_, codec_);
        } else {
            return not_ready;
        }
    }

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

    /// While so many bytes wait to be written, or more, no further frame is taken. 8 KiB by default.
    [[nodiscard]] std::size_t backpressure_boundary() const noexcept { return out_.boundary(); }
    void set_backpressure_boundary(std::size_t bytes) noexcept { out_.set_boundary(bytes); }

    [[nodiscard]] C& codec() noexcept { return codec_; }
    [[nodiscard]] const C& codec() const noexcept { return codec_; }
    /// The connection. What is read or written there by hand goes past the frames.
    [[nodiscard]] S& inner() noexcept { return io_; }
    /// What was read, and not yet decoded.
    [[nodiscard]] const bytes_mut& read_buffer() const noexcept { return in_.buffer(); }
    [[nodiscard]] bytes_mut& read_buffer() noexcept { return in_.buffer(); }
    /// What is encoded, and not yet written.
    [[nodiscard]] const bytes_mut& write_buffer() const noexcept { return out_.buffer(); }
    [[nodiscard]] bytes_mut& write_buffer() noexcept { return out_.buffer(); }

    /// A half that sends and one that receives, for two tasks: `auto [sink, stream] = std::move(lines).split();` The
    /// sink takes `T`s: if nothing is said what the codec names as `sent_type`, or else what it decodes. See
    /// streams::split().
    template <class T = void>
    [[nodiscard]] auto split() && {
        if constexpr (fits && detail::check_sent<T, C>()) {
            using sent = detail::sent_or<T, C>;
            return framed_halves<framed, sent>(streams::halves<framed, sent>(std::move(*this)));
        } else {
            return detail::broken_framed_halves();
        }
    }

    /// With the codec that `f` makes of this one: a protocol that begins with another one. What was read, and what
    /// waits to be written, stays.
    template <class F>
    [[nodiscard]] auto map_codec(F&& f) && {
        using other = std::invoke_result_t<F, C&&>;
        return framed<S, other>(std::move(io_), std::invoke(std::forward<F>(f), std::move(codec_)), std::move(in_),
                                std::move(out_.buffer()), out_.boundary());
    }
    /// All that it is made of: `codec::framed(std::move(parts))` is the way back.
    [[nodiscard]] framed_parts<S, C> into_parts() && {
        framed_parts<S, C> parts(std::move(io_), std::move(codec_));
        parts.read_buffer = std::move(in_.buffer());
        parts.write_buffer = std::move(out_.buffer());
        return parts;
    }
    /// The connection alone. What is in the buffers is lost.
    [[nodiscard]] S into_inner() && { return std::move(io_); }

private:
    template <class, class>
    friend class framed;

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
framed(std::reference_wrapper<S>, C) -> framed<io::lent<S>, C>;
template <class S, class C>
framed(std::reference_wrapper<S>, C, std::size_t) -> framed<io::lent<S>, C>;

}  // namespace eddy::codec

namespace eddy::detail {

template <class S, class C, class T>
struct item_check<codec::framed<S, C>, T> {
    static constexpr bool check() { return check_encoder<C, T>(); }
};

}  // namespace eddy::detail
