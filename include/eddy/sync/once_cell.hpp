// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/closure_guard.hpp>
#include <eddy/detail/once_value.hpp>
#include <eddy/detail/owned.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {

/// What an initialiser's future has to give for a once_cell of `T`: a T, or an `expected` of one.
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

template <class T, class Fn, bool Tries, bool Marked>
class once_init_future;

/// A value that is made by whoever needs it first, asynchronously, while the others wait:
///     sync::once_cell<pool> connections;
///     ...
///     const pool& shared = *co_await connections.get_or_init(connect_all);
///
/// It needs no runtime. To wait for a value that somebody else sets, see set_once.
/// Thread safety: any thread, but for get_mut(), take() and into_inner(), which need it for themselves. The value is
/// read by many at a time. Lifetime: it must outlive its futures and the calls of its functions. Destroying it while
/// one waits ends the program. Cost: no allocation. get() is a load, and so is get_or_init() when the value is there.
template <class T>
class once_cell {
public:
    once_cell() noexcept = default;
    explicit once_cell(T value) { [[maybe_unused]] const auto was_empty = set(std::move(value)); }
    once_cell(const once_cell&) = delete;
    once_cell& operator=(const once_cell&) = delete;
    ~once_cell() {
        if (!value_.changes.may_be_destroyed())
            eddy::detail::fatal_misuse(
                "a sync::once_cell was destroyed while a task waits for it: keep it until its "
                "get_or_init() futures are gone");
    }

    [[nodiscard]] bool is_set() const noexcept { return value_.is_set(); }
    /// The value; null if it is not set. It stays where it is.
    [[nodiscard]] const T* get() const noexcept { return value_.get(); }
    [[nodiscard]] T* get_mut() noexcept { return value_.get_alone(); }

    /// Sets the value. If it was set before, or somebody is making it, `value` comes back as the error.
    /// If moving it throws, that passes through, and nothing is set.
    std::expected<void, T> set(T value) {
        if (!value_.claim()) return std::expected<void, T>(std::unexpect, std::move(value));
        static_cast<void>(value_.set_value(std::move(value)));
        return {};
    }

    /// A future of the value, `const T*`, which is never null. If it is not there, it runs what `f()` returns, a future
    /// of a T; or waits for whoever does already. `f` is called once at most. If `f` or its future throws, that passes
    /// through, and the first of those who wait runs its own. Cancel safety: dropped half way, what `f` returned is
    /// dropped, too, and the first of those who wait runs its own.
    template <class Fn>
    [[nodiscard]] auto get_or_init(Fn&& f) {
        return make<false>(std::forward<Fn>(f));
    }

    /// get_or_init() with a future of an `expected` of T. Its output is an `expected` of `const T*`: an error goes to
    /// the one whose `f` it was, and the first of those who wait runs its own.
    template <class Fn>
    [[nodiscard]] auto get_or_try_init(Fn&& f) {
        return make<true>(std::forward<Fn>(f));
    }

    /// The value, moved out, if it is set; it can be set again.
    [[nodiscard]] std::optional<T> take() { return value_.take(); }
    [[nodiscard]] std::optional<T> into_inner() && { return value_.take(); }

private:
    template <bool Tries, class Fn>
    auto make(Fn&& f) {
        using function = std::decay_t<Fn>;
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
                    return once_init_future<T, function, Tries, eddy::detail::is_fragile<Fn>>(value_,
                                                                                              std::forward<Fn>(f));
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

/// What once_cell::get_or_init() and get_or_try_init() return.
template <class T, class Fn, bool Tries, bool Marked>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] once_init_future
    : public future_ops<once_init_future<T, Fn, Tries, Marked>> {
    using inner = std::invoke_result_t<Fn&>;
    using cell = eddy::detail::once_value<T>;
    using stages = eddy::detail::notify_waiter::stages;

public:
    using output_type = typename eddy::detail::once_output<T, Tries, output_t<inner>>::type;
    static constexpr bool took_closure = Marked;

    template <class F>
    once_init_future(cell& of, F&& f) : of_(&of), f_(std::in_place, std::forward<F>(f)) {}
    once_init_future(once_init_future&& other) noexcept(std::is_nothrow_move_constructible_v<Fn>)
        : of_(other.of_), f_(std::move(other.f_)) {
        if (other.has_claim_ || other.waiter_.stage == stages::waiting)
            eddy::detail::fatal_misuse("a once_cell's get_or_init() was moved after its first poll");
    }
    once_init_future& operator=(once_init_future&&) = delete;
    ~once_init_future() { end(); }

    poll_result<output_type> poll(context& cx) {
        if (!f_)
            throw misuse(
                "a once_cell's get_or_init() was awaited after it had ended: await it once, and keep its "
                "output",
                cx.where());
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

private:
    /// False while another makes the value. Else it is there, or is ours to make.
    bool begin(context& cx) {
        if (!cx.consume_budget()) return false;
        for (;;) {
            // First ask to be told, then look: what comes between the two is told.
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
        has_claim_ = false;  // set_value() ends it, either way
        return of_->set_value(std::move(value));
    }

    /// Takes down what it ran, before another may begin.
    void end() noexcept {
        inner_.reset();
        f_.reset();
        if (std::exchange(has_claim_, false)) of_->give_up();
        of_->changes.leave(waiter_);
    }

    cell* of_;
    std::optional<Fn> f_;  // empty when it has ended
    std::optional<inner> inner_;
    eddy::detail::notify_waiter waiter_;
    bool has_claim_ = false;
};

}  // namespace eddy::sync
