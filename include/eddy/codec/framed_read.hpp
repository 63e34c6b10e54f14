// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/codec/decoder.hpp>
#include <eddy/codec/framed_parts.hpp>
#include <eddy/detail/frame_reader.hpp>
#include <eddy/detail/io_checks.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/borrowed.hpp>
#include <eddy/stream/next.hpp>
#include <eddy/stream/stream_ops.hpp>

namespace eddy::codec {

/// A stream of the frames that a decoder finds in the bytes of a reader. See `framed`, which also writes.
///     codec::framed_read lines(io::standard_input(), codec::lines_codec(1024));
/// Errors: those of the stream of `framed`.
/// Cancel safety: safe. A partially received frame stays in this object.
/// Thread safety: one thread at a time.
template <class R, class D>
class [[nodiscard]] framed_read : public stream_ops<framed_read<R, D>> {
    static constexpr bool fits = detail::check_reader<R>() && detail::check_decoder<D>();

public:
    using item_type = typename detail::decoded_by<D>::item_type;

    /// Creates a stream that reads up to `capacity` bytes at a time.
    /// Errors: throws misuse if `capacity` is 0.
    explicit framed_read(detail::given_io<R> from, D decoder, std::size_t capacity = default_buffer,
                         std::source_location where = std::source_location::current())
        : from_(std::move(from).take()), codec_(std::move(decoder)), frames_(capacity, where) {}

    /// The stream function; see stream.hpp.
    poll_result<std::optional<item_type>> poll_next(context& cx) {
        if constexpr (fits) {
            return frames_.poll_next(cx, from_, codec_);
        } else {
            return not_ready;
        }
    }

    /// Returns the decoder.
    [[nodiscard]] D& codec() noexcept { return codec_; }
    [[nodiscard]] const D& codec() const noexcept { return codec_; }
    /// Returns the reader. Bytes that are read from it directly bypass the decoder.
    [[nodiscard]] R& inner() noexcept { return from_; }
    /// Returns the buffer of the bytes that were read and not decoded yet.
    [[nodiscard]] const bytes_mut& read_buffer() const noexcept { return frames_.buffer(); }
    [[nodiscard]] bytes_mut& read_buffer() noexcept { return frames_.buffer(); }

    /// Returns a stream with the decoder that `f` creates from this one. Keeps the contents of the buffer.
    template <class F>
    [[nodiscard]] auto map_codec(F&& f) && {
        using other = std::invoke_result_t<F, D&&>;
        return framed_read<R, other>(std::move(from_), std::invoke(std::forward<F>(f), std::move(codec_)),
                                     std::move(frames_));
    }
    /// Returns the reader. The contents of the buffer are lost.
    [[nodiscard]] R into_inner() && { return std::move(from_); }

private:
    template <class, class>
    friend class framed_read;

    framed_read(R&& from, D&& decoder, detail::frame_reader&& frames)
        : from_(std::move(from)), codec_(std::move(decoder)), frames_(std::move(frames)) {
        frames_.decoder_has_changed();
    }

    R from_;
    D codec_;
    detail::frame_reader frames_;
};

template <class R, class D>
framed_read(R, D, std::size_t = 0, std::source_location = {}) -> framed_read<R, D>;
template <class R, class D>
framed_read(std::reference_wrapper<R>, D) -> framed_read<io::borrowed<R>, D>;
template <class R, class D>
framed_read(std::reference_wrapper<R>, D, std::size_t) -> framed_read<io::borrowed<R>, D>;

}  // namespace eddy::codec
