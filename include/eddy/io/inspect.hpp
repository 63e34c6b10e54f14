// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <type_traits>
#include <utility>

#include <eddy/detail/forwards_io.hpp>
#include <eddy/detail/io_checks.hpp>
#include <eddy/future.hpp>
#include <eddy/io/lent.hpp>
#include <eddy/result.hpp>

namespace eddy::io {

/// A reader that shows a function what comes: see inspect_read().
template <class R, class Fn>
class [[nodiscard]] inspect_reader : public detail::forwards_write<inspect_reader<R, Fn>> {
public:
    using inner_type = R;

    template <class G>
    inspect_reader(R&& inner, G&& f) : inner_(std::move(inner)), f_(std::forward<G>(f)) {}

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) {
        auto count = detail::poll_read_checked(inner_, cx, into);
        if (count && *count && **count != 0) std::invoke(f_, std::span<const std::byte>(into.first(**count)));
        return count;
    }

    [[nodiscard]] R& inner() noexcept { return inner_; }
    [[nodiscard]] R into_inner() && { return std::move(inner_); }

private:
    R inner_;
    Fn f_;
};

/// A writer that shows a function what has been written: see inspect_write().
template <class W, class Fn>
class [[nodiscard]] inspect_writer : public detail::forwards_read<inspect_writer<W, Fn>>,
                                     public detail::forwards_buf_read<inspect_writer<W, Fn>> {
public:
    using inner_type = W;

    template <class G>
    inspect_writer(W&& inner, G&& f) : inner_(std::move(inner)), f_(std::forward<G>(f)) {}

    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from) {
        auto count = detail::poll_write_checked(inner_, cx, from);
        if (count && *count && **count != 0) std::invoke(f_, from.first(**count));
        return count;
    }
    poll_result<result<void>> poll_flush(context& cx) { return inner_.poll_flush(cx); }
    poll_result<result<void>> poll_shutdown(context& cx) { return inner_.poll_shutdown(cx); }

    [[nodiscard]] W& inner() noexcept { return inner_; }
    [[nodiscard]] W into_inner() && { return std::move(inner_); }

private:
    W inner_;
    Fn f_;
};

}  // namespace eddy::io

namespace eddy::detail {

template <class Fn>
constexpr bool check_inspector() {
    constexpr bool fits = std::is_invocable_v<std::decay_t<Fn>&, std::span<const std::byte>>;
    static_assert(fits, "eddy: the function given to inspect must take a std::span<const std::byte>");
    return fits;
}

}  // namespace eddy::detail

namespace eddy::io {

/// A reader that calls `f` with all bytes that come, piece by piece: for a checksum, a log, a counter. Not at the end.
/// Cancel safety: that of the reader. `f` must not throw: the bytes would be lost.
template <class R, class Fn>
[[nodiscard]] auto inspect_read(R&& from, Fn&& f) {
    if constexpr (detail::check_given_io<R>() && detail::check_reader<detail::kept_io_t<R>>() &&
                  detail::check_inspector<Fn>()) {
        using r = detail::kept_io_t<R>;
        return inspect_reader<r, std::decay_t<Fn>>(r(std::forward<R>(from)), std::forward<Fn>(f));
    } else {
        return detail::broken_io();
    }
}

/// A writer that calls `f` with all bytes that were written, piece by piece.
/// Cancel safety: that of the writer. `f` must not throw: it would not be known what was written.
template <class W, class Fn>
[[nodiscard]] auto inspect_write(W&& to, Fn&& f) {
    if constexpr (detail::check_given_io<W>() && detail::check_writer<detail::kept_io_t<W>>() &&
                  detail::check_inspector<Fn>()) {
        using w = detail::kept_io_t<W>;
        return inspect_writer<w, std::decay_t<Fn>>(w(std::forward<W>(to)), std::forward<Fn>(f));
    } else {
        return detail::broken_io();
    }
}

}  // namespace eddy::io
