// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/detail/false_warnings.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/io/async_read.hpp>
#include <eddy/io/async_write.hpp>
#include <eddy/stream/stream_ops.hpp>

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy {

namespace detail {

template <class L, class R>
concept both_futures = future<L> && future<R> && std::same_as<output_t<L>, output_t<R>>;
template <class L, class R>
concept both_streams =
    !both_futures<L, R> && stream<L> && stream<R> && std::same_as<typename L::item_type, typename R::item_type>;

/// The base of an either: the members of a future or of a stream.
template <class Self, class L, class R>
struct either_base {};
template <class Self, class L, class R>
    requires both_futures<L, R>
struct either_base<Self, L, R> : future_ops<Self> {
    using output_type = output_t<L>;
};
template <class Self, class L, class R>
    requires both_streams<L, R>
struct either_base<Self, L, R> : stream_ops<Self> {
    using item_type = typename L::item_type;
};

}  // namespace detail

/// One of two types: a future if both are futures with the same output, a stream if both are streams with the same
/// items, a reader and a writer if both are. It is a type for the two results of a decision, without an allocation:
///
///     using connection = eddy::either<net::tcp_stream, net::unix_stream>;
///     connection peer = is_local ? connection(std::move(unix)) : connection(std::move(tcp));
///     co_await try_(io::write_all(peer, "hello"));
///
/// A boxed_future is shorter for futures, and takes any number of types.
/// Cancel safety: same as the object inside.
/// Thread safety: same as the object inside.
/// Lifetime: owns the object. A future or a stream must not be moved while it waits.
/// Cost: no allocation; the size of the larger type.
template <class L, class R>
class [[nodiscard]] either : public detail::either_base<either<L, R>, L, R> {
    static_assert(!std::same_as<L, R>, "eddy: the two types of an either are the same: use that type");

public:
    /// Takes ownership of an object of one of the types.
    either(L&& left) : either_(std::in_place_index<0>, std::move(left)) {}
    either(R&& right) : either_(std::in_place_index<1>, std::move(right)) {}

    /// Returns which of the types it contains.
    [[nodiscard]] bool is_left() const noexcept { return either_.index() == 0; }
    [[nodiscard]] bool is_right() const noexcept { return either_.index() == 1; }
    /// Returns the object, or nullptr if it is of the other type.
    [[nodiscard]] L* left() noexcept { return std::get_if<0>(&either_); }
    [[nodiscard]] R* right() noexcept { return std::get_if<1>(&either_); }

    auto poll(context& cx)
        requires detail::both_futures<L, R>
    {
        return on_both([&](auto& inner) { return inner.poll(cx); });
    }

    auto poll_next(context& cx)
        requires detail::both_streams<L, R>
    {
        return on_both([&](auto& inner) { return inner.poll_next(cx); });
    }
    [[nodiscard]] size_bounds size_hint() const noexcept
        requires detail::both_streams<L, R>
    {
        return is_left() ? detail::bounds_of(*std::get_if<0>(&either_)) : detail::bounds_of(*std::get_if<1>(&either_));
    }
    /// Cancels the object inside gracefully, if it has poll_cancel.
    poll_result<void> poll_cancel(context& cx)
        requires(cancellable_future<L> || cancellable_future<R> || cancellable_stream<L> || cancellable_stream<R>)
    {
        return on_both([&](auto& inner) {
            if constexpr (requires { inner.poll_cancel(cx); }) {
                return inner.poll_cancel(cx);
            } else {
                return poll_result<void>::ready();
            }
        });
    }

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into)
        requires(io::async_read<L> && io::async_read<R>)
    {
        return on_both([&](auto& inner) { return inner.poll_read(cx, into); });
    }

    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from)
        requires(io::async_write<L> && io::async_write<R>)
    {
        return on_both([&](auto& inner) { return inner.poll_write(cx, from); });
    }
    poll_result<result<void>> poll_flush(context& cx)
        requires(io::async_write<L> && io::async_write<R>)
    {
        return on_both([&](auto& inner) { return inner.poll_flush(cx); });
    }
    poll_result<result<void>> poll_shutdown(context& cx)
        requires(io::async_write<L> && io::async_write<R>)
    {
        return on_both([&](auto& inner) { return inner.poll_shutdown(cx); });
    }

private:
    template <class Call>
    auto on_both(const Call& call) {
        if (auto* const is_first = std::get_if<0>(&either_)) return call(*is_first);
        return call(*std::get_if<1>(&either_));
    }

    std::variant<L, R> either_;
};

}  // namespace eddy
EDDY_END_FALSE_UNINITIALIZED
