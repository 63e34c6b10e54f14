// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <exception>
#include <expected>
#include <optional>
#include <source_location>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <eddy/detail/false_warnings.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/outcome.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/detail/range_group.hpp>
#include <eddy/future/detail/virtual_stack.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/join.hpp>
#include <eddy/future/joined.hpp>
#include <eddy/task/detail/scope_base.hpp>

// The children of a scope(a, b, ...) and of scope_all(). The states of a child:
//
//     fresh ── first poll of the scope ──> offered ── taken back and polled by that poll ──> ready: ended
//                                             │                     └ not ready ──> a task ──> ended
//                                             └ taken by another worker ──────────────┘
//
// The first poll of the scope polls the children one after the other. Meanwhile, the other workers of the pool may take
// the children that were offered and not polled yet, the last one first. Most children of a tree are not taken. Such a
// child is polled like an awaited coroutine, without a task. If it is not ready, it becomes a task. So the scope polls
// each child at most once, and then waits for tasks only.
//
// The first child is not offered. A scope offers no children on an event loop, on the only worker of a runtime, and on
// a worker with enough offers. The latter is checked again before each child is polled.
//
// Source: "lazy task creation" (Mohr, Kranz and Halstead, 1990), in the form of Cilk's work stealing.

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy::detail {

/// A child of such a scope that no task runs yet.
struct offered_child {
    /// Makes the child a task. Called at most once: by the worker that has taken the child, or by the worker that has
    /// offered it, if that worker is handed over to another thread.
    void (*start)(offered_child& self) noexcept;
};

/// How the children of such a scope run.
enum class runs_children : unsigned char {
    tasks,           ///< a task for each child
    poll,            ///< in the first poll of the scope
    poll_or_worker,  ///< in that poll, or on the worker that takes the child
};

/// The part of such a scope that does not depend on its children's types.
class EDDY_API known_scope : public scope_base {
public:
    /// Returns how the children run. `where` is the co_await.
    /// Errors: throws `misuse` if there is no executor.
    [[nodiscard]] runs_children begin(std::source_location where);
    [[nodiscard]] const std::source_location& where() const noexcept { return where_; }
    /// Binds the scope, if it is not bound; see scope_base::bind(). Most scopes start no tasks and need no binding.
    void bind_for_tasks() {
        if (!is_bound()) bind(where_);
    }

    /// Lets other workers take the child. Returns false, without an effect, if the worker's queue of offers is full or
    /// contains enough offers. Pass `follows_another` if a child of the same scope was offered just before: the second
    /// condition then does not count.
    /// Preconditions, here and below: begin() has returned poll_or_worker, and the poll that called it has not ended.
    [[nodiscard]] bool offer(offered_child& child, bool follows_another) noexcept;
    /// Withdraws the offer of a child. Call it for the newest offer first. Returns false if a worker has taken the
    /// child, or if the child was made a task by a hand-over.
    [[nodiscard]] bool take_back(offered_child& child) noexcept;

private:
    std::source_location where_;
};

/// A child whose type is known: a future and its outcome.
template <class F>
class known_child : public offered_child {
public:
    using output = output_t<F>;

    explicit known_child(F&& work) : offered_child{&start_taken}, work_(std::move(work)) {}
    /// Preconditions: the scope of `other` was not polled.
    known_child(known_child&& other) noexcept(std::is_nothrow_move_constructible_v<F>)
        : offered_child{&start_taken}, work_(std::move(other.work_)) {}
    known_child& operator=(known_child&&) = delete;

    void enter(known_scope& its) noexcept { scope_ = &its; }
    bool offer(bool follows_another) noexcept { return is_offered_ = scope_->offer(*this, follows_another); }

    /// Polls the child once, unless a worker has taken it or the scope is cancelled. A child that is not ready becomes
    /// a task. Returns whether the scope need not wait for the child: it has ended, or will not be started.
    bool run_unless_taken(context& cx) noexcept {
        if (is_offered_ && !scope_->take_back(*this)) return false;
        return scope_->is_cancelled() || advance(cx) || start_task(false);
    }

    /// Makes the child a task. `was_taken`: the child was offered, and was not taken back. If no memory is left, the
    /// child fails instead. Returns whether it has failed.
    bool start_task(bool was_taken) noexcept {
        try {
            scope_->bind_for_tasks();
            scope_->spawn(rest(*this), scope_->where(), was_taken);
            return false;
        } catch (...) {
            outcome_.set_exception(std::current_exception());
            end();
            if (was_taken) scope_->lose_taken();
            return true;
        }
    }

    /// Fails the scope if the child has no outcome, because a shutdown of the runtime has destroyed its task.
    /// Preconditions: all children have ended.
    void fail_if_destroyed() noexcept {
        if (outcome_.is_empty()) scope_->fail({nullptr, make_error_code(errc::runtime_shutdown)});
    }

    /// Returns the outcome.
    /// Preconditions: all children have ended, and the scope has not failed.
    [[nodiscard]] slot<output>& outcome() noexcept { return outcome_; }

    static constexpr auto wait_shape() { return inspect::waits_as(&known_child::work_); }

private:
    /// The future of the child's task.
    class rest {
    public:
        using output_type = void;

        explicit rest(known_child& of) noexcept : of_(&of) {}
        rest(rest&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
        rest& operator=(rest&&) = delete;
        ~rest() {
            if (of_ != nullptr) of_->end();
        }

        poll_result<void> poll(context& cx) {
            if (!of_->advance(cx)) return not_ready;
            of_ = nullptr;
            return poll_result<void>::ready();
        }
        poll_result<void> poll_cancel(context& cx) {
            if (!poll_cancel_child(&*of_->work_, cx)) return not_ready;
            return poll_result<void>::ready();
        }

        static constexpr auto wait_shape() { return inspect::waits_as(&rest::of_); }

    private:
        known_child* of_;
    };

    // SAFETY: only the constructors of this class store the function, so `self` is the base of a known_child.
    static void start_taken(offered_child& self) noexcept {
        static_cast<void>(static_cast<known_child&>(self).start_task(true));
    }

    /// Polls the work, and destroys it if it has ended. Returns whether it has ended.
    bool advance(context& cx) noexcept {
        try {
            if constexpr (requires { poll_into(*work_, outcome_, cx); }) {
                if (!poll_into(*work_, outcome_, cx)) return false;
            } else {
                if (!keep_answer<output>(outcome_, work_->poll(cx))) return false;
            }
        } catch (...) {
            outcome_.set_exception(std::current_exception());
        }
        end();
        return true;
    }

    void end() noexcept {
        work_.reset();
        pass_failure<output>(outcome_, *scope_);
    }

    known_scope* scope_ = nullptr;
    bool is_offered_ = false;
    std::optional<F> work_;
    slot<output> outcome_;
};

/// Moves the value of a child out. Returns std::monostate for void.
template <class T>
auto take_value(slot<T>& outcome, std::source_location where) {
    if constexpr (std::is_void_v<T>) {
        outcome.take(where);
        return std::monostate();
    } else if constexpr (is_expected<T>) {
        T whole = outcome.take(where);
        return take_value(std::move(whole));
    } else {
        return outcome.take(where);
    }
}

/// The children of scope(a, b, ...).
template <class... F>
class child_tuple {
public:
    static constexpr bool have_errors = (is_expected<output_t<F>> && ...);
    static constexpr bool has_no_errors = (!is_expected<output_t<F>> && ...);
    using output = std::conditional_t<have_errors, try_join_rule, join_rule>::template output<F...>;

    template <class... G>
    explicit child_tuple(std::in_place_t, G&&... work) : children_(std::forward<G>(work)...) {}

    /// Calls `f` with each child.
    template <class Fn>
    void for_each(const Fn& f) {
        std::apply([&](auto&... child) { (f(child), ...); }, children_);
    }
    /// Same as for_each(), but before each call of `f`, offers later children that were not offered yet, from the last
    /// one to the next one. Stops when offer() returns false.
    template <class Fn>
    void offer_and_run(const Fn& f) {
        std::size_t offered = sizeof...(F);
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            ((offer_after<I>(offered), f(std::get<I>(children_))), ...);
        }(std::index_sequence_for<F...>());
    }
    /// Constructs the output from `in_place` and the values.
    template <class... Args>
    [[nodiscard]] poll_result<output> deliver(std::source_location where, Args... in_place) {
        return std::apply(
            [&](auto&... child) {
                return poll_result<output>(std::in_place, in_place..., take_value(child.outcome(), where)...);
            },
            children_);
    }

private:
    /// Offers the children behind the one with the index `I`. `offered` is the index of the first one that was offered.
    template <std::size_t I>
    void offer_after(std::size_t& offered) noexcept {
        bool more = false;
        [&]<std::size_t... J>(std::index_sequence<J...>) {
            static_cast<void>((offer_unless_done<sizeof...(F) - 1 - J>(offered, more) && ...));
        }(std::make_index_sequence<sizeof...(F) - 1 - I>());
    }
    /// Returns false if the child with the index `I` was not offered and cannot be offered now.
    template <std::size_t I>
    bool offer_unless_done(std::size_t& offered, bool& more) noexcept {
        if (I >= offered) return true;
        if (!std::get<I>(children_).offer(std::exchange(more, true))) return false;
        offered = I;
        return true;
    }

    std::tuple<known_child<F>...> children_;
};

/// `Values`, or an expected of it if the outputs of the children have errors.
template <class Values, class T>
struct output_of_all : std::type_identity<Values> {};
template <class Values, class V, class E>
struct output_of_all<Values, std::expected<V, E>> : std::type_identity<std::expected<Values, E>> {};

/// The type of a value; std::monostate for void.
template <class T>
using value_type_of = decltype(take_value(std::declval<slot<T>&>(), {}));

/// The children of scope_all() for a std::array.
template <class F, std::size_t N>
struct child_array {
    using values = std::array<value_type_of<output_t<F>>, N>;
    using children = std::array<known_child<F>, N>;

    static children make(std::array<F, N>&& work) {
        return with_all([&](auto... i) { return children{known_child<F>(std::move(work[i]))...}; });
    }
    static values take(children& from, std::source_location where) {
        return with_all([&](auto... i) { return values{take_value(from[i].outcome(), where)...}; });
    }

private:
    template <class Fn>
    static auto with_all(const Fn& f) {
        return [&]<std::size_t... I>(std::index_sequence<I...>) { return f(I...); }(std::make_index_sequence<N>());
    }
};

/// The children of scope_all() for any other range.
template <class F>
struct child_vector {
    using values = std::vector<value_type_of<output_t<F>>>;
    using children = std::vector<known_child<F>>;

    template <class R>
    static children make(R&& work) {
        children made;
        if constexpr (std::ranges::sized_range<R>) made.reserve(static_cast<std::size_t>(std::ranges::size(work)));
        for_each_future_of(std::forward<R>(work), [&](F&& one) { made.emplace_back(std::move(one)); });
        return made;
    }
    static values take(children& from, std::source_location where) {
        values all;
        all.reserve(from.size());
        for (auto& child : from) all.push_back(take_value(child.outcome(), where));
        return all;
    }
};

/// The children of scope_all(): `Kind` is child_array or child_vector.
template <class Kind, class F>
class child_range {
public:
    static constexpr bool have_errors = is_expected<output_t<F>>;
    using output = typename output_of_all<typename Kind::values, output_t<F>>::type;

    template <class R>
    explicit child_range(std::in_place_t, R&& work) : children_(Kind::make(std::forward<R>(work))) {}

    template <class Fn>
    void for_each(const Fn& f) {
        for (auto& child : children_) f(child);
    }
    /// Same as for_each(), but before each call of `f`, offers later children that were not offered yet, from the last
    /// one to the next one. Stops when offer() returns false.
    template <class Fn>
    void offer_and_run(const Fn& f) {
        std::size_t offered = children_.size();
        for (std::size_t i = 0; i < children_.size(); ++i) {
            for (bool more = false; offered > i + 1 && children_[offered - 1].offer(more); more = true) --offered;
            f(children_[i]);
        }
    }
    template <class... Args>
    [[nodiscard]] poll_result<output> deliver(std::source_location where, Args... in_place) {
        return poll_result<output>(std::in_place, in_place..., Kind::take(children_, where));
    }

private:
    typename Kind::children children_;
};

/// Returns the failure of a scope as an `Output` if its error type allows that: unchanged, or converted from an error
/// code. Otherwise throws it.
template <class Output>
poll_result<Output> fail_with(scope_failure& failure) {
    if constexpr (is_expected<Output>) {
        using error = typename Output::error_type;
        if constexpr (std::is_same_v<error, std::error_code>) {
            if (failure.code) return Output(std::unexpect, *failure.code);
        }
        if constexpr (std::is_same_v<error, any_error>) {
            if (failure.story) return Output(std::unexpect, *std::move(failure.story));
        }
        try {
            if (failure.thrown != nullptr) std::rethrow_exception(failure.thrown);
        } catch (std::bad_expected_access<error>& e) {
            return Output(std::unexpect, std::move(e.error()));
        } catch (...) {  // NOLINT(bugprone-empty-catch): handled below
        }
        if constexpr (error_converts<std::error_code, error>) {
            if (failure.code) return Output(std::unexpect, convert_error<error>(*failure.code));
        }
    }
    if (failure.code) throw std::system_error(*failure.code, "a child of a scope failed");
    std::rethrow_exception(failure.thrown);
}

template <class... F>
constexpr bool check_children() {
    constexpr bool known = check_futures<F...>() && has_no_branches<F...>();
    if constexpr (!known) {
        return false;
    } else {
        using children = child_tuple<owned_t<F>...>;
        constexpr bool alike = children::have_errors || children::has_no_errors;
        static_assert(alike,
                      "eddy: some children of this scope return a std::expected, and some do not: return it from all");
        return alike;
    }
}

}  // namespace eddy::detail
EDDY_END_FALSE_UNINITIALIZED
