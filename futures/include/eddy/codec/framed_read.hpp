// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/bytes/bytes_mut.hpp>
#include <eddy/codec/decoder.hpp>
#include <eddy/codec/framed_parts.hpp>
#include <eddy/detail/small_algorithms.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/awaited_part.hpp>
#include <eddy/future/detail/budget_guard.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/borrowed.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/io/read_buf.hpp>
#include <eddy/stream/next.hpp>
#include <eddy/stream/stream_ops.hpp>

namespace eddy::detail {

/// The buffer and the state of a stream of codec frames that are read from a reader.
///
///              no frame in the buffer            bytes were read, or the end of the stream
///     may_have_frame_ -------------> must read ---------------------------> may_have_frame_
///          |  ^                                               (at the end decode_eof() is called)
///   error  v  | polled again
///       ends_now_: returns "no item" once; after an error at the end of the stream it reads before it decodes again
///
/// Cancel safety: safe. Bytes that were read stay in the buffer.
/// Thread safety: not synchronized; distinct objects may be used on different threads.
class frame_reader {
public:
    /// Creates a reader with a buffer of `capacity` bytes.
    /// Errors: throws `misuse` if `capacity` is 0.
    frame_reader(std::size_t capacity, std::source_location where) : frame_reader(bytes_mut(), capacity, where) {}
    /// Creates a reader whose `buffer` may already contain bytes of the stream.
    frame_reader(bytes_mut&& buffer, std::size_t capacity, std::source_location where = std::source_location::current())
        : buffer_(std::move(buffer)), capacity_(capacity), may_have_frame_(!buffer_.empty()) {
        if (capacity == 0) throw misuse("the read buffer for frames needs a capacity of at least one byte", where);
    }

    /// Returns the next frame, or an error of the reader or the decoder. Returns nullopt at the end of the stream, and
    /// once after an error of the reader or an error that the decoder does not recover from.
    template <class R, class D>
    auto poll_next(context& cx, R& from, D& decoder) -> poll_result<std::optional<typename decoded_by<D>::item_type>> {
        using item = typename decoded_by<D>::item_type;
        using error = typename decoded_by<D>::error_type;
        using answer = poll_result<std::optional<item>>;
        if (std::exchange(ends_now_, false)) return std::nullopt;
        for (;;) {
            if (may_have_frame_ && !reads_first_) {
                const std::size_t size_before = buffer_.size();
                auto frame = at_end_ ? frame_finder::find_eof(decoder, buffer_) : frame_finder::find(decoder, buffer_);
                if (!frame) [[unlikely]] {
                    ends_now_ =
                        !(at_end_ ? detail::can_continue_at_end(decoder, frame.error(), size_before, buffer_.size())
                                  : detail::can_continue_after(decoder, frame.error()));
                    // The stream may have continued by the next poll: the rest of an incomplete frame may have arrived.
                    reads_first_ = ends_now_ && at_end_;
                    return std::optional<item>(std::in_place, std::unexpect, std::move(frame).error());
                }
                if (*frame) {
                    answer found(std::in_place, std::in_place, std::in_place, std::move(**frame));
                    free_grown();
                    return found;
                }
                may_have_frame_ = false;
                if (at_end_) return std::nullopt;
            }
            budget_guard cost(cx);
            const auto count = poll_fill(cx, from);
            if (!count) {
                free_grown();
                return not_ready;
            }
            if (!*count) {
                ends_now_ = true;
                return std::optional<item>(std::in_place, std::unexpect, error(count->error()));
            }
            reads_first_ = false;
            const bool was_at_end = std::exchange(at_end_, **count == 0);
            if (at_end_ && was_at_end && !may_have_frame_) return std::nullopt;
            may_have_frame_ = true;
            if (!cost.is_paid()) return not_ready;  // the bytes stay in the buffer
        }
    }

    /// Must be called after the decoder was replaced: the buffered bytes may be a frame for the new decoder.
    void decoder_has_changed() noexcept { may_have_frame_ = may_have_frame_ || !buffer_.empty(); }

    [[nodiscard]] bytes_mut& buffer() noexcept { return buffer_; }
    [[nodiscard]] const bytes_mut& buffer() const noexcept { return buffer_; }

private:
    /// Reads into the buffer. There is always spare capacity, so a count of 0 means the end of the stream.
    template <class R>
    poll_result<result<std::size_t>> poll_fill(context& cx, R& from) {
        // A read of a few bytes costs as much as a large one, so a nearly full buffer is extended first.
        constexpr std::size_t min_spare = 1024;
        if (buffer_.capacity() - buffer_.size() < detail::lesser(min_spare, capacity_)) buffer_.reserve(capacity_);
        return poll_read_buf(from, cx, buffer_);
    }

    /// Frees the memory of a large frame, since it may be long until the next one.
    void free_grown() noexcept { buffer_.free_memory_above(2 * capacity_); }

    bytes_mut buffer_;
    std::size_t capacity_;
    bool may_have_frame_;
    bool at_end_ = false;       // the last read returned 0 bytes
    bool ends_now_ = false;     // an error was returned; the next poll returns "no item"
    bool reads_first_ = false;  // the error was at the end of the stream; read again before decoding
};

}  // namespace eddy::detail

namespace eddy::codec {

/// A stream of the frames that a decoder finds in the bytes of a reader. See `framed`, which also writes.
///     codec::framed_read lines(io::standard_input(), codec::lines_codec(1024));
/// Errors: any error of the stream of `framed`.
/// Cancel safety: safe. A partially received frame stays in this object.
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

    /// Returns a stream with the decoder that `f` returns; `f` is called with the present decoder. Keeps the contents
    /// of the buffer.
    template <class F>
    [[nodiscard]] auto map_codec(F&& f) && {
        using other = std::invoke_result_t<F, D&&>;
        return framed_read<R, other>(std::move(from_), std::invoke(std::forward<F>(f), std::move(codec_)),
                                     std::move(frames_));
    }
    /// Returns the reader. The contents of the buffer are lost.
    [[nodiscard]] R into_inner() && { return std::move(from_); }

    static constexpr auto wait_shape() { return inspect::reads_from(&framed_read::from_); }

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
