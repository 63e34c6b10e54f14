// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/detail/place.hpp>
#include <eddy/waker.hpp>

namespace eddy {

/// The tag for "not yet": `return eddy::not_ready;` in a function that answers a `poll_result`.
struct not_ready_t {
    explicit constexpr not_ready_t(int) noexcept {}
};
inline constexpr not_ready_t not_ready{0};

/// What polling a future answers: its output, or not yet.
template <class T>
class [[nodiscard]] poll_result {
public:
    using value_type = T;

    constexpr poll_result(not_ready_t) noexcept {}

    template <class U = T>
        requires(!std::same_as<std::remove_cvref_t<U>, poll_result> &&
                 !std::same_as<std::remove_cvref_t<U>, not_ready_t> && std::is_constructible_v<T, U>)
    constexpr explicit(!std::convertible_to<U, T>) poll_result(U&& value)
        : value_(std::in_place, std::forward<U>(value)) {}

    /// Ready, with an output that is made where it stands.
    template <class... A>
        requires std::is_constructible_v<T, A...>
    constexpr explicit poll_result(std::in_place_t, A&&... args) : value_(std::in_place, std::forward<A>(args)...) {}

    [[nodiscard]] constexpr bool is_ready() const noexcept { return value_.has_value(); }
    constexpr explicit operator bool() const noexcept { return is_ready(); }

    constexpr T& operator*() & noexcept { return *value_; }
    constexpr const T& operator*() const& noexcept { return *value_; }
    constexpr T&& operator*() && noexcept { return *std::move(value_); }
    constexpr T* operator->() noexcept { return &*value_; }
    constexpr const T* operator->() const noexcept { return &*value_; }

private:
    std::optional<T> value_;
};

template <>
class [[nodiscard]] poll_result<void> {
public:
    using value_type = void;

    constexpr poll_result(not_ready_t) noexcept {}

    [[nodiscard]] static constexpr poll_result ready() noexcept { return poll_result(std::monostate{}); }
    constexpr explicit poll_result(std::monostate) noexcept : ready_(true) {}

    [[nodiscard]] constexpr bool is_ready() const noexcept { return ready_; }
    constexpr explicit operator bool() const noexcept { return ready_; }
    constexpr void operator*() const noexcept {}

private:
    bool ready_ = false;
};

namespace detail {
struct native_stack;
struct await_place;
}  // namespace detail

/// What an executor hands to a future that it polls: the waker to keep, and the budget of this poll.
class context {
public:
    /// How many operations a task may complete in one poll before it has to let others run (as Tokio's).
    static constexpr std::uint32_t default_budget = 128;

    explicit context(const eddy::waker& waker, std::uint32_t budget = default_budget) noexcept
        : waker_(&waker), budget_(budget) {}
    context(eddy::waker&&, std::uint32_t = default_budget) = delete;  // it would keep a waker that is gone
    context(const context&) = delete;
    context& operator=(const context&) = delete;

    [[nodiscard]] const eddy::waker& waker() const noexcept { return *waker_; }

    /// Takes one unit of this poll's budget. On false the task has had its share: it has been woken already, and the
    /// leaf answers `not_ready`. Every leaf that can be ready again and again asks this first.
    [[nodiscard]] bool consume_budget() noexcept {
        if (budget_ != 0) [[likely]] {
            --budget_;
            return true;
        }
        waker_->wake_by_ref();
        return false;
    }

    /// Gives back what `consume_budget` took, when the operation made no progress after all.
    void refund_budget() noexcept { ++budget_; }

    [[nodiscard]] std::uint32_t budget() const noexcept { return budget_; }

    /// The `co_await` that polls, as far as that is known: for the text of misuse.
    [[nodiscard]] std::source_location where() const noexcept { return detail::source_location_of(where_); }

    /// For an executor that polls one task after the other with the same context.
    void restore_budget(std::uint32_t budget = default_budget) noexcept { budget_ = budget; }

private:
    friend struct detail::native_stack;
    friend struct detail::await_place;

    const eddy::waker* waker_;
    detail::place where_ = nullptr;
    std::uint32_t budget_;
    std::uint32_t depth_ = 0;
};

/// Something that will have an output. Polling never blocks; "not yet" means that the context's waker will be woken;
/// nothing happens before the first poll; once polled it does not move; destroying it cancels it, at any time.
template <class F>
concept future = requires(F& f, context& cx) {
    typename F::output_type;
    { f.poll(cx) } -> std::same_as<poll_result<typename F::output_type>>;
};

/// A future whose work can be ended in an orderly way before it is destroyed: poll `poll_cancel` until it is ready.
template <class F>
concept cancellable_future = future<F> && requires(F& f, context& cx) {
    { f.poll_cancel(cx) } -> std::same_as<poll_result<void>>;
};

/// A sequence of items over time; `std::nullopt` ends it, and unless a stream says more it is not asked again then.
/// "Not yet", laziness and cancellation are as with futures. Once it has answered "not yet" it does not move until it
/// has given an item; between two items it may. It may offer `size_hint() -> size_bounds`, and `poll_cancel`, as a
/// future does. A class of yours has next(), map() and the other members if it derives from `stream_ops<itself>`:
///     class countdown : public eddy::stream_ops<countdown> {
///     public:
///         using item_type = int;
///         eddy::poll_result<std::optional<int>> poll_next(eddy::context& cx);
template <class S>
concept stream = requires(S& s, context& cx) {
    typename S::item_type;
    { s.poll_next(cx) } -> std::same_as<poll_result<std::optional<typename S::item_type>>>;
};

/// A stream that can be ended in an orderly way before it is destroyed: poll `poll_cancel` until it is ready.
template <class S>
concept cancellable_stream = stream<S> && requires(S& s, context& cx) {
    { s.poll_cancel(cx) } -> std::same_as<poll_result<void>>;
};

/// How many items a stream will still give: what its `size_hint()` says. For reserving memory; nothing relies on it.
struct size_bounds {
    std::size_t at_least = 0;
    std::optional<std::size_t> at_most = std::nullopt;  ///< nothing: not known, or without end

    constexpr size_bounds() noexcept {}  // NOLINT(modernize-use-equals-default): no aggregate, for GCC 12
    constexpr size_bounds(std::size_t lower, std::optional<std::size_t> upper) noexcept
        : at_least(lower), at_most(upper) {}

    friend constexpr bool operator==(const size_bounds&, const size_bounds&) noexcept = default;
};

/// What takes items of type `T` over time.
///
///     poll_ready    whether it takes an item; "not yet" as with futures. Holds until the item is given.
///     start_send    gives it one. Only after poll_ready has said yes, once for each yes. The item may wait in the
///     sink. poll_flush    ready when all items have arrived poll_close    flushes, and ends the sink: nothing is sent
///     after it was begun
///
/// Each answers an `expected`; after an error the sink is of no further use, unless it says more.
/// A class of yours has send(), with() and the other members if it derives from `sink_ops<itself>`.
template <class S, class T>
concept sink = requires(S& s, T&& item, context& cx) {
    typename S::error_type;
    { s.poll_ready(cx) } -> std::same_as<poll_result<std::expected<void, typename S::error_type>>>;
    { s.start_send(std::move(item)) } -> std::same_as<std::expected<void, typename S::error_type>>;
    { s.poll_flush(cx) } -> std::same_as<poll_result<std::expected<void, typename S::error_type>>>;
    { s.poll_close(cx) } -> std::same_as<poll_result<std::expected<void, typename S::error_type>>>;
};

template <class F>
using output_t = typename std::remove_cvref_t<F>::output_type;

namespace detail {

/// `void` cannot be stored in a tuple or a variant: there it is `std::monostate`.
template <class T>
using stored_t = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

}  // namespace detail
}  // namespace eddy
