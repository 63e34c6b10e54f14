// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include <eddy/future/detail/awaited_part.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/borrowed.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/result.hpp>

namespace eddy::io {

/// Reads two readers, one after the other. Returned by chain().
template <class A, class B>
class [[nodiscard]] chain_reader {
public:
    /// Takes ownership of both readers.
    chain_reader(A&& first, B&& second) : first_(std::move(first)), second_(std::move(second)) {}

    /// Implements async_read, and async_buf_read if both readers do.
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) {
        if (!first_has_ended_) {
            auto count = detail::poll_read_checked(first_, cx, into);
            if (!count || !*count || **count != 0 || into.empty()) return count;
            first_has_ended_ = true;
        }
        return detail::poll_read_checked(second_, cx, into);
    }

    poll_result<result<std::span<const std::byte>>> poll_fill_buf(context& cx)
        requires async_buf_read<A> && async_buf_read<B>
    {
        if (!first_has_ended_) {
            auto there = first_.poll_fill_buf(cx);
            if (!there || !*there || !(*there)->empty()) return there;
            first_has_ended_ = true;
        }
        return second_.poll_fill_buf(cx);
    }
    void consume(std::size_t count)
        requires async_buf_read<A> && async_buf_read<B>
    {
        if (first_has_ended_) {
            second_.consume(count);
        } else {
            first_.consume(count);
        }
    }

    /// Returns the readers.
    [[nodiscard]] A& first() noexcept { return first_; }
    [[nodiscard]] B& second() noexcept { return second_; }

    static constexpr auto wait_shape(auto) {
        const auto first = inspect::reader(&chain_reader::first_);
        return inspect::waits_as(inspect::child_while(&chain_reader::first_has_ended_, false, first),
                                 inspect::reader(&chain_reader::second_));
    }

private:
    A first_;
    B second_;
    bool first_has_ended_ = false;
};

/// Returns a reader that reads `first` to its end, and then `second`.
/// Cancel safety: same as the readers.
/// Lifetime: takes ownership of the readers. Pass std::ref(reader) to borrow one.
template <class A, class B>
[[nodiscard]] auto chain(A&& first, B&& second) {
    constexpr bool fits = detail::check_given_io<A>() && detail::check_given_io<B>() &&
                          detail::check_reader<detail::kept_io_t<A>>() && detail::check_reader<detail::kept_io_t<B>>();
    return detail::make_if<fits, chain_reader<detail::kept_io_t<A>, detail::kept_io_t<B>>, detail::broken_io>(
        std::forward<A>(first), std::forward<B>(second));
}

}  // namespace eddy::io
