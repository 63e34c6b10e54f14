// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/bound_task_local.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>

namespace eddy {

/// The future that task_local::scope() returns: polls a future with a value bound.
template <class T, class F>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] task_local_future
    : public future_ops<task_local_future<T, F>> {
public:
    using output_type = output_t<F>;

    /// For the library.
    template <class U>
    task_local_future(F&& inner, const void* key, U&& value)
        : key_(key), value_(std::in_place, std::forward<U>(value)), inner_(std::in_place, std::move(inner)) {}
    /// Moves the future and its value. `other` has ended.
    task_local_future(task_local_future&& other) noexcept(std::is_nothrow_move_constructible_v<T> &&
                                                          std::is_nothrow_move_constructible_v<F>)
        : key_(other.key_), value_(std::move(other.value_)), inner_(std::move(other.inner_)) {
        other.end();
    }
    task_local_future& operator=(task_local_future&&) = delete;
    /// Destroys the future, with the value bound, then the value.
    ~task_local_future() { end(); }

    poll_result<output_type> poll(context& cx) {
        if (!inner_) detail::throw_has_ended("a future with a task-local value", cx.where());
        return detail::poll_then_end([&] { return this->poll_bound(cx); }, [this]() noexcept { this->end(); });
    }

    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        if (inner_) {
            const detail::bound_task_local bound(key_, &*value_);
            if (!inner_->poll_cancel(cx)) return not_ready;
        }
        end();
        return poll_result<void>::ready();
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&task_local_future::inner_); }

private:
    poll_result<output_type> poll_bound(context& cx) {
        const detail::bound_task_local bound(key_, &*value_);
        return inner_->poll(cx);
    }

    /// Destroys the future, with the value bound, then the value.
    void end() noexcept {
        if (inner_) {
            const detail::bound_task_local bound(key_, &*value_);
            inner_.reset();
        }
        value_.reset();
    }

    const void* key_;
    std::optional<T> value_;
    std::optional<F> inner_;
};

/// A variable that has a separate value in each task that binds one: `static inline eddy::task_local<int> request_id;`.
/// A value is bound to a future. It is visible while that future is polled, on any thread, and while it is destroyed.
/// Inside the future another value may be bound, which hides the outer one. Tasks that the future spawns do not inherit
/// the value.
///     co_await request_id.scope(7, serve(std::move(stream)));      // in serve(): request_id.get() == 7
/// Thread safety: any thread. Each thread sees the values that are bound by the futures that it polls.
/// Lifetime: it must outlive the futures to which its values are bound; make it static.
/// Cost: looking up a value walks the list of bindings that surround the caller, innermost first.
template <class T>
class task_local {
public:
    /// Constructs a variable without a value.
    constexpr task_local() noexcept = default;
    task_local(const task_local&) = delete;
    task_local& operator=(const task_local&) = delete;

    /// Returns a future that polls `work` with `value` bound. When `work` ends, `work` is destroyed, and then the
    /// value.
    /// Cancel safety: same as `work`.
    /// Lifetime: `work` is moved in; use std::ref to borrow it.
    /// Cost: no allocation.
    template <class U = T, class F>
    [[nodiscard]] auto scope(U&& value, F&& work) const {
        constexpr bool fits = std::is_constructible_v<T, U>;
        static_assert(fits, "eddy: scope(value, future) takes a value of this task_local's type");
        if constexpr (fits) {
            return detail::make_adaptor<task_local_future<T, detail::owned_t<F>>>(std::forward<F>(work), this,
                                                                                  std::forward<U>(value));
        } else {
            return detail::broken_future();
        }
    }

    /// Calls `f` with `value` bound, and returns its result. An event loop that `f` runs polls its tasks, including its
    /// main future, without the value; to bind a value there, use scope().
    template <class F>
    decltype(auto) sync_scope(T value, F&& f) const {
        const detail::bound_task_local bound(this, &value);
        return std::invoke(std::forward<F>(f));
    }

    /// Calls `f` with the bound value (a `T&`), and returns its result.
    /// Errors: throws `misuse` if no value is bound.
    template <class F>
    decltype(auto) with(F&& f, std::source_location where = std::source_location::current()) const {
        return std::invoke(std::forward<F>(f), value_here(where));
    }

    /// Calls `f` with the bound value, if there is one, and returns a std::optional of its result. If `f` returns
    /// nothing, returns whether there was a value.
    template <class F>
    auto try_with(F&& f) const {
        using returned = std::invoke_result_t<F, T&>;
        T* const found = find();
        if constexpr (std::is_void_v<returned>) {
            if (found != nullptr) std::invoke(std::forward<F>(f), *found);
            return found != nullptr;
        } else {
            using answer = std::optional<std::remove_cvref_t<returned>>;
            return found == nullptr ? answer() : answer(std::invoke(std::forward<F>(f), *found));
        }
    }

    /// Returns a copy of the bound value.
    /// Errors: throws `misuse` if no value is bound.
    [[nodiscard]] T get(std::source_location where = std::source_location::current()) const {
        return value_here(where);
    }
    /// Returns a copy of the bound value, or nullopt if there is none.
    [[nodiscard]] std::optional<T> try_get() const {
        const T* const found = find();
        return found == nullptr ? std::nullopt : std::optional<T>(*found);
    }

private:
    // SAFETY: the address of this object is the key. Only scope() and sync_scope() of this object bind values with it,
    // and these are of type T. The binding exists during the poll or call that surrounds this one, and so does the
    // value.
    [[nodiscard]] T* find() const noexcept { return static_cast<T*>(detail::find_task_local(this)); }

    [[nodiscard]] T& value_here(std::source_location where) const {
        T* const found = find();
        if (found == nullptr) detail::throw_no_task_local(where);
        return *found;
    }

    [[maybe_unused]] char address_ = 0;  // gives each object a distinct address
};

}  // namespace eddy
