// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <type_traits>
#include <utility>

#include <eddy/bytes/bytes_mut.hpp>
#include <eddy/codec/encoder.hpp>
#include <eddy/codec/framed_parts.hpp>
#include <eddy/detail/small_algorithms.hpp>
#include <eddy/future/detail/awaited_part.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/borrowed.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/sink/send.hpp>
#include <eddy/sink/sink_ops.hpp>

namespace eddy::detail {

/// The send buffer for codec frames, and the operations of a sink. `E` is the codec's error type.
/// Cancel safety: safe. Unwritten bytes stay in the buffer.
/// Thread safety: not synchronized; distinct objects may be used on different threads.
template <class E>
class frame_writer {
public:
    using outcome = std::expected<void, E>;

    explicit frame_writer(std::size_t boundary) noexcept : boundary_(boundary) {}
    frame_writer(bytes_mut&& buffer, std::size_t boundary) noexcept : buffer_(std::move(buffer)), boundary_(boundary) {}

    /// Returns ready if fewer than boundary() bytes are buffered. Otherwise writes the buffered bytes and flushes the
    /// writer first.
    template <class W>
    poll_result<outcome> poll_ready(context& cx, W& to) {
        if (buffer_.size() < boundary_) return outcome();
        return poll_flush(cx, to);
    }

    /// Encodes a frame to the end of the buffer. If the encoder fails or throws, the buffer is unchanged.
    template <class C, class T>
    outcome start_send(C& codec, T&& frame) {
        undo half(buffer_);
        auto encoded = codec.encode(std::forward<T>(frame), buffer_);
        if (encoded) half.keep();
        return encoded;
    }

    /// Writes all buffered bytes and flushes the writer.
    template <class W>
    poll_result<outcome> poll_flush(context& cx, W& to) {
        const auto written = poll_write_all_buf(to, cx, buffer_);
        if (!written) return not_ready;
        if (!*written) return outcome(std::unexpect, E(written->error()));
        buffer_.free_memory_above(2 * detail::greater(codec::default_buffer, boundary_));  // of a large frame
        return as_outcome(to.poll_flush(cx));
    }

    /// Writes all buffered bytes and shuts the writer down.
    template <class W>
    poll_result<outcome> poll_close(context& cx, W& to) {
        if (!buffer_.empty()) {
            auto flushed = poll_flush(cx, to);
            if (!flushed || !*flushed) return flushed;
        }
        return as_outcome(to.poll_shutdown(cx));  // flushes the writer as well
    }

    /// Returns the number of buffered bytes from which poll_ready() flushes.
    [[nodiscard]] std::size_t boundary() const noexcept { return boundary_; }
    void set_boundary(std::size_t bytes) noexcept { boundary_ = bytes; }
    [[nodiscard]] bytes_mut& buffer() noexcept { return buffer_; }
    [[nodiscard]] const bytes_mut& buffer() const noexcept { return buffer_; }

private:
    /// Removes the bytes that an encoder has written before it failed or threw, unless keep() was called.
    class undo {
    public:
        explicit undo(bytes_mut& in) noexcept : in_(&in), size_(in.size()) {}
        undo(const undo&) = delete;
        undo& operator=(const undo&) = delete;
        ~undo() {
            if (in_ != nullptr) in_->truncate(size_);
        }
        void keep() noexcept { in_ = nullptr; }

    private:
        bytes_mut* in_;
        std::size_t size_;
    };

    static poll_result<outcome> as_outcome(poll_result<result<void>>&& answer) {
        if (!answer) return not_ready;
        if (!*answer) return outcome(std::unexpect, E(answer->error()));
        return outcome();
    }

    bytes_mut buffer_;
    std::size_t boundary_;
};

}  // namespace eddy::detail

namespace eddy::codec {

/// A sink of frames that an encoder converts to bytes for a writer. See `framed`, which also reads.
///     codec::framed_write log(std::move(file), codec::lines_codec());
/// Errors: any error of the sink of `framed`.
/// Cancel safety: safe. Frames that were passed to the sink stay in this object.
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

    /// Returns a sink with the encoder that `f` returns; `f` is called with the present encoder. Keeps the contents of
    /// the buffer.
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

    static constexpr auto wait_shape() { return inspect::writes_to(&framed_write::to_); }

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
