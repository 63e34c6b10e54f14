// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/detail/false_warnings.hpp>
#include <eddy/future/detail/call.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/detail/virtual_stack.hpp>
#include <eddy/future/future.hpp>
#include <eddy/task/task.hpp>

// The work in a task cell: a coroutine, another future, or a callable. A callable is called at the first poll, and is
// kept until the future that it made is destroyed.

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy::detail {

/// The result of calling stored work.
template <class W>
using called_t = std::invoke_result_t<W&>;

/// The output type of spawned work. For a future: its output type. For a callable: the output type of the future that
/// it returns, or else its result type.
template <class W>
struct work_output : outcome_of<std::decay_t<called_t<W>>> {};
template <future W>
struct work_output<W> : std::type_identity<output_t<W>> {};
template <class W>
using work_output_t = typename work_output<std::decay_t<W>>::type;

/// A function without parameters that returns a future: what run() and block_on() take besides a future. They call it
/// on the caller's thread, and keep a reference to it until the future has ended.
template <class F>
concept makes_main =
    !future<std::remove_cvref_t<F>> && std::is_invocable_v<F&> && future<std::remove_cvref_t<std::invoke_result_t<F&>>>;

/// Checks that work of type `W` can be moved to where it runs. A failure is a static_assert that says what to write.
template <class W>
constexpr bool check_work_moves() {
    using work = std::decay_t<W>;
    constexpr const bool is_moved = !std::is_lvalue_reference_v<W> || std::is_copy_constructible_v<work>;
    static_assert(is_moved, "eddy: spawn takes ownership of the work: write std::move");
    constexpr const bool is_movable = !is_moved || std::is_constructible_v<work, W>;
    static_assert(
        is_movable,
        "eddy: spawn moves the work to where it runs, and this cannot be moved: spawn a lambda that makes it");
    return is_moved && is_movable;
}

/// Checks that `W` can be spawned. A failure is a static_assert that says what to write. Work is stored decayed, so a
/// plain function is stored as a pointer.
template <class W>
constexpr bool check_spawned() {
    using work = std::decay_t<W>;
    constexpr const bool is_work = future<work> || std::is_invocable_v<work&>;
    static_assert(is_work,
                  "eddy: spawn takes a future, or a callable without parameters that returns one: for a function with "
                  "parameters, spawn its result, `spawn(work(x))`");
    if constexpr (!is_work) {
        return false;
    } else if constexpr (check_work_moves<W>()) {
        using output = work_output_t<work>;
        constexpr bool moves_output = std::is_void_v<output> || std::is_move_constructible_v<output>;
        static_assert(moves_output || is_entered<work>,  // a coroutine's promise has its own check
                      "eddy: the output of spawned work is moved to the joining task, and this type cannot be moved: "
                      "return a std::unique_ptr of it");
        return moves_output;
    } else {
        return false;
    }
}

/// Moves the output of a ready `answer` into the slot. Returns whether it was ready.
template <class T>
bool keep_answer(slot<T>& outcome, poll_result<T>&& answer) {
    if (!answer.is_ready()) return false;
    outcome.set_result_of([&]() -> decltype(auto) { return *std::move(answer); });
    return true;
}

/// Work that is a future, but not a coroutine.
template <class W>
class stored_work {
public:
    using output = output_t<W>;

    template <class G>
    explicit stored_work(G&& given, std::source_location) : future_(std::in_place, std::forward<G>(given)) {}

    [[nodiscard]] static frame* take_root() noexcept { return nullptr; }
    bool poll(slot<output>& outcome, context& cx) { return keep_answer<output>(outcome, future_->poll(cx)); }
    bool poll_cancel(context& cx) { return poll_cancel_child(future_ ? &*future_ : nullptr, cx); }
    void destroy() noexcept { future_.reset(); }

    static constexpr auto wait_shape() { return inspect::waits_as(&stored_work::future_); }

private:
    std::optional<W> future_;
};

/// Work that is a coroutine.
/// Lifetime: owns the coroutine frames, unless take_root() has passed them to the executor.
template <class T>
class stored_work<task<T>> {
public:
    using output = T;

    stored_work(task<T>&& given, std::source_location where) : root_(enter_frame(given, where)) { begin_root(*root_); }

    [[nodiscard]] frame* take_root() noexcept { return std::exchange(root_, nullptr); }
    bool poll(slot<T>& outcome, context& cx) {
        if (!run_root(*root_, outcome, cx)) return false;
        root_ = nullptr;
        return true;
    }
    bool poll_cancel(context& cx) { return cancel_root(root_, cx); }
    void destroy() noexcept {
        if (root_ != nullptr) destroy_root(*root_);
    }

    static constexpr auto wait_shape() { return inspect::awaits(inspect::wait::frames, &stored_work::root_); }

private:
    frame* root_;
};

/// Work that is a callable.
template <class W>
    requires(!future<W>)
class stored_work<W> {
    using made = std::remove_cvref_t<called_t<W>>;
    static constexpr bool makes_future = future<made>;

public:
    using output = work_output_t<W>;

    template <class G>
    explicit stored_work(G&& given, std::source_location) : work_(std::in_place, std::forward<G>(given)) {}

    /// Null before the first poll.
    [[nodiscard]] frame* take_root() noexcept {
        if constexpr (makes_future) return future_ ? future_->take_root() : nullptr;
        return nullptr;
    }
    bool poll(slot<output>& outcome, context& cx) {
        if constexpr (makes_future) {
            if (!future_) future_.emplace(std::invoke(*work_), cx.where());
            return future_->poll(outcome, cx);
        } else {
            outcome.set_result_of([&]() -> decltype(auto) { return std::invoke(*work_); });
            return true;
        }
    }
    bool poll_cancel(context& cx) {
        if constexpr (makes_future) return !future_ || future_->poll_cancel(cx);
        return true;
    }
    void destroy() noexcept {
        if constexpr (makes_future) {
            if (future_) future_->destroy();
        }
        work_.reset();
    }

    static constexpr auto wait_shape() {
        if constexpr (makes_future) {
            return inspect::waits_as(&stored_work::future_);
        } else {
            return detail::wait_shape<>{wait_kind::other};
        }
    }

private:
    std::optional<W> work_;
    std::conditional_t<makes_future, std::optional<stored_work<made>>, std::monostate> future_;  // may refer to `work_`
};

}  // namespace eddy::detail
EDDY_END_FALSE_UNINITIALIZED
