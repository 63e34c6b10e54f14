// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include <eddy/detail/io_checks.hpp>
#include <eddy/io/buf.hpp>
#include <eddy/io/operation.hpp>

namespace eddy::detail {

template <class B>
constexpr bool check_buf() {
    constexpr bool fits = io::buf<B>;
    static_assert(fits, "eddy: this writes from an eddy::bytes, or what has chunk() and advance(std::size_t)");
    return fits;
}

}  // namespace eddy::detail

namespace eddy::io {

template <class W, class B>
class write_buf_op {
public:
    using output_type = result<std::size_t>;

    write_buf_op(W& to, B& from) noexcept : to_(&to), from_(&from) {}

    poll_result<output_type> poll(context& cx) {
        auto count = detail::poll_write_checked(*to_, cx, from_->chunk());
        if (count && *count) from_->advance(**count);
        return count;
    }

private:
    W* to_;
    B* from_;
};

template <class W, class B>
class write_all_buf_op {
public:
    using output_type = result<void>;

    write_all_buf_op(W& to, B& from) noexcept : to_(&to), from_(&from) {}

    poll_result<output_type> poll(context& cx) { return detail::poll_write_all_buf(*to_, cx, *from_); }

private:
    W* to_;
    B* from_;
};

/// Writes at least one byte from the front of a `bytes` (or of anything that is a `buf`), takes what was written off
/// it, and gives how many. 0 if it is empty, or if the writer will take no more. Errors, cancel safety: as write().
template <class W, class B>
[[nodiscard]] auto write_buf(W&& to, B& from) {
    if constexpr (detail::check_borrowed<W>() && detail::check_writer<W>() && detail::check_buf<B>()) {
        return operation<write_buf_op<std::remove_reference_t<W>, B>>(std::in_place, to, from);
    } else {
        return detail::broken_future();
    }
}

/// Writes all of a `bytes` (or of anything that is a `buf`), which is empty then.
/// Errors: as write_all().
/// Cancel safety: safe if `from` is kept: what was written has been taken off it. Call it again to go on.
template <class W, class B>
[[nodiscard]] auto write_all_buf(W&& to, B& from) {
    if constexpr (detail::check_borrowed<W>() && detail::check_writer<W>() && detail::check_buf<B>()) {
        return operation<write_all_buf_op<std::remove_reference_t<W>, B>>(std::in_place, to, from);
    } else {
        return detail::broken_future();
    }
}

}  // namespace eddy::io
