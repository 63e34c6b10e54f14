// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include <eddy/bytes/bytes_mut.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/io/buf.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/io/detail/io_future.hpp>

namespace eddy::detail {

/// Returns whether B is a buf_mut. Otherwise reports that with one static_assert.
template <class B>
constexpr bool check_buf_mut() {
    constexpr bool fits = io::buf_mut<B>;
    static_assert(fits, "eddy: this reads into a bytes_mut, or a type with chunk_mut() and advance_mut(std::size_t)");
    return fits;
}

/// Reads into the spare capacity of `into`, and marks the bytes as written.
template <class R, class B>
poll_result<result<std::size_t>> poll_read_buf(R& from, context& cx, B& into) {
    auto count = poll_read_checked(from, cx, into.chunk_mut());
    if (count && *count) into.advance_mut(**count);
    return count;
}

}  // namespace eddy::detail

namespace eddy::io {

/// The future of read_buf().
template <class R, class B>
class [[nodiscard("an operation does nothing until it is awaited")]] read_buf_future
    : public detail::reading_future<read_buf_future<R, B>, result<std::size_t>, R> {
public:
    using output_type = result<std::size_t>;

    read_buf_future(R& from, B& into) noexcept : read_buf_future::reading_future(from), into_(&into) {}

private:
    friend typename read_buf_future::io_future;
    poll_result<output_type> advance(context& cx) { return detail::poll_read_buf(this->from(), cx, *into_); }

    B* into_;
};

/// Reads at least one byte, appends the bytes to a `bytes_mut` or another `buf_mut`, and returns the count. Returns 0
/// at end of stream, or if `into` has no spare capacity. A read cannot be larger than the spare capacity: call
/// reserve() first.
/// Errors: same as read().
/// Cancel safety: safe. If the future is dropped before it is ready, no byte was taken.
/// Lifetime: the future borrows the reader and `into`.
template <class R, class B>
[[nodiscard]] auto read_buf(R&& from, B& into) {
    constexpr bool fits = detail::check_borrowed_reader<R>() && detail::check_buf_mut<B>();
    return detail::make_if<fits, read_buf_future<std::remove_reference_t<R>, B>>(from, into);
}

}  // namespace eddy::io
