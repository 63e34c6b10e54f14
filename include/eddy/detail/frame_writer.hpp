// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <expected>
#include <utility>

#include <eddy/bytes/bytes_mut.hpp>
#include <eddy/codec/encoder.hpp>
#include <eddy/detail/io_checks.hpp>
#include <eddy/future/future.hpp>

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

    /// Ready if the buffer has fewer bytes than the boundary. Otherwise flushes first.
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
