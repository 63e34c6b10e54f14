// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <type_traits>
#include <utility>

#include <eddy/codec/encoder.hpp>
#include <eddy/codec/framed_parts.hpp>
#include <eddy/detail/frame_writer.hpp>
#include <eddy/detail/io_checks.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/borrowed.hpp>
#include <eddy/sink/send.hpp>
#include <eddy/sink/sink_ops.hpp>

namespace eddy::codec {

/// A sink of frames that an encoder converts to bytes for a writer. See `framed`, which also reads.
///     codec::framed_write log(std::move(file), codec::lines_codec());
/// Errors: those of the sink of `framed`.
/// Cancel safety: safe. Frames that were passed to the sink stay in this object.
/// Thread safety: one thread at a time.
template <class W, class E>
class [[nodiscard]] framed_write : public sink_ops<framed_write<W, E>> {
    static constexpr bool fits = detail::check_writer<W>();

public:
    using error_type = detail::codec_error_t<E>;
    /// The result of the operations of the sink.
    using outcome = std::expected<void, error_type>;

    /// Creates a sink that writes to `to`.
    explicit framed_write(detail::given_io<W> to, E encoder)
        : to_(std::move(to).take()), codec_(std::move(encoder)), frames_(default_buffer) {}

    /// The sink functions; see sink.hpp.
    poll_result<outcome> poll_ready(context& cx) {
        if constexpr (fits) {
            return frames_.poll_ready(cx, to_);
        } else {
            return not_ready;
        }
    }
    template <class T>
        requires encoder<E, T>
    outcome start_send(T&& frame) {
        return frames_.start_send(codec_, std::forward<T>(frame));
    }
    poll_result<outcome> poll_flush(context& cx) {
        if constexpr (fits) {
            return frames_.poll_flush(cx, to_);
        } else {
            return not_ready;
        }
    }
    poll_result<outcome> poll_close(context& cx) {
        if constexpr (fits) {
            return frames_.poll_close(cx, to_);
        } else {
            return not_ready;
        }
    }

    /// Returns or sets the number of unwritten bytes from which the sink accepts no further frame. 8 KiB by default.
    [[nodiscard]] std::size_t backpressure_boundary() const noexcept { return frames_.boundary(); }
    void set_backpressure_boundary(std::size_t bytes) noexcept { frames_.set_boundary(bytes); }

    /// Returns the encoder.
    [[nodiscard]] E& codec() noexcept { return codec_; }
    [[nodiscard]] const E& codec() const noexcept { return codec_; }
    /// Returns the writer. Bytes that are written to it directly bypass the encoder.
    [[nodiscard]] W& inner() noexcept { return to_; }
    /// Returns the buffer of the bytes that were encoded and not written yet.
    [[nodiscard]] const bytes_mut& write_buffer() const noexcept { return frames_.buffer(); }
    [[nodiscard]] bytes_mut& write_buffer() noexcept { return frames_.buffer(); }

    /// Returns a sink with the encoder that `f` creates from this one. Keeps the contents of the buffer.
    template <class F>
    [[nodiscard]] auto map_codec(F&& f) && {
        using other = std::invoke_result_t<F, E&&>;
        framed_write<W, other> mapped(std::move(to_), std::invoke(std::forward<F>(f), std::move(codec_)));
        mapped.write_buffer() = std::move(frames_.buffer());
        mapped.set_backpressure_boundary(frames_.boundary());
        return mapped;
    }
    /// Returns the writer. Bytes that were not flushed are lost.
    [[nodiscard]] W into_inner() && { return std::move(to_); }

private:
    W to_;
    E codec_;
    detail::frame_writer<error_type> frames_;
};

template <class W, class E>
framed_write(W, E) -> framed_write<W, E>;
template <class W, class E>
framed_write(std::reference_wrapper<W>, E) -> framed_write<io::borrowed<W>, E>;

}  // namespace eddy::codec

namespace eddy::detail {

template <class W, class E, class T>
struct item_check<codec::framed_write<W, E>, T> {
    static constexpr bool check() { return check_encoder<E, T>(); }
};

}  // namespace eddy::detail
