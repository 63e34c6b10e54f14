// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include <eddy/future/detail/broken_future.hpp>
#include <eddy/io/buf.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/io/detail/io_future.hpp>

namespace eddy::detail {

/// Returns whether B is a buf. Otherwise reports that with one static_assert.
template <class B>
constexpr bool check_buf() {
    constexpr bool fits = io::buf<B>;
    static_assert(fits, "eddy: this writes from an eddy::bytes, or a type with chunk() and advance(std::size_t)");
    return fits;
}

}  // namespace eddy::detail

namespace eddy::io {

/// The future of write_buf().
template <class W, class B>
class [[nodiscard("an operation does nothing until it is awaited")]] write_buf_future
    : public detail::writing_future<write_buf_future<W, B>, result<std::size_t>, W> {
public:
    using output_type = result<std::size_t>;

    write_buf_future(W& to, B& from) noexcept : write_buf_future::writing_future(to), from_(&from) {}

private:
    friend typename write_buf_future::io_future;
    poll_result<output_type> advance(context& cx) {
        auto count = detail::poll_write_checked(this->to(), cx, from_->chunk());
        if (count && *count) from_->advance(**count);
        return count;
    }

    B* from_;
};

/// The future of write_all_buf().
template <class W, class B>
class [[nodiscard("an operation does nothing until it is awaited")]] write_all_buf_future
    : public detail::writing_future<write_all_buf_future<W, B>, result<void>, W> {
public:
    using output_type = result<void>;

    write_all_buf_future(W& to, B& from) noexcept : write_all_buf_future::writing_future(to), from_(&from) {}

private:
    friend typename write_all_buf_future::io_future;
    poll_result<output_type> advance(context& cx) { return detail::poll_write_all_buf(this->to(), cx, *from_); }

    B* from_;
};

/// Writes at least one byte from the front of a `bytes` or another `buf`, removes the written bytes from it, and
/// returns the count. Returns 0 if it is empty, or if the writer will never take another byte.
/// Errors: same as write().
/// Cancel safety: safe. If the future is dropped before it is ready, no byte was written.
/// Lifetime: the future borrows the writer and `from`.
template <class W, class B>
[[nodiscard]] auto write_buf(W&& to, B& from) {
    constexpr bool fits = detail::check_borrowed_writer<W>() && detail::check_buf<B>();
    return detail::make_if<fits, write_buf_future<std::remove_reference_t<W>, B>>(to, from);
}

/// Writes all of a `bytes` or another `buf`, which is empty afterwards.
/// Errors: same as write_all().
/// Cancel safety: safe if `from` is kept. The written bytes were removed from it. Call this function again to continue.
/// Lifetime: the future borrows the writer and `from`.
template <class W, class B>
[[nodiscard]] auto write_all_buf(W&& to, B& from) {
    constexpr bool fits = detail::check_borrowed_writer<W>() && detail::check_buf<B>();
    return detail::make_if<fits, write_all_buf_future<std::remove_reference_t<W>, B>>(to, from);
}

}  // namespace eddy::io
