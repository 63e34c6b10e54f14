// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

#include <eddy/detail/false_warnings.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/task/detail/scope_children.hpp>
#include <eddy/task/task_local.hpp>

// Scopes whose children are passed as arguments. scope.hpp has the scopes whose body starts the children.

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy {

template <class Children>
class scope_children;

/// Runs up to sixteen futures as the children of a scope, and returns their outputs: a `joined` in the order of the
/// arguments, with std::monostate for void. It is for parallel computations, as in divide and conquer:
///     auto [left, right] = co_await eddy::scope(sum(first_half), sum(second_half));
/// This task runs the children one after the other. On a runtime with several workers, other workers may take all but
/// the first child, beginning with the last one. A child that has to wait becomes a task. If the scope is not awaited
/// on a worker or an event loop, or is nested very deeply, each child is a task. Use `join` for futures that mostly
/// wait.
///
/// The children may borrow local variables of the coroutine that awaits the scope. They see its deadline, but not its
/// task-locals. current_task_id() returns the number of this task in a child that is not a task itself.
/// Errors: the first exception of a child cancels the others, and is thrown after they have ended. If the children
/// return expecteds, so does the scope: with a `joined` of the values, or with the first error, which also cancels the
/// other children. If a shutdown of the runtime destroys a child, the error is errc::runtime_shutdown. Without a
/// runtime on this thread, the scope throws `misuse`.
/// Cancel safety: as for the other form of scope().
/// Thread safety: same as any future; see eddy::future. The children may be polled on other threads.
/// Lifetime: the futures are moved in, and each is destroyed when it has ended; use std::ref to borrow one.
/// Cost: a child that ends in a poll by this task needs no allocation. If it was offered to other workers, it costs one
/// or two atomic read-modify-write operations. Any other child needs one block.
template <class F, class G, class... More>
    requires(!std::is_same_v<std::remove_cvref_t<G>, std::source_location>)
[[nodiscard]] auto scope(F&& first, G&& second, More&&... more) {
    constexpr bool fits = sizeof...(More) + 2 <= detail::most_joined;
    static_assert(fits, "eddy: scope takes up to sixteen futures; scope_all takes a range of any size");
    if constexpr (fits && detail::check_children<F, G, More...>()) {
        using children = detail::child_tuple<detail::owned_t<F>, detail::owned_t<G>, detail::owned_t<More>...>;
        return scope_children<children>(std::in_place, detail::own(std::forward<F>(first)),
                                        detail::own(std::forward<G>(second)), detail::own(std::forward<More>(more))...);
    } else {
        return detail::broken_future();
    }
}

/// Same as scope(a, b, ...) for a range of futures of one type. The output is a std::vector of the outputs in the order
/// of the range, or a std::array for a std::array. If the futures return expecteds, the output is an expected of that
/// container. The scope of an empty range is ready immediately.
///     std::vector<image> small = co_await eddy::scope_all(std::move(shrinking));
/// Errors, Cancel safety, Lifetime: the same as for scope(a, b, ...).
/// Cost: the same as for scope(a, b, ...). Unless the range is a std::array, there are also two vectors: the children,
/// and the outputs.
template <class R>
[[nodiscard]] auto scope_all(R&& futures) {
    if constexpr (!detail::check_range<R>()) {
        return detail::broken_future();
    } else {
        using F = detail::element_t<R>;
        using children = detail::child_range<detail::child_vector<F>, F>;
        return scope_children<children>(std::in_place, std::forward<R>(futures));
    }
}
template <class F, std::size_t N>
[[nodiscard]] auto scope_all(std::array<F, N>&& futures) {
    if constexpr (!detail::check_futures<F>()) {
        return detail::broken_future();
    } else {
        using children = detail::child_range<detail::child_array<F, N>, F>;
        return scope_children<children>(std::in_place, std::move(futures));
    }
}

// ---- Implementation ----

/// The future that scope(a, b, ...) and scope_all() return.
template <class Children>
class [[nodiscard("a scope does nothing until it is awaited")]] scope_children
    : public future_ops<scope_children<Children>> {
public:
    using output_type = typename Children::output;

    /// For the library.
    template <class... Args>
    explicit scope_children(std::in_place_t, Args&&... args) : children_(std::in_place, std::forward<Args>(args)...) {}
    /// Moves the scope.
    /// Preconditions: it was not polled; otherwise the process ends with a message.
    scope_children(scope_children&& other) noexcept(std::is_nothrow_move_constructible_v<Children>)
        : children_(std::move(other.children_)) {
        if (other.stage_ != stage::fresh) detail::fatal_misuse("a scope was moved after its first poll");
    }
    scope_children& operator=(scope_children&&) = delete;
    /// Destroys the children; see scope().
    ~scope_children() {
        if (stage_ == stage::tasks) scope_.destroy_children();
    }

    poll_result<output_type> poll(context& cx) {
        if (stage_ == stage::ended)
            throw misuse(
                "a scope was awaited after it had ended: await it once; to do the work again, make another scope",
                cx.where());
        if (stage_ == stage::fresh) start(cx);
        if (stage_ == stage::tasks) {
            if (!scope_.wait_for_children(cx.waker())) return not_ready;
            if (!scope_.has_failed()) children_.for_each([](auto& child) { child.fail_if_destroyed(); });
        }
        stage_ = stage::ended;
        if (scope_.has_failed()) return detail::fail_with<output_type>(scope_.failure());
        if constexpr (Children::have_errors) {
            return children_.deliver(scope_.where(), std::in_place);
        } else {
            return children_.deliver(scope_.where());
        }
    }

    /// Cancels the children. Returns ready when all have ended.
    poll_result<void> poll_cancel(context& cx) {
        if (stage_ == stage::tasks) {
            scope_.cancel();
            if (!scope_.wait_for_children(cx.waker())) return not_ready;
        }
        stage_ = stage::ended;
        return poll_result<void>::ready();
    }

    static constexpr auto wait_shape() { return inspect::awaits_member(inspect::wait::scope, &scope_children::scope_); }

private:
    enum class stage : unsigned char { fresh, tasks, ended };

    /// Starts the children, and polls the ones that no other worker takes.
    void start(context& cx) {
        const auto who = scope_.begin(cx.where());
        stage_ = stage::tasks;
        std::optional<detail::hidden_task_locals> hidden;
        std::optional<detail::inherited_deadline> deadline;
        if (scope_.had_task_locals()) [[unlikely]] {
            hidden.emplace();
            deadline.emplace(scope_);
        }
        if (run_children(cx, who)) stage_ = stage::ended;
    }

    /// Returns whether all children have ended.
    bool run_children(context& cx, detail::runs_children who) noexcept {
        using detail::runs_children;
        children_.for_each([&](auto& child) { child.enter(scope_); });
        bool ended = true;
        const auto run = [&](auto& child) { ended &= child.run_unless_taken(cx); };
        switch (who) {
        case runs_children::tasks: children_.for_each([](auto& child) { child.start_task(false); }); return false;
        case runs_children::poll: children_.for_each(run); break;
        case runs_children::poll_or_worker: children_.offer_and_run(run); break;
        }
        return ended;
    }

    detail::known_scope scope_;
    Children children_;
    stage stage_ = stage::fresh;
};

}  // namespace eddy
EDDY_END_FALSE_UNINITIALIZED
