// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/closure_guard.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/owned.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>

namespace eddy {

namespace detail {

/// A value that a task_local has on this thread at this moment: one of a list, innermost first, that lies on the stack.
struct task_local_binding {
    const void* key;  ///< the task_local
    void* value;
    task_local_binding* outer;
};

// Out of line, and never inlined into a coroutine: one that goes on on another thread must not find the former one's
// list.

/// Makes the binding the innermost of this thread; sets its `outer`.
EDDY_API void push_task_local(task_local_binding& binding) noexcept;
EDDY_API void pop_task_local(const task_local_binding& binding) noexcept;
/// The value of the innermost binding of `key`; null if there is none.
[[nodiscard]] EDDY_API void* find_task_local(const void* key) noexcept;
[[noreturn]] EDDY_API void throw_no_task_local(std::source_location where);

/// A value that is bound on this thread while this lives: for the length of one poll.
class bound_task_local {
public:
    bound_task_local(const void* key, void* value) noexcept : binding_{key, value, nullptr} {
        push_task_local(binding_);
    }
    bound_task_local(const bound_task_local&) = delete;
    bound_task_local& operator=(const bound_task_local&) = delete;
    ~bound_task_local() { pop_task_local(binding_); }

private:
    task_local_binding binding_;
};

}  // namespace detail

/// A future that is polled with a value of a task_local bound: what task_local::scope() returns.
template <class T, class F>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] task_local_future
    : public future_ops<task_local_future<T, F>> {
public:
    using output_type = output_t<F>;
    static constexpr bool took_closure = detail::is_marked<F>;

    template <class U>
    task_local_future(const void* key, U&& value, F&& inner)
        : key_(key), value_(std::in_place, std::forward<U>(value)), inner_(std::in_place, std::move(inner)) {}
    task_local_future(task_local_future&& other) noexcept(std::is_nothrow_move_constructible_v<T> &&
                                                          std::is_nothrow_move_constructible_v<F>)
        : key_(other.key_), value_(std::move(other.value_)), inner_(std::move(other.inner_)) {
        other.end();
    }
    task_local_future& operator=(task_local_future&&) = delete;
    ~task_local_future() { end(); }

    poll_result<output_type> poll(context& cx) {
        if (!inner_) detail::throw_has_ended("a future with a task-local value", cx.where());
        try {
            auto answer = poll_bound(cx);
            if (answer.is_ready()) end();
            return answer;
        } catch (...) {
            end();
            throw;
        }
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

private:
    poll_result<output_type> poll_bound(context& cx) {
        const detail::bound_task_local bound(key_, &*value_);
        return inner_->poll(cx);
    }

    /// The future's own end sees the value, too, which goes after it.
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

/// A variable that has a value of its own in each task that gives it one: `static inline eddy::task_local<int>
/// request_id;`. A value is bound to a future, not to a thread: it is there while that future is polled, on whatever
/// thread, and while it is destroyed. Within it another value may be bound, which hides the first. What the future
/// spawns does not inherit it.
///     co_await request_id.scope(7, serve(std::move(stream)));      // in serve(): request_id.get() == 7
/// Thread safety: any thread; each sees what is bound by what it polls.
/// Lifetime: must outlive the futures that it is bound to: make it static.
/// Cost: a value is found by walking the bindings that enclose the caller: the innermost first.
template <class T>
class task_local {
public:
    constexpr task_local() noexcept = default;
    task_local(const task_local&) = delete;
    task_local& operator=(const task_local&) = delete;

    /// The future `work` with `value` bound while it is polled. The value is destroyed after it, when it ends.
    /// Cancel safety: that of `work`.
    template <class U = T, class F>
    [[nodiscard]] auto scope(U&& value, F&& work) const {
        constexpr bool fits = std::is_constructible_v<T, U>;
        static_assert(fits, "eddy: scope(value, future) takes a value of this task_local's type");
        if constexpr (!detail::check_futures<F>() || !fits) {
            return detail::broken_future();
        } else {
            return task_local_future<T, detail::owned_t<F>>(this, std::forward<U>(value),
                                                            detail::own(std::forward<F>(work)));
        }
    }

    /// Calls `f` with `value` bound, and returns what it returns. A loop that `f` runs polls its tasks, the main
    /// future, too, without it: bind the value to the future instead.
    template <class F>
    decltype(auto) sync_scope(T value, F&& f) const {
        const detail::bound_task_local bound(this, &value);
        return std::invoke(std::forward<F>(f));
    }

    /// Calls `f` with the value that is bound here (a `T&`), and returns what it returns.
    /// Errors: throws `misuse` if none is.
    template <class F>
    decltype(auto) with(F&& f, std::source_location where = std::source_location::current()) const {
        return std::invoke(std::forward<F>(f), value_here(where));
    }

    /// The same; without a value it does not call `f`, and returns nothing. Returns a bool where `f` returns nothing,
    /// else a std::optional.
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

    /// A copy of the value that is bound here.
    /// Errors: throws `misuse` if none is.
    [[nodiscard]] T get(std::source_location where = std::source_location::current()) const {
        return value_here(where);
    }
    [[nodiscard]] std::optional<T> try_get() const {
        const T* const found = find();
        return found == nullptr ? std::nullopt : std::optional<T>(*found);
    }

private:
    // SAFETY: only scope() and sync_scope() of this object bind values with its address, and they are T's.
    [[nodiscard]] T* find() const noexcept { return static_cast<T*>(detail::find_task_local(this)); }

    [[nodiscard]] T& value_here(std::source_location where) const {
        T* const found = find();
        if (found == nullptr) detail::throw_no_task_local(where);
        return *found;
    }

    [[maybe_unused]] char address_ = 0;  // so that two of them never share one
};

}  // namespace eddy
