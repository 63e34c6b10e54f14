// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/holds_closure.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/result.hpp>
#include <eddy/sync/detail/once_value.hpp>

namespace eddy::detail {

/// Whether `Output` is a valid output of the initializer's future for a once_cell of `T`: a T, or an `expected` of one
/// if `Tries`.
template <class T, bool Tries, class Output>
inline constexpr bool makes_once = !Tries && std::is_constructible_v<T, Output>;
template <class T, class U, class E>
inline constexpr bool makes_once<T, true, std::expected<U, E>> = std::is_constructible_v<T, U>;

template <class T, bool Tries, class Output>
struct once_output {
    using type = const T*;
};
template <class T, class U, class E>
struct once_output<T, true, std::expected<U, E>> {
    using type = std::expected<const T*, E>;
};

}  // namespace eddy::detail

namespace eddy::sync {

template <class T, class Fn, bool Tries>
class once_init_future;

/// A value that is created asynchronously by the first task that needs it. Other tasks wait until it is created:
///     sync::once_cell<pool> connections;
///     ...
///     const pool& shared = *co_await connections.get_or_init(connect_all);
///
/// Does not need a runtime. To wait for a value that another task sets, use set_once.
/// Thread safety: all members may be called from any thread, except get_mut(), take() and into_inner(), which need
/// exclusive access. Several threads may read the value at the same time.
/// Lifetime: the cell must outlive its futures and the calls of its functions. Destroying it while a task waits
/// terminates the program.
/// Cost: no allocation. get() is one load, and so is get_or_init() once the value is set.
template <class T>
class once_cell {
public:
    /// Creates an empty cell, or one that contains `value`.
    once_cell() noexcept = default;
    explicit once_cell(T value) { [[maybe_unused]] const auto was_empty = set(std::move(value)); }
    once_cell(const once_cell&) = delete;
    once_cell& operator=(const once_cell&) = delete;
    ~once_cell() {
        if (!value_.changes.may_be_destroyed() || value_.is_claimed())
            value_.changes.destroyed_too_early(
                "a sync::once_cell was destroyed while a task waits for it: keep it until its "
                "get_or_init() futures are gone");
    }

    /// Returns true if the value is set.
    [[nodiscard]] bool is_set() const noexcept { return value_.is_set(); }
    /// Returns the value, or null if it is not set. The value does not move while it is set. get_mut() needs exclusive
    /// access.
    [[nodiscard]] const T* get() const noexcept { return value_.get(); }
    [[nodiscard]] T* get_mut() noexcept { return value_.get_alone(); }

    /// Sets the value.
    /// Errors: returns `value` if the value is already set or a task is creating it. If moving the value throws, the
    /// exception passes through and nothing is set.
    std::expected<void, T> set(T value) {
        if (!value_.claim()) return std::expected<void, T>(std::unexpect, std::move(value));
        static_cast<void>(value_.set_value(std::move(value)));
        return {};
    }

    /// Returns a future of the value, a `const T*` that is never null. If the value is not set, the future calls `f()`
    /// and runs the future of a T that `f` returns. If another future is already creating the value, this future waits
    /// instead. `f` is called at most once.
    /// Errors: an exception of `f` or its future passes through; the waiter that has waited longest then calls its own
    /// `f`.
    /// Cancel safety: dropping the future drops the future of `f`; its progress is lost, and the waiter that has waited
    /// longest calls its own `f`.
    /// Lifetime: the cell must outlive the future.
    template <class Fn>
    [[nodiscard]] auto get_or_init(Fn&& f) {
        return make<false>(std::forward<Fn>(f));
    }

    /// Same as get_or_init(), with a future of an `expected` of T. The output is an `expected` of `const T*`.
    /// Errors: an error is returned to the task whose `f` produced it; the waiter that has waited longest then calls
    /// its own `f`.
    template <class Fn>
    [[nodiscard]] auto get_or_try_init(Fn&& f) {
        return make<true>(std::forward<Fn>(f));
    }

    /// Moves the value out, if it is set. The cell is empty then and can be set again. The caller must have exclusive
    /// access.
    [[nodiscard]] std::optional<T> take() { return value_.take(); }
    [[nodiscard]] std::optional<T> into_inner() && { return value_.take(); }

private:
    template <bool Tries, class Fn>
    auto make(Fn&& f) {
        using function = eddy::detail::kept_fn_t<Fn>;
        constexpr bool is_called = std::is_invocable_v<function&>;
        static_assert(is_called, "eddy: this needs a function without parameters that returns a future");
        if constexpr (is_called) {
            using made = std::invoke_result_t<function&>;
            constexpr bool is_future = eddy::future<made>;
            static_assert(
                is_future,
                "eddy: the function given to a once_cell must return a future; a plain value goes into set()");
            if constexpr (is_future) {
                constexpr bool fits = eddy::detail::makes_once<T, Tries, output_t<made>>;
                static_assert(
                    fits,
                    "eddy: get_or_init needs a future of the cell's type, get_or_try_init of an `expected` of "
                    "it");
                if constexpr (fits) {
                    return once_init_future<T, function, Tries>(value_, std::forward<Fn>(f));
                } else {
                    return eddy::detail::broken_future();
                }
            } else {
                return eddy::detail::broken_future();
            }
        } else {
            return eddy::detail::broken_future();
        }
    }

    eddy::detail::once_value<T> value_;
};

/// The future that once_cell::get_or_init() and get_or_try_init() return. Moving it after its first poll terminates the
/// program.
/// Cancel safety: see once_cell::get_or_init().
template <class T, class Fn, bool Tries>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] once_init_future
    : public future_ops<once_init_future<T, Fn, Tries>> {
    using inner = std::invoke_result_t<Fn&>;
    using cell = eddy::detail::once_value<T>;
    using stages = eddy::detail::notify_waiter::stages;

public:
    using output_type = typename eddy::detail::once_output<T, Tries, output_t<inner>>::type;

    template <class F>
    once_init_future(cell& of, F&& f) : of_(&of), f_(std::in_place, std::forward<F>(f)) {}
    once_init_future(once_init_future&& other) noexcept(std::is_nothrow_move_constructible_v<Fn>)
        : of_(other.of_), f_(std::move(other.f_)) {
        if (other.has_claim_ || other.waiter_.stage == stages::waiting)
            eddy::detail::fatal_moved("a once_cell's get_or_init()", other.waiter_.polled_at);
    }
    once_init_future& operator=(once_init_future&&) = delete;
    ~once_init_future() { end(); }

    poll_result<output_type> poll(context& cx) {
        if (!f_)
            throw misuse(
                "a once_cell's get_or_init() was awaited after it had ended: await it once, and keep its "
                "output",
                cx.where());
        waiter_.polled_at = eddy::detail::call_site_of(cx.where());
        try {
            if (!inner_ && !begin(cx)) return not_ready;
            if (!inner_) return give(of_->get());
            auto answer = inner_->poll(cx);
            if (!answer.is_ready()) return not_ready;
            return finish(*std::move(answer));
        } catch (...) {
            end();
            throw;
        }
    }

    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<inner>
    {
        if (inner_ && !inner_->poll_cancel(cx).is_ready()) return not_ready;
        end();
        return poll_result<void>::ready();
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&once_init_future::inner_); }

private:
    /// Returns false while another future creates the value. Otherwise the value is set, or this future has claimed it.
    bool begin(context& cx) {
        if (!cx.consume_budget()) return false;
        for (;;) {
            // Register before checking: a change between the two steps is then notified.
            if (waiter_.stage != stages::waiting) of_->changes.begin(waiter_);
            if (of_->is_set()) return true;
            if (of_->claim()) {
                has_claim_ = true;
                of_->changes.leave(waiter_);
                inner_.emplace(std::invoke(*f_));
                return true;
            }
            if (of_->changes.poll(waiter_, &cx.waker())) continue;
            cx.refund_budget();
            return false;
        }
    }

    output_type give(const T* value) {
        end();
        return output_type(value);
    }

    output_type finish(output_t<inner>&& made) {
        inner_.reset();
        if constexpr (Tries) {
            if (!made) {
                output_type failed(std::unexpect, std::move(made.error()));
                end();
                return failed;
            }
            return give(keep(T(*std::move(made))));
        } else {
            return give(keep(T(std::move(made))));
        }
    }

    const T* keep(T&& value) {
        has_claim_ = false;  // set_value() ends the claim, also if it throws
        return of_->set_value(std::move(value));
    }

    /// Destroys the initializer's future before another one may start.
    void end() noexcept {
        inner_.reset();
        f_.reset();
        if (std::exchange(has_claim_, false)) of_->give_up();
        of_->changes.leave(waiter_);
    }

    cell* of_;
    std::optional<Fn> f_;  // empty after the end
    std::optional<inner> inner_;
    eddy::detail::notify_waiter waiter_;
    bool has_claim_ = false;
};

}  // namespace eddy::sync
