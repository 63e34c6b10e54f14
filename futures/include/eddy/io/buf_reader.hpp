// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <source_location>
#include <span>
#include <system_error>
#include <utility>

#include <eddy/bytes/detail/byte_window.hpp>
#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/borrowed.hpp>
#include <eddy/io/detail/forwards_io.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/io/detail/read_filled.hpp>
#include <eddy/result.hpp>

namespace eddy::io {

/// The default capacity of buffered readers and writers, in bytes.
inline constexpr std::size_t default_buffer = 8 * 1024;

/// A reader with a buffer. Combines many small reads into few large ones, and makes the bytes searchable. Forwards
/// writes unchanged.
///     io::buf_reader lines(std::move(stream));    io::buf_reader borrowed(std::ref(stream));
/// Errors: the constructor throws `misuse` if the capacity is 0.
/// Cancel safety: same as the reader. Bytes that were read stay in the buffer.
/// Lifetime: unread bytes in the buffer are lost when this object is destroyed. See buffered().
/// Cost: one allocation, at the first read. A read of at least the buffer's capacity bypasses the buffer if it is
/// empty.
template <class R>
class buf_reader : public detail::forwards_write<buf_reader<R>> {
public:
    /// The type of the inner object.
    using inner_type = R;

    /// Takes ownership of `inner`. The buffer has `capacity` bytes.
    explicit buf_reader(detail::given_io<R> inner, std::size_t capacity = default_buffer,
                        std::source_location where = std::source_location::current())
        : inner_(std::move(inner).take()), capacity_(capacity) {
        detail::check_reader<R>();
        if (capacity == 0) throw misuse("a buf_reader needs a buffer of at least one byte", where);
    }

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) {
        drop_if_seeking();
        if (left_.empty() && into.size() >= capacity_) return detail::poll_read_checked(inner_, cx, into);
        if (into.empty()) return ok(std::size_t{0});
        return detail::poll_read_filled(*this, cx, into);
    }

    poll_result<result<std::span<const std::byte>>> poll_fill_buf(context& cx) {
        drop_if_seeking();
        if (left_.empty()) {
            if (!buffer_) buffer_ = std::make_unique_for_overwrite<std::byte[]>(capacity_);
            const auto count = detail::poll_read_checked(inner_, cx, std::span(buffer_.get(), capacity_));
            if (!count) return not_ready;
            if (!*count) return result<std::span<const std::byte>>(std::unexpect, count->error());
            left_ = std::span(buffer_.get(), **count);
        }
        return ok(left_);
    }

    /// Removes the first `count` unread bytes.
    /// Errors: throws std::out_of_range if there are fewer.
    void consume(std::size_t count) {
        if (count > left_.size()) detail::throw_out_of_window("buf_reader::consume", count, left_.size());
        left_ = left_.subspan(count);
    }

    /// Implements async_seek. A seek discards the buffer, unless it fails. A read during a seek also discards it.
    result<void> start_seek(seek_from to)
        requires async_seek<R>
    {
        drop_if_seeking();
        if (to.from() == seek_from::origin::current) {
            // The reader is ahead of the caller by the unread bytes.
            const auto further = static_cast<std::int64_t>(left_.size());
            if (to.offset() < std::numeric_limits<std::int64_t>::min() + further)
                return std::unexpected(std::make_error_code(std::errc::invalid_argument));
            to = seek_from::current(to.offset() - further);
        }
        auto begun = inner_.start_seek(to);
        is_seeking_ = begun.has_value();
        return begun;
    }
    poll_result<result<std::uint64_t>> poll_seek_complete(context& cx)
        requires async_seek<R>
    {
        auto place = inner_.poll_seek_complete(cx);
        if (!place) return not_ready;
        if (*place) drop_if_seeking();
        is_seeking_ = false;  // a failed seek leaves the reader where it was, so the buffer is still valid
        if (*place) **place -= left_.size();
        return place;
    }

    /// Returns the bytes that were read and not yet consumed.
    [[nodiscard]] std::span<const std::byte> buffered() const noexcept { return left_; }
    /// Returns the capacity of the buffer, in bytes.
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    /// Returns the reader. A direct read from it skips the unread bytes in the buffer.
    [[nodiscard]] R& inner() noexcept { return inner_; }
    /// Moves the reader out. Unread bytes in the buffer are lost.
    [[nodiscard]] R into_inner() && { return std::move(inner_); }

    static constexpr auto wait_shape(auto way) { return inspect::uses(way, &buf_reader::inner_); }

private:
    /// Discards the buffer if a seek is in progress: its bytes belong to the old position.
    void drop_if_seeking() noexcept {
        if (std::exchange(is_seeking_, false)) left_ = {};
    }

    R inner_;
    std::unique_ptr<std::byte[]> buffer_;
    std::size_t capacity_;
    std::span<const std::byte> left_;  // the unread bytes of buffer_
    bool is_seeking_ = false;          // a seek was begun, and its result is not known yet
};

/// Deduces the type of the reader. A std::ref is stored as a `borrowed`.
template <class R>
buf_reader(R, std::size_t = 0, std::source_location = {}) -> buf_reader<R>;
template <class R>
buf_reader(std::reference_wrapper<R>) -> buf_reader<borrowed<R>>;
template <class R>
buf_reader(std::reference_wrapper<R>, std::size_t) -> buf_reader<borrowed<R>>;

}  // namespace eddy::io
