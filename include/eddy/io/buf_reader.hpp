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

#include <eddy/detail/byte_window.hpp>
#include <eddy/detail/forwards_io.hpp>
#include <eddy/detail/io_checks.hpp>
#include <eddy/detail/read_filled.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/io/lent.hpp>
#include <eddy/result.hpp>

namespace eddy::io {

/// What buffered readers and writers hold, if nothing else is said.
inline constexpr std::size_t default_buffer = 8 * 1024;

/// A reader with a buffer: many small reads become few large ones, and one can look for a delimiter. Writing goes
/// through unchanged.
///     io::buf_reader lines(std::move(stream));    io::buf_reader lent(std::ref(stream));
/// Errors: throws misuse for a buffer of 0 bytes.
/// Cancel safety: that of the reader; what has come is in the buffer.
/// Lifetime: what is in the buffer is lost with it: see buffered().
/// Cost: one allocation, at the first read. A read of at least the buffer's size goes past it when it is empty.
template <class R>
class buf_reader : public detail::forwards_write<buf_reader<R>> {
public:
    using inner_type = R;

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

    /// Errors: throws std::out_of_range for more than there is.
    void consume(std::size_t count) {
        if (count > left_.size()) detail::throw_out_of_window("buf_reader::consume", count, left_.size());
        left_ = left_.subspan(count);
    }

    result<void> start_seek(seek_from to)
        requires async_seek<R>
    {
        drop_if_seeking();
        if (to.from() == seek_from::origin::current) {
            // The reader itself is further on, by what is in the buffer.
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
        is_seeking_ = false;  // one that has failed takes nothing: the reader is where it was
        if (*place) **place -= left_.size();
        return place;
    }

    /// What was read and not yet taken.
    [[nodiscard]] std::span<const std::byte> buffered() const noexcept { return left_; }
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    /// The reader. Whoever reads from it directly misses what is in the buffer.
    [[nodiscard]] R& inner() noexcept { return inner_; }
    /// The reader again. What is in the buffer is lost.
    [[nodiscard]] R into_inner() && { return std::move(inner_); }

private:
    /// What is in the buffer is of the place that is left.
    void drop_if_seeking() noexcept {
        if (std::exchange(is_seeking_, false)) left_ = {};
    }

    R inner_;
    std::unique_ptr<std::byte[]> buffer_;
    std::size_t capacity_;
    std::span<const std::byte> left_;  // of the buffer
    bool is_seeking_ = false;          // a seek was begun, and has not yet said how it ends
};

template <class R>
buf_reader(R, std::size_t = 0, std::source_location = {}) -> buf_reader<R>;
template <class R>
buf_reader(std::reference_wrapper<R>) -> buf_reader<lent<R>>;
template <class R>
buf_reader(std::reference_wrapper<R>, std::size_t) -> buf_reader<lent<R>>;

}  // namespace eddy::io
