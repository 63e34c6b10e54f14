// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <type_traits>
#include <utility>

#include <eddy/future/detail/awaited_part.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/borrowed.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/result.hpp>

namespace eddy::io {

/// Combines a reader and a writer. Returned by join().
template <class R, class W>
class [[nodiscard]] joined_stream {
public:
    /// Takes ownership of the reader and of the writer.
    joined_stream(R&& reader, W&& writer) : reader_(std::move(reader)), writer_(std::move(writer)) {}

    /// Implements async_read and async_write, and the optional operations that the two objects have.
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) {
        return reader_.poll_read(cx, into);
    }
    poll_result<result<std::size_t>> poll_read_vectored(context& cx, std::span<const std::span<std::byte>> into)
        requires vectored_read<R>
    {
        return reader_.poll_read_vectored(cx, into);
    }
    poll_result<result<std::span<const std::byte>>> poll_fill_buf(context& cx)
        requires async_buf_read<R>
    {
        return reader_.poll_fill_buf(cx);
    }
    void consume(std::size_t count)
        requires async_buf_read<R>
    {
        reader_.consume(count);
    }
    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from) {
        return writer_.poll_write(cx, from);
    }
    poll_result<result<std::size_t>> poll_write_vectored(context& cx, std::span<const std::span<const std::byte>> from)
        requires vectored_write<W>
    {
        return writer_.poll_write_vectored(cx, from);
    }
    poll_result<result<void>> poll_flush(context& cx) { return writer_.poll_flush(cx); }
    poll_result<result<void>> poll_shutdown(context& cx) { return writer_.poll_shutdown(cx); }

    /// Returns the reader or the writer.
    [[nodiscard]] R& reader() noexcept { return reader_; }
    [[nodiscard]] W& writer() noexcept { return writer_; }

    static constexpr auto wait_shape(auto way) {
        return inspect::uses(way, &joined_stream::reader_, &joined_stream::writer_);
    }

private:
    R reader_;
    W writer_;
};

/// Returns one object that reads from `reader` and writes to `writer`. Use it, for example, to make a connection from
/// standard input and output. To await two futures, use eddy::join().
/// Errors, cancel safety: same as the two objects.
/// Lifetime: takes ownership of the reader and of the writer. Pass std::ref(x) to borrow one.
template <class R, class W>
// After `using namespace eddy;`, the compiler considers this function for `join(io::read(a, x), io::read(b, y))`, too.
    requires(!(future<std::remove_cvref_t<std::unwrap_ref_decay_t<R>>> &&
               future<std::remove_cvref_t<std::unwrap_ref_decay_t<W>>>))
[[nodiscard]] auto join(R&& reader, W&& writer) {
    constexpr bool fits = detail::check_given_io<R>() && detail::check_given_io<W>() &&
                          detail::check_reader<detail::kept_io_t<R>>() && detail::check_writer<detail::kept_io_t<W>>();
    return detail::make_if<fits, joined_stream<detail::kept_io_t<R>, detail::kept_io_t<W>>, detail::broken_io>(
        std::forward<R>(reader), std::forward<W>(writer));
}

}  // namespace eddy::io
