// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <type_traits>
#include <utility>

#include <eddy/future/future.hpp>
#include <eddy/io/borrowed.hpp>
#include <eddy/io/detail/forwards_io.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/result.hpp>

namespace eddy::io {

/// Calls a function with the bytes that are read. Returned by inspect_read().
template <class R, class Fn>
class [[nodiscard]] inspect_reader : public detail::forwards_write<inspect_reader<R, Fn>> {
public:
    /// The type of the inner object.
    using inner_type = R;

    /// Takes ownership of the reader and of the function.
    template <class G>
    inspect_reader(R&& inner, G&& f) : inner_(std::move(inner)), f_(std::forward<G>(f)) {}

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) {
        auto count = detail::poll_read_checked(inner_, cx, into);
        if (count && *count && **count != 0) std::invoke(f_, std::span<const std::byte>(into.first(**count)));
        return count;
    }

    /// Returns the reader.
    [[nodiscard]] R& inner() noexcept { return inner_; }
    /// Moves the reader out.
    [[nodiscard]] R into_inner() && { return std::move(inner_); }

private:
    R inner_;
    Fn f_;
};

/// Calls a function with the bytes that are written. Returned by inspect_write().
template <class W, class Fn>
class [[nodiscard]] inspect_writer : public detail::forwards_read<inspect_writer<W, Fn>>,
                                     public detail::forwards_buf_read<inspect_writer<W, Fn>> {
public:
    /// The type of the inner object.
    using inner_type = W;

    /// Takes ownership of the writer and of the function.
    template <class G>
    inspect_writer(W&& inner, G&& f) : inner_(std::move(inner)), f_(std::forward<G>(f)) {}

    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from) {
        auto count = detail::poll_write_checked(inner_, cx, from);
        if (count && *count && **count != 0) std::invoke(f_, from.first(**count));
        return count;
    }
    poll_result<result<void>> poll_flush(context& cx) { return inner_.poll_flush(cx); }
    poll_result<result<void>> poll_shutdown(context& cx) { return inner_.poll_shutdown(cx); }

    /// Returns the writer.
    [[nodiscard]] W& inner() noexcept { return inner_; }
    /// Moves the writer out.
    [[nodiscard]] W into_inner() && { return std::move(inner_); }

private:
    W inner_;
    Fn f_;
};

}  // namespace eddy::io

namespace eddy::detail {

/// Returns whether `Fn` can be called with bytes. Otherwise reports that with one static_assert.
template <class Fn>
constexpr bool check_inspector() {
    constexpr bool fits = std::is_invocable_v<std::decay_t<Fn>&, std::span<const std::byte>>;
    static_assert(fits, "eddy: the function given to inspect must take a std::span<const std::byte>");
    return fits;
}

}  // namespace eddy::detail

namespace eddy::io {

/// Returns a reader that calls `f` with each piece of bytes that is read: for a checksum, a log or a counter. Does not
/// call `f` at end of stream.
/// Cancel safety: same as the reader.
/// Preconditions: `f` does not throw. If it throws, the bytes of that read are lost.
/// Lifetime: takes ownership of the reader. Pass std::ref(reader) to borrow it.
template <class R, class Fn>
[[nodiscard]] auto inspect_read(R&& from, Fn&& f) {
    constexpr bool fits =
        detail::check_given_io<R>() && detail::check_reader<detail::kept_io_t<R>>() && detail::check_inspector<Fn>();
    return detail::make_if<fits, inspect_reader<detail::kept_io_t<R>, std::decay_t<Fn>>, detail::broken_io>(
        std::forward<R>(from), std::forward<Fn>(f));
}

/// Returns a writer that calls `f` with each piece of bytes that was written.
/// Cancel safety: same as the writer.
/// Preconditions: `f` does not throw. If it throws, the number of bytes that were written is lost.
/// Lifetime: takes ownership of the writer. Pass std::ref(writer) to borrow it.
template <class W, class Fn>
[[nodiscard]] auto inspect_write(W&& to, Fn&& f) {
    constexpr bool fits =
        detail::check_given_io<W>() && detail::check_writer<detail::kept_io_t<W>>() && detail::check_inspector<Fn>();
    return detail::make_if<fits, inspect_writer<detail::kept_io_t<W>, std::decay_t<Fn>>, detail::broken_io>(
        std::forward<W>(to), std::forward<Fn>(f));
}

}  // namespace eddy::io
