// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/detail/call_site.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/false_warnings.hpp>
#include <eddy/detail/wait_shape.hpp>  // how futures describe themselves
#include <eddy/future/waker.hpp>

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy {

/// The type of `not_ready`.
struct not_ready_t {
    /// For the library.
    explicit constexpr not_ready_t(int) noexcept {}
};
/// Converts to a poll_result without an output: `return eddy::not_ready;`.
inline constexpr not_ready_t not_ready{0};

#ifdef __glibcxx_assert
/// Checks that a poll_result has an output. Undefined again below.
#define EDDY_EXPECTS_OUTPUT __glibcxx_assert(is_ready_)
#else
/// Does nothing.
#define EDDY_EXPECTS_OUTPUT static_cast<void>(0)
#endif

/// The result of polling a future: its output, or not_ready.
/// Thread safety: a plain value.
template <class T>
class [[nodiscard]] poll_result {
    // One trait for all functions, because each trait is instantiated for each output type.
    static constexpr bool is_trivial = std::is_trivially_copyable_v<T>;

public:
    /// The type of the output.
    using value_type = T;

    /// Constructs a result without an output.
    constexpr poll_result(not_ready_t) noexcept {}

    /// Constructs a ready result from a value.
    template <class U = T>
        requires(!std::same_as<std::remove_cvref_t<U>, poll_result> &&
                 !std::same_as<std::remove_cvref_t<U>, not_ready_t> && std::is_constructible_v<T, U>)
    constexpr explicit(!std::convertible_to<U, T>) poll_result(U&& value)
        : value_(std::forward<U>(value)), is_ready_(true) {}

    /// Constructs a ready result whose output is constructed in place from `args`.
    template <class... A>
        requires std::is_constructible_v<T, A...>
    constexpr explicit poll_result(std::in_place_t, A&&... args) : value_(std::forward<A>(args)...), is_ready_(true) {}

    /// Copies or moves the output, if there is one. These functions are trivial if the output is trivially copyable.
    constexpr poll_result(const poll_result&)
        requires is_trivial
    = default;
    constexpr poll_result(const poll_result& other)
        requires(!is_trivial && requires(const T& from) { T(from); })
    {
        if (other.is_ready_) set(other.value_);
    }
    constexpr poll_result(poll_result&&)
        requires is_trivial
    = default;
    constexpr poll_result(poll_result&& other) noexcept(std::is_nothrow_move_constructible_v<T>)
        requires(!is_trivial && requires(T&& from) { T(std::move(from)); })
    {
        if (other.is_ready_) set(std::move(other.value_));
    }
    constexpr poll_result& operator=(const poll_result&)
        requires is_trivial
    = default;
    constexpr poll_result& operator=(const poll_result& other)
        requires(!is_trivial && requires(const T& from) { T(from); })
    {
        if (this != &other) {
            clear();
            if (other.is_ready_) set(other.value_);
        }
        return *this;
    }
    constexpr poll_result& operator=(poll_result&&)
        requires is_trivial
    = default;
    constexpr poll_result& operator=(poll_result&& other) noexcept(std::is_nothrow_move_constructible_v<T>)
        requires(!is_trivial && requires(T&& from) { T(std::move(from)); })
    {
        if (this != &other) {
            clear();
            if (other.is_ready_) set(std::move(other.value_));
        }
        return *this;
    }
    constexpr ~poll_result()
        requires is_trivial
    = default;
    constexpr ~poll_result() {
        if (is_ready_) value_.~T();
    }

    /// Returns whether there is an output.
    [[nodiscard]] constexpr bool is_ready() const noexcept { return is_ready_; }
    constexpr explicit operator bool() const noexcept { return is_ready_; }

    /// Accesses the output.
    /// Preconditions: is_ready(). libstdc++ checks it if _GLIBCXX_ASSERTIONS is defined.
    constexpr T& operator*() & noexcept {
        EDDY_EXPECTS_OUTPUT;
        return value_;
    }
    constexpr const T& operator*() const& noexcept {
        EDDY_EXPECTS_OUTPUT;
        return value_;
    }
    constexpr T&& operator*() && noexcept {
        EDDY_EXPECTS_OUTPUT;
        return static_cast<T&&>(value_);
    }
    constexpr T* operator->() noexcept {
        EDDY_EXPECTS_OUTPUT;
        return std::addressof(value_);
    }
    constexpr const T* operator->() const noexcept {
        EDDY_EXPECTS_OUTPUT;
        return std::addressof(value_);
    }

private:
    template <class U>
    constexpr void set(U&& value) {
        std::construct_at(std::addressof(value_), std::forward<U>(value));
        is_ready_ = true;
    }
    constexpr void clear() noexcept {
        if (is_ready_) value_.~T();
        is_ready_ = false;
    }

    // Not a std::optional, because that is slow to compile: it instantiates a dozen classes for each output type.
    // With an active member: GCC 16 would warn about copies of an empty result of a trivial type.
    struct nothing {};
    union {
        nothing none_{};
        T value_;
    };
    bool is_ready_ = false;
};

#undef EDDY_EXPECTS_OUTPUT

/// The result of polling a future without an output: ready, or not_ready.
template <>
class [[nodiscard]] poll_result<void> {
public:
    /// The type of the output.
    using value_type = void;

    /// Constructs a result that is not ready.
    constexpr poll_result(not_ready_t) noexcept {}

    /// Constructs a ready result.
    [[nodiscard]] static constexpr poll_result ready() noexcept { return poll_result(std::monostate{}); }
    constexpr explicit poll_result(std::monostate) noexcept : ready_(true) {}

    /// Returns whether the future is ready. operator* does nothing; it allows generic code.
    [[nodiscard]] constexpr bool is_ready() const noexcept { return ready_; }
    constexpr explicit operator bool() const noexcept { return ready_; }
    constexpr void operator*() const noexcept {}

private:
    bool ready_ = false;
};

namespace detail {
struct context_access;

/// Counts that the coop budget of a poll on this thread is used up. Further calls in the same poll do nothing.
EDDY_API void note_forced_yield() noexcept;
}  // namespace detail

/// The argument of a poll: the waker to keep, and the coop budget of this poll.
/// Thread safety: not synchronized; it belongs to the thread that polls.
/// Lifetime: it exists during the poll only. A future that waits copies the waker.
class context {
public:
    /// The number of operations that a task may complete in one poll before it must yield. Tokio has the same number.
    static constexpr std::uint32_t default_budget = 128;

    /// Constructs a context with a waker and a coop budget.
    /// Lifetime: borrows `waker`, which must outlive this object.
    explicit context(const eddy::waker& waker, std::uint32_t budget = default_budget) noexcept
        : waker_(&waker), budget_(budget) {}
    context(eddy::waker&&, std::uint32_t = default_budget) = delete;  // a temporary waker would dangle
    context(const context&) = delete;
    context& operator=(const context&) = delete;

    /// Returns the waker of the task. Copy it to keep it beyond this poll.
    [[nodiscard]] const eddy::waker& waker() const noexcept { return *waker_; }

    /// Takes one unit of the coop budget. If it returns false, no budget is left, and the task's waker was woken
    /// already: return `not_ready`. A leaf future that can be ready repeatedly calls this first.
    [[nodiscard]] bool consume_budget() noexcept {
        if (budget_ != 0) [[likely]] {
            --budget_;
            return true;
        }
        return wake_without_budget();
    }

    /// Returns the unit that consume_budget() took. Call it if the operation was not ready.
    void refund_budget() noexcept { ++budget_; }

    /// Returns the remaining coop budget.
    [[nodiscard]] std::uint32_t budget() const noexcept { return budget_; }

    /// Returns the source location of the `co_await` that polls, if it is known; for error messages.
    [[nodiscard]] std::source_location where() const noexcept { return detail::source_location_of(where_); }

    /// Sets the budget, for an executor that polls several tasks with the same context.
    void restore_budget(std::uint32_t budget = default_budget) noexcept { budget_ = budget; }

private:
    friend struct detail::context_access;

    // Not inlined, because consume_budget() is in many polls.
    [[gnu::cold, gnu::noinline]] bool wake_without_budget() const noexcept {
        detail::note_forced_yield();
        waker_->wake_by_ref();
        return false;
    }

    const eddy::waker* waker_;
    detail::call_site where_ = nullptr;
    std::uint32_t budget_;
    std::uint32_t depth_ = 0;
};

/// A value that becomes available later. A class that models it obeys these rules:
/// - poll() never blocks. It returns the output, throws, or returns `not_ready`. After `not_ready` the future wakes the
///   context's waker as soon as another poll can make progress.
/// - Nothing happens before the first poll.
/// - After the first poll the object is not moved.
/// - Destroying it cancels it, at any time.
/// - After it was ready it is not polled again. The futures of this library throw `misuse` then.
///
/// A class may have a static constexpr function `wait_shape()`, which tells the program `eddy` and debuggers what the
/// future waits for: its text, and the offset of the object that matters. See eddy::inspect::wait_shape.
///
/// Thread safety: one thread at a time may poll a future. Different threads may poll it in succession; each poll
/// happens before the next.
template <class F>
concept future = requires(F& f, context& cx) {
    typename F::output_type;
    { f.poll(cx) } -> std::same_as<poll_result<typename F::output_type>>;
};

/// A future that supports graceful cancellation: poll `poll_cancel` until it is ready, then destroy the future. Once
/// `poll_cancel` was called, `poll` is not called again.
template <class F>
concept cancellable_future = future<F> && requires(F& f, context& cx) {
    { f.poll_cancel(cx) } -> std::same_as<poll_result<void>>;
};

/// An asynchronous sequence of items; `std::nullopt` ends it. After the end, it is not polled again unless the stream
/// documents otherwise. The rules of eddy::future for `not_ready`, the first poll and cancellation apply. After
/// `not_ready` the stream is not moved until it has returned an item; between two items it may be moved. A stream may
/// have `size_hint() -> size_bounds`, and `poll_cancel` as a future does. A class that derives from
/// `stream_ops<itself>` has next(), map() and the other members:
///     class countdown : public eddy::stream_ops<countdown> {
///     public:
///         using item_type = int;
///         eddy::poll_result<std::optional<int>> poll_next(eddy::context& cx);
template <class S>
concept stream = requires(S& s, context& cx) {
    typename S::item_type;
    { s.poll_next(cx) } -> std::same_as<poll_result<std::optional<typename S::item_type>>>;
};

/// A stream that supports graceful cancellation: poll `poll_cancel` until it is ready, then destroy the stream.
template <class S>
concept cancellable_stream = stream<S> && requires(S& s, context& cx) {
    { s.poll_cancel(cx) } -> std::same_as<poll_result<void>>;
};

/// The number of remaining items that a stream's `size_hint()` announces. It is a hint for reserving memory only.
struct size_bounds {
    /// The lower bound.
    std::size_t at_least = 0;
    std::optional<std::size_t> at_most = std::nullopt;  ///< the upper bound; nullopt if it is unknown or infinite

    /// Constructs the bounds of a stream about which nothing is known, or those given.
    constexpr size_bounds() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
    constexpr size_bounds(std::size_t lower, std::optional<std::size_t> upper) noexcept
        : at_least(lower), at_most(upper) {}

    /// Compares both bounds.
    friend constexpr bool operator==(const size_bounds&, const size_bounds&) noexcept = default;
};

/// A consumer of items of type `T`. Each function returns an `expected`; after an error the sink cannot be used
/// further, unless it documents otherwise.
/// - `poll_ready`: ready when the sink accepts an item. This stays true until the item is sent.
/// - `start_send`: passes one item. Call it exactly once after each poll_ready that was ready. The sink may buffer the
///   item.
/// - `poll_flush`: ready when all items have reached their destination.
/// - `poll_close`: flushes and ends the sink. After its first call, nothing is sent any more.
///
/// A class that derives from `sink_ops<itself>` has send(), with() and the other members.
template <class S, class T>
concept sink = requires(S& s, T&& item, context& cx) {
    typename S::error_type;
    { s.poll_ready(cx) } -> std::same_as<poll_result<std::expected<void, typename S::error_type>>>;
    { s.start_send(std::move(item)) } -> std::same_as<std::expected<void, typename S::error_type>>;
    { s.poll_flush(cx) } -> std::same_as<poll_result<std::expected<void, typename S::error_type>>>;
    { s.poll_close(cx) } -> std::same_as<poll_result<std::expected<void, typename S::error_type>>>;
};

/// The output type of a future.
template <class F>
using output_t = typename std::remove_cvref_t<F>::output_type;

namespace detail {

/// The type in which an output is stored in a tuple or a variant: std::monostate for `void`.
template <class T>
using stored_t = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

}  // namespace detail
}  // namespace eddy
EDDY_END_FALSE_UNINITIALIZED
