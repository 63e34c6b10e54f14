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
#include <eddy/future.hpp>
#include <eddy/io/lent.hpp>
#include <eddy/sink/send.hpp>
#include <eddy/sink/sink_ops.hpp>

namespace eddy::codec {

/// A sink of frames that an encoder turns into bytes for a writer: see `framed`, which reads, too.
///     codec::framed_write log(std::move(file), codec::lines_codec());
template <class W, class E>
class [[nodiscard]] framed_write : public sink_ops<framed_write<W, E>> {
    static constexpr bool fits = detail::check_writer<W>();

public:
    using error_type = detail::codec_error_t<E>;
    using outcome = std::expected<void, error_type>;

    explicit framed_write(detail::given_io<W> to, E encoder)
        : to_(std::move(to).take()), codec_(std::move(encoder)), frames_(default_buffer) {}

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

    /// While so many bytes wait to be written, or more, no further frame is taken. 8 KiB by default.
    [[nodiscard]] std::size_t backpressure_boundary() const noexcept { return frames_.boundary(); }
    void set_backpressure_boundary(std::size_t bytes) noexcept { frames_.set_boundary(bytes); }

    [[nodiscard]] E& codec() noexcept { return codec_; }
    [[nodiscard]] const E& codec() const noexcept { return codec_; }
    [[nodiscard]] W& inner() noexcept { return to_; }
    /// What is encoded, and not yet written.
    [[nodiscard]] const bytes_mut& write_buffer() const noexcept { return frames_.buffer(); }
    [[nodiscard]] bytes_mut& write_buffer() noexcept { return frames_.buffer(); }

    /// With the encoder that `f` makes of this one; what waits to be written stays.
    template <class F>
    [[nodiscard]] auto map_codec(F&& f) && {
        using other = std::invoke_result_t<F, E&&>;
        framed_write<W, other> mapped(std::move(to_), std::invoke(std::forward<F>(f), std::move(codec_)));
        mapped.write_buffer() = std::move(frames_.buffer());
        mapped.set_backpressure_boundary(frames_.boundary());
        return mapped;
    }
    /// The writer. What was not flushed is lost.
    [[nodiscard]] W into_inner() && { return std::move(to_); }

private:
    W to_;
    E codec_;
    detail::frame_writer<error_type> frames_;
};

template <class W, class E>
framed_write(W, E) -> framed_write<W, E>;
template <class W, class E>
framed_write(std::reference_wrapper<W>, E) -> framed_write<io::lent<W>, E>;

}  // namespace eddy::codec

namespace eddy::detail {

template <class W, class E, class T>
struct item_check<codec::framed_write<W, E>, T> {
    static constexpr bool check() { return check_encoder<E, T>(); }
};

}  // namespace eddy::detail
