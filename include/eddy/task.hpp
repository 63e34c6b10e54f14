// SPDX-License-Identifier: MIT
#pragma once

#include <coroutine>
#include <exception>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/await.hpp>
#include <eddy/detail/false_warnings.hpp>
#include <eddy/detail/virtual_stack.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy {

namespace detail {
template <class T>
class promise;
}  // namespace detail

template <class T>
detail::frame* enter_frame(task<T>& used, std::source_location where);

/// A lazy coroutine, and a future. It does nothing until it is awaited, spawned or polled. A chain of tasks that await
/// each other is polled as one: waking the innermost costs the same at any depth, and native stack is not used up.
///
/// An exception that leaves the coroutine is thrown again where it is awaited or polled.
/// Cancel safety: destroying it at any time destroys the frames of the whole chain, innermost first.
/// Thread safety: none of its own; whoever polls it may move between threads, as a runtime's workers do.
/// Lifetime: parameters taken by reference must outlive the task; it keeps copies of the others. A task that is awaited
/// as an lvalue is borrowed: it is polled as a stack of its own, so that deep recursion should await rvalues. What its
/// parameters' destructors throw ends the program.
/// Cost: one block of the frame pool per coroutine; about as much as a malloc and a free for the whole of an await.
template <class T = void>
class [[nodiscard("a task does nothing until it is awaited, spawned or run")]] task : public future_ops<task<T>> {
public:
    using output_type = T;
    using promise_type = detail::promise<T>;

    task(task&& other) noexcept : frame_(other.release()) {}
    task& operator=(task&& other) noexcept {
        if (this != &other) {
            if (frame_ != nullptr) detail::destroy_root(*frame_);
            frame_ = other.release();
        }
        return *this;
    }
    ~task() {
        if (frame_ != nullptr) detail::destroy_root(*frame_);
    }

    /// Runs the chain until it has to wait. Throws what the coroutine throws, and `misuse` when polled after the end.
    poll_result<T> poll(context& cx) {
        if (frame_ == nullptr) detail::throw_ended_task(cx.where());
        detail::slot<T> outcome;
        if (!detail::run_root(*frame_, outcome, cx)) return not_ready;
        frame_ = nullptr;
        if constexpr (std::is_void_v<T>) {
            outcome.take();
            return poll_result<void>::ready();
        } else if constexpr (std::is_move_constructible_v<T>) {  // else the promise says what is wrong
            return outcome.take();
        } else {
            return not_ready;
        }
    }

    /// Ends the work in an orderly way: the innermost future is asked first, then the frames are destroyed.
    poll_result<void> poll_cancel(context& cx) {
        if (frame_ != nullptr) {
            if (!detail::cancel_root(*frame_, cx)) return not_ready;
            frame_ = nullptr;
        }
        return poll_result<void>::ready();
    }

private:
    friend detail::promise<T>;
    template <class U>
    friend detail::frame* enter_frame(task<U>& used, std::source_location where);

    explicit task(detail::frame& frame) noexcept : frame_(&frame) {}

    [[nodiscard]] detail::frame* release() noexcept {
        if (frame_ != nullptr && frame_->root != nullptr && frame_->active != nullptr) [[unlikely]] {
            detail::fatal_misuse("a task was moved while it runs: its own poll cannot move it");
        }
        return std::exchange(frame_, nullptr);
    }

    detail::frame* frame_;
};

// ---- Implementation ----

namespace detail {

template <class T>
class promise_base : public frame {
public:
    void unhandled_exception() noexcept { destination().set_exception(std::current_exception()); }

    template <class A>
    auto await_transform(A&& awaited, place here = EDDY_HERE) {
        where = here;
        return make_awaiter<T>(*this, std::forward<A>(awaited));
    }

    /// In the name of somebody else, who wrote the await at `named.where`.
    template <class A>
    auto await_transform(in_name_of<A> named) {
        where = place_of(named.where);
        return make_awaiter<T>(*this, static_cast<A>(named.awaited));
    }

protected:
    slot<T>& destination() noexcept { return static_cast<slot<T>&>(*outcome); }
};

template <class T>
class promise final : public promise_base<T> {
    static constexpr bool is_movable = std::is_move_constructible_v<T>;
    static_assert(is_movable,
                  "eddy: a coroutine's output is moved to whoever awaits it, and this type cannot be moved: return a "
                  "std::unique_ptr of it");

public:
    task<T> get_return_object() noexcept { return task<T>(*this); }

    template <class U = T>
        requires(std::convertible_to<U, T> || !is_movable)
    void return_value(U&& value) {
        if constexpr (is_movable) this->destination().set_value(std::forward<U>(value));
    }
};

template <>
class promise<void> final : public promise_base<void> {
public:
    task<void> get_return_object() noexcept { return task<void>(*this); }
    void return_void() { destination().set_value(); }
};

static_assert(sizeof(promise<int>) == sizeof(frame) && alignof(promise<int>) == alignof(frame));

}  // namespace detail

namespace detail {

/// A task that has begun elsewhere: its frames belong to a virtual stack of its own, which goes on inside a new frame.
template <class T>
[[gnu::noinline]] task<T> in_a_new_frame(task<T> begun) {
    if constexpr (std::is_void_v<T>) {
        co_await begun;
    } else {
        auto output = co_await begun;  // GCC 14.2 crashes on `co_return co_await begun` if ~T() may throw
        co_return std::move(output);
    }
}

}  // namespace detail

/// For awaits and spawns (found by argument): gives up the task's frame, which somebody else takes over.
template <class T>
inline detail::frame* enter_frame(task<T>& used, std::source_location where) {
    if (used.frame_ == nullptr) [[unlikely]]
        detail::throw_ended_task(where);
    if (used.frame_->root != nullptr) [[unlikely]]
        used = detail::in_a_new_frame(std::move(used));
    return std::exchange(used.frame_, nullptr);
}

}  // namespace eddy
EDDY_END_FALSE_UNINITIALIZED
