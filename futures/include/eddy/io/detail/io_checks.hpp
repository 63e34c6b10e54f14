// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>

#include <eddy/error.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/io/async_buf_read.hpp>
#include <eddy/io/async_read.hpp>
#include <eddy/io/async_seek.hpp>
#include <eddy/io/async_write.hpp>
#include <eddy/io/detail/io_future.hpp>
#include <eddy/result.hpp>

// Argument checks for the I/O algorithms: each check reports a wrong type with one static_assert. Wrappers around
// user-provided readers and writers: they check the counts that the functions return.

namespace eddy::detail {

/// A placeholder for an adapter that could not be made, so that the compiler reports no further errors. Its
/// functions have no definitions, because no program contains it.
struct broken_io : broken_future {
    poll_result<result<std::size_t>> poll_read(context&, std::span<std::byte>);
    poll_result<result<std::span<const std::byte>>> poll_fill_buf(context&);
    void consume(std::size_t);
    poll_result<result<std::size_t>> poll_write(context&, std::span<const std::byte>);
    poll_result<result<void>> poll_flush(context&);
    poll_result<result<void>> poll_shutdown(context&);
};
struct broken_halves {
    broken_io reader;
    broken_io writer;
};

/// Returns whether an argument deduced as `T` is an lvalue, so that a future can hold a reference to it.
template <class T>
constexpr bool check_borrowed() {
    constexpr bool is_named = std::is_lvalue_reference_v<T>;
    static_assert(is_named, "eddy: this borrows its reader or writer: store it in a variable, and pass the variable");
    return is_named;
}

// Check, each with one static_assert, that the argument is a reader, a buffered reader, or a writer.
template <class R>
constexpr bool check_reader() {
    constexpr bool fits = io::async_read<std::remove_reference_t<R>>;
    static_assert(fits,
                  "eddy: this is not a reader: a reader needs poll_result<result<std::size_t>> poll_read(context&, "
                  "std::span<std::byte>)");
    return fits;
}

template <class R>
constexpr bool check_buf_reader() {
    constexpr bool fits = io::async_buf_read<std::remove_reference_t<R>>;
    static_assert(fits,
                  "eddy: this needs a reader with a buffer (poll_fill_buf, consume): "
                  "write io::buf_reader(std::move(reader)), or io::buf_reader(std::ref(reader)) to keep it");
    return fits;
}

template <class W>
constexpr bool check_writer() {
    constexpr bool fits = io::async_write<std::remove_reference_t<W>>;
    static_assert(fits,
                  "eddy: this is not a writer: a writer needs poll_write(context&, std::span<const std::byte>), "
                  "poll_flush(context&) and poll_shutdown(context&)");
    return fits;
}

// Same as above; also check that the argument is an lvalue.
template <class R>
constexpr bool check_borrowed_reader() {
    return check_borrowed<R>() && check_reader<R>();
}
template <class R>
constexpr bool check_borrowed_buf_reader() {
    return check_borrowed<R>() && check_buf_reader<R>();
}
template <class W>
constexpr bool check_borrowed_writer() {
    return check_borrowed<W>() && check_writer<W>();
}

template <class S>
constexpr bool check_seekable() {
    constexpr bool fits = io::async_seek<std::remove_reference_t<S>>;
    static_assert(fits, "eddy: this cannot seek: it has no start_seek(io::seek_from) and poll_seek_complete(context&)");
    return fits;
}

/// Returns `code` as the error of a result.
inline result<std::size_t> io_failure(errc code) noexcept {
    return result<std::size_t>(std::unexpect, make_error_code(code));
}

/// Returns `answer`, or errc::count_too_large if it exceeds the size of the buffer.
inline poll_result<result<std::size_t>> checked_count(poll_result<result<std::size_t>> answer, std::size_t most) {
    if (answer && *answer && **answer > most) return io_failure(errc::count_too_large);
    return answer;
}

// poll_read() and poll_write() of a user-provided object, with checked counts.
template <class R>
poll_result<result<std::size_t>> poll_read_checked(R& from, context& cx, std::span<std::byte> into) {
    return checked_count(from.poll_read(cx, into), into.size());
}

template <class W>
poll_result<result<std::size_t>> poll_write_checked(W& to, context& cx, std::span<const std::byte> from) {
    return checked_count(to.poll_write(cx, from), from.size());
}

/// Writes all bytes of `left`, and removes the written bytes from its front.
/// Errors: any error of the writer; write_zero if the writer accepts no bytes.
template <class W>
poll_result<result<void>> poll_write_all(W& to, context& cx, std::span<const std::byte>& left) {
    return poll_all(errc::write_zero, left,
                    [&](std::span<const std::byte> some) { return poll_write_checked(to, cx, some); });
}

/// Same as poll_write_all(), from the front of a buffer. Written bytes are removed from the buffer immediately, also if
/// the next write throws.
template <class W, class B>
poll_result<result<void>> poll_write_all_buf(W& to, context& cx, B& from) {
    return poll_all(
        errc::write_zero, [&] { return from.chunk(); },
        [&](std::span<const std::byte> some) { return poll_write_checked(to, cx, some); },
        [&](std::size_t count) { from.advance(count); });
}

/// Returns the total size of `parts`.
template <class Byte>
std::size_t size_of_all(std::span<const std::span<Byte>> parts) noexcept {
    std::size_t sum = 0;
    for (const auto& part : parts) sum += part.size();
    return sum;
}

/// Returns the first part that is not empty; an empty span if there is none.
template <class Byte>
std::span<Byte> first_part(std::span<const std::span<Byte>> parts) noexcept {
    for (const auto& part : parts) {
        if (!part.empty()) return part;
    }
    return {};
}

/// Reads into several buffers if the reader supports that, else into the first buffer that is not empty.
template <class R>
poll_result<result<std::size_t>> poll_read_parts(R& from, context& cx, std::span<const std::span<std::byte>> into) {
    if constexpr (io::vectored_read<R>) {
        return checked_count(from.poll_read_vectored(cx, into), size_of_all(into));
    } else {
        return poll_read_checked(from, cx, first_part(into));
    }
}

/// Writes several buffers if the writer supports that, else the first buffer that is not empty.
template <class W>
poll_result<result<std::size_t>> poll_write_parts(W& to, context& cx,
                                                  std::span<const std::span<const std::byte>> from) {
    if constexpr (io::vectored_write<W>) {
        return checked_count(to.poll_write_vectored(cx, from), size_of_all(from));
    } else {
        return poll_write_checked(to, cx, first_part(from));
    }
}

}  // namespace eddy::detail
