// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/future/detail/broken_future.hpp>
#include <eddy/io/detail/copying.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/io/detail/io_future.hpp>

namespace eddy::io {

/// The default buffer size of copy(), in bytes.
inline constexpr std::size_t default_copy_buffer = 8 * 1024;

/// The future of copy().
template <class R, class W>
class [[nodiscard("an operation does nothing until it is awaited")]] copy_future
    : public detail::io_future<copy_future<R, W>, result<std::uint64_t>> {
public:
    using output_type = result<std::uint64_t>;

    copy_future(R& from, W& to, std::size_t buffer_size, std::source_location where)
        : from_(&from), to_(&to), copying_(buffer_size, where) {}

    /// Returns the number of bytes that were written.
    [[nodiscard]] std::size_t count() const noexcept { return copying_.written(); }

    friend auto awaited_objects(const copy_future& me) noexcept { return detail::object_of_copy(*me.from_); }

    static constexpr auto wait_shape() {
        const auto writer = inspect::writer(&copy_future::to_);
        return inspect::waits_as(detail::copying::while_writing(&copy_future::copying_, writer),
                                 inspect::reader(&copy_future::from_));
    }

private:
    friend typename copy_future::io_future;
    poll_result<output_type> advance(context& cx) { return copying_.poll(cx, *from_, *to_); }

    R* from_;
    W* to_;
    detail::copying copying_;
};

/// The future of copy_buf().
template <class R, class W>
class [[nodiscard("an operation does nothing until it is awaited")]] copy_buf_future
    : public detail::io_future<copy_buf_future<R, W>, result<std::uint64_t>> {
public:
    using output_type = result<std::uint64_t>;

    copy_buf_future(R& from, W& to) noexcept : from_(&from), to_(&to) {}

    /// Returns the number of bytes that were written.
    [[nodiscard]] std::size_t count() const noexcept { return written_; }

    friend auto awaited_objects(const copy_buf_future& me) noexcept { return detail::object_of_copy(*me.from_); }

    static constexpr auto wait_shape() {
        const auto writer = inspect::writer(&copy_buf_future::to_);
        return inspect::waits_as(inspect::child_while(&copy_buf_future::waits_for_writer_, true, writer),
                                 inspect::reader(&copy_buf_future::from_));
    }

private:
    friend typename copy_buf_future::io_future;
    poll_result<output_type> advance(context& cx) {
        for (;;) {
            if (has_ended_) return poll_end(cx);
            detail::budget_guard cost(cx);
            const auto there =
                holds_.template during<detail::direction::read>(*from_, cx, [&] { return from_->poll_fill_buf(cx); });
            if (!there) return poll_flush_meanwhile(cx);
            has_ended_ = !*there || (*there)->empty();
            if (!*there) error_ = there->error();
            if (has_ended_) return poll_end(cx);
            const auto count = holds_.template during<detail::direction::write>(
                *to_, cx, [&] { return detail::poll_write_checked(*to_, cx, **there); });
            waits_for_writer_ = !count;
            if (!count) return not_ready;
            if (!*count) return failure(count->error());
            if (**count == 0) return failure(make_error_code(errc::write_zero));
            from_->consume(**count);
            written_ += **count;
            is_unflushed_ = true;
            if (!cost.is_paid()) return not_ready;
        }
    }

    static output_type failure(std::error_code error) { return output_type(std::unexpect, error); }

    poll_result<result<void>> poll_flush(context& cx) {
        return holds_.template during<detail::direction::write>(*to_, cx, [&] { return to_->poll_flush(cx); });
    }
    poll_result<output_type> poll_flush_meanwhile(context& cx) {
        if (!is_unflushed_) return not_ready;
        const auto flushed = poll_flush(cx);
        if (flushed && !*flushed) return failure(flushed->error());
        if (flushed) is_unflushed_ = false;
        return not_ready;
    }
    poll_result<output_type> poll_end(context& cx) {
        const auto flushed = poll_flush(cx);
        waits_for_writer_ = !flushed;
        if (!flushed) return not_ready;
        if (error_) return failure(error_);
        if (!*flushed) return failure(flushed->error());
        return ok(written_);
    }

    R* from_;
    W* to_;
    detail::copy_holds holds_;
    std::uint64_t written_ = 0;
    std::error_code error_;   // of the reader, kept until the bytes before it are flushed
    bool has_ended_ = false;  // the reader is not polled again while the writer flushes
    bool is_unflushed_ = false;
    bool waits_for_writer_ = false;  // for readers of the program's memory
};

/// Copies from a reader to a writer until the reader ends, then flushes. Returns the number of bytes.
/// Flushes whenever the reader is not ready. Reads ahead into the buffer while the writer is not ready.
/// Between a pipe and a stream, both of eddy::net, Linux moves the bytes inside the kernel (splice(2)), without the
/// buffer, except for a TCP connection with io_uring.
/// Errors: any error of the reader and of the writer; errc::write_zero; errc::count_too_large. An error of the reader
/// is returned after all bytes before it were written and flushed. Throws `misuse` if `buffer_size` is 0.
/// Cancel safety: not safe. Up to `buffer_size` bytes that were read and not yet written are lost. copy_buf() loses
/// none, nor does a copy inside the kernel.
/// Lifetime: the future borrows both objects.
/// Cost: one allocation, for the buffer, unless the kernel copies.
template <class R, class W>
[[nodiscard]] auto copy(R&& from, W&& to, std::size_t buffer_size = default_copy_buffer,
                        std::source_location where = std::source_location::current()) {
    constexpr bool fits = detail::check_borrowed_reader<R>() && detail::check_borrowed_writer<W>();
    return detail::make_if<fits, copy_future<std::remove_reference_t<R>, std::remove_reference_t<W>>>(
        from, to, buffer_size, where);
}

/// Same as copy(), for a reader with a buffer. Writes the bytes directly from that buffer.
/// Errors: same as copy().
/// Cancel safety: safe. Bytes that were not written are still in the reader.
/// Lifetime: the future borrows both objects.
/// Cost: no allocation.
template <class R, class W>
[[nodiscard]] auto copy_buf(R&& from, W&& to) {
    constexpr bool fits = detail::check_borrowed_buf_reader<R>() && detail::check_borrowed_writer<W>();
    return detail::make_if<fits, copy_buf_future<std::remove_reference_t<R>, std::remove_reference_t<W>>>(from, to);
}

}  // namespace eddy::io
