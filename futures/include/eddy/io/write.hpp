// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

#include <eddy/future/detail/broken_future.hpp>
#include <eddy/io/buffer.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/io/detail/io_future.hpp>

namespace eddy::io {

/// The future of write().
template <class W>
class [[nodiscard("an operation does nothing until it is awaited")]] write_future
    : public detail::writing_future<write_future<W>, result<std::size_t>, W> {
public:
    using output_type = result<std::size_t>;

    write_future(W& to, std::span<const std::byte> from) noexcept : write_future::writing_future(to), from_(from) {}

private:
    friend typename write_future::io_future;
    poll_result<output_type> advance(context& cx) { return detail::poll_write_checked(this->to(), cx, from_); }

    std::span<const std::byte> from_;
};

/// The future of write_vectored().
template <class W>
class [[nodiscard("an operation does nothing until it is awaited")]] write_vectored_future
    : public detail::writing_future<write_vectored_future<W>, result<std::size_t>, W> {
public:
    using output_type = result<std::size_t>;

    write_vectored_future(W& to, std::span<const std::span<const std::byte>> from) noexcept
        : write_vectored_future::writing_future(to), from_(from) {}

private:
    friend typename write_vectored_future::io_future;
    poll_result<output_type> advance(context& cx) { return detail::poll_write_parts(this->to(), cx, from_); }

    std::span<const std::span<const std::byte>> from_;
};

/// The future of flush().
template <class W>
class [[nodiscard("an operation does nothing until it is awaited")]] flush_future
    : public detail::writing_future<flush_future<W>, result<void>, W> {
public:
    using output_type = result<void>;

    explicit flush_future(W& to) noexcept : flush_future::writing_future(to) {}

private:
    friend typename flush_future::io_future;
    poll_result<output_type> advance(context& cx) { return this->to().poll_flush(cx); }
};

/// The future of shutdown().
template <class W>
class [[nodiscard("an operation does nothing until it is awaited")]] shutdown_future
    : public detail::writing_future<shutdown_future<W>, result<void>, W> {
public:
    using output_type = result<void>;

    explicit shutdown_future(W& to) noexcept : shutdown_future::writing_future(to) {}

private:
    friend typename shutdown_future::io_future;
    poll_result<output_type> advance(context& cx) { return this->to().poll_shutdown(cx); }
};

/// Writes at least one byte of `from` and returns the count. Returns 0 if `from` is empty, or if the writer will never
/// take another byte. `from` is text, or a container or span of char, unsigned char or std::byte; see const_buffer.
/// Errors: any error of the writer; errc::count_too_large if the writer returns a larger count than `from` has bytes.
/// Cancel safety: safe. If the future is dropped before it is ready, no byte was written.
/// Lifetime: the future borrows the writer and `from`.
template <class W>
[[nodiscard]] auto write(W&& to, const_buffer from) {
    return detail::make_if<detail::check_borrowed_writer<W>(), write_future<std::remove_reference_t<W>>>(to,
                                                                                                         from.bytes());
}

template <class W, eddy::detail::owned_bytes T>
detail::broken_future write(W&&, T&&) EDDY_DELETED(EDDY_NO_TEMPORARY);
// Does not accept a descriptor, which write(2) takes.
template <class S, class T>
    requires std::is_class_v<std::remove_reference_t<S>>
eddy::detail::broken_future write(S&&, T&&, std::size_t) EDDY_DELETED(EDDY_ONE_BUFFER);

/// Writes from several buffers in order. If the writer cannot do that, writes from the first buffer that is not empty.
/// Otherwise same as write().
/// Lifetime: the future borrows the writer, the list and the buffers.
template <class W>
[[nodiscard]] auto write_vectored(W&& to, std::span<const std::span<const std::byte>> from) {
    return detail::make_if<detail::check_borrowed_writer<W>(), write_vectored_future<std::remove_reference_t<W>>>(to,
                                                                                                                  from);
}

/// Waits until all bytes that were written have reached their destination.
/// Errors: any error of the writer.
/// Cancel safety: safe. Call this function again to continue.
/// Lifetime: the future borrows the writer.
template <class W>
[[nodiscard]] auto flush(W&& to) {
    return detail::make_if<detail::check_borrowed_writer<W>(), flush_future<std::remove_reference_t<W>>>(to);
}

/// Flushes, then ends the stream, if the writer can end it (see async_write): no further byte will be written.
/// Errors: any error of the writer.
/// Cancel safety: safe. Call this function again to continue.
/// Lifetime: the future borrows the writer.
template <class W>
[[nodiscard]] auto shutdown(W&& to) {
    return detail::make_if<detail::check_borrowed_writer<W>(), shutdown_future<std::remove_reference_t<W>>>(to);
}

}  // namespace eddy::io
