// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <source_location>
#include <span>
#include <type_traits>
#include <utility>

#include <eddy/future/detail/broken_future.hpp>
#include <eddy/io/buffer.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/io/detail/io_future.hpp>

namespace eddy::io {

/// The future of read().
template <class R>
class [[nodiscard("an operation does nothing until it is awaited")]] read_future
    : public detail::reading_future<read_future<R>, result<std::size_t>, R> {
public:
    using output_type = result<std::size_t>;

    read_future(R& from, std::span<std::byte> into) noexcept : read_future::reading_future(from), into_(into) {}

private:
    friend typename read_future::io_future;
    poll_result<output_type> advance(context& cx) { return detail::poll_read_checked(this->from(), cx, into_); }

    std::span<std::byte> into_;
};

/// The future of read_vectored().
template <class R>
class [[nodiscard("an operation does nothing until it is awaited")]] read_vectored_future
    : public detail::reading_future<read_vectored_future<R>, result<std::size_t>, R> {
public:
    using output_type = result<std::size_t>;

    read_vectored_future(R& from, std::span<const std::span<std::byte>> into) noexcept
        : read_vectored_future::reading_future(from), into_(into) {}

private:
    friend typename read_vectored_future::io_future;
    poll_result<output_type> advance(context& cx) { return detail::poll_read_parts(this->from(), cx, into_); }

    std::span<const std::span<std::byte>> into_;
};

/// Reads at least one byte into `into` and returns the count. Returns 0 at end of stream, or if `into` is empty. `into`
/// is a string, or a container or span of char, unsigned char or std::byte; see mutable_buffer.
/// Errors: any error of the reader; errc::count_too_large if the reader returns a larger count than `into` has bytes.
/// Throws `misuse` for an empty std::string or std::vector, which has no room: resize() it first.
/// Cancel safety: safe. If the future is dropped before it is ready, no byte was taken.
/// Lifetime: the future borrows the reader and `into`.
template <class R>
[[nodiscard]] auto read(R&& from, mutable_buffer into) {
    return detail::make_if<detail::check_borrowed_reader<R>(), read_future<std::remove_reference_t<R>>>(from,
                                                                                                        into.bytes());
}
template <class R, eddy::detail::growing_bytes C>
[[nodiscard]] auto read(R&& from, C& into, std::source_location where = std::source_location::current()) {
    const auto room = detail::room_of(into, detail::no_room_to_read, where);
    return eddy::io::read(std::forward<R>(from), mutable_buffer(room));
}
// Does not accept a descriptor, which read(2) takes.
template <class S, class T>
    requires std::is_class_v<std::remove_reference_t<S>>
eddy::detail::broken_future read(S&&, T&&, std::size_t) EDDY_DELETED(EDDY_ONE_BUFFER);

/// Reads into several buffers in order. If the reader cannot do that, reads into the first buffer that is not empty.
/// Otherwise same as read().
/// Lifetime: the future borrows the reader, the list and the buffers.
template <class R>
[[nodiscard]] auto read_vectored(R&& from, std::span<const std::span<std::byte>> into) {
    return detail::make_if<detail::check_borrowed_reader<R>(), read_vectored_future<std::remove_reference_t<R>>>(from,
                                                                                                                 into);
}

}  // namespace eddy::io
