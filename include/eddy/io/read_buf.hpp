// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include <eddy/bytes_mut.hpp>
#include <eddy/detail/io_checks.hpp>
#include <eddy/io/buf.hpp>
#include <eddy/io/operation.hpp>

namespace eddy::detail {

template <class B>
constexpr bool check_buf_mut() {
    constexpr bool fits = io::buf_mut<B>;
    static_assert(fits, "eddy: this reads into a bytes_mut, or what has chunk_mut() and advance_mut(std::size_t)");
    return fits;
}

/// Reads into the room of `into`, and notes what has come.
template <class R, class B>
poll_result<result<std::size_t>> poll_read_buf(R& from, context& cx, B& into) {
    auto count = poll_read_checked(from, cx, into.chunk_mut());
    if (count && *count) into.advance_mut(**count);
    return count;
}

}  // namespace eddy::detail

namespace eddy::io {

template <class R, class B>
class read_buf_op {
public:
    using output_type = result<std::size_t>;

    read_buf_op(R& from, B& into) noexcept : from_(&from), into_(&into) {}

    poll_result<output_type> poll(context& cx) { return detail::poll_read_buf(*from_, cx, *into_); }

private:
    R* from_;
    B* into_;
};

/// Reads at least one byte to the end of a `bytes_mut` (or of anything that is a `buf_mut`), and gives how many. 0 at
/// the end, or if there is no room. How much comes at once is how much room there is: reserve() some. Errors, cancel
/// safety: as read().
template <class R, class B>
[[nodiscard]] auto read_buf(R&& from, B& into) {
    if constexpr (detail::check_borrowed<R>() && detail::check_reader<R>() && detail::check_buf_mut<B>()) {
        return operation<read_buf_op<std::remove_reference_t<R>, B>>(std::in_place, from, into);
    } else {
        return detail::broken_future();
    }
}

}  // namespace eddy::io
