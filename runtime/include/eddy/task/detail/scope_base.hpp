// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <exception>
#include <expected>
#include <optional>
#include <source_location>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/error/any_error.hpp>
#include <eddy/future/detail/bound_deadline.hpp>
#include <eddy/future/detail/outcome.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/result.hpp>
#include <eddy/task/detail/executor.hpp>
#include <eddy/task/detail/locked_head.hpp>
#include <eddy/task/detail/spawned_task.hpp>
#include <eddy/task/detail/stored_work.hpp>

namespace eddy::detail {

class scope_base;

/// The link of a child in its scope's list. The child is linked while its future exists.
struct scope_link {
    scope_base& scope;
    scope_link* previous = nullptr;
    scope_link* next = nullptr;
    spawned_task* task = nullptr;  // the task that derives from this link

    explicit scope_link(scope_base& its) noexcept : scope(its) {}
};

/// The failure of a scope: an exception or an error code. An error of another type is stored as the exception that
/// std::expected::value() would throw, as an error code if it is convertible to one, and as an any_error if it can be.
struct scope_failure {
    std::exception_ptr thrown;
    std::optional<std::error_code> code;
    std::optional<any_error> story{};
};

/// Converts a child's error to the failure of its scope.
template <class E>
scope_failure failure_of(const E& error) noexcept {
    if constexpr (std::is_same_v<E, std::error_code>) {
        return {nullptr, error};
    } else {
        try {
            scope_failure made;
            if constexpr (error_converts<E, std::error_code>) made.code = convert_error<std::error_code>(error);
            if constexpr (error_converts<E, any_error>) made.story = any_error(error);
            made.thrown = std::make_exception_ptr(std::bad_expected_access<E>(error));
            return made;
        } catch (...) {
            return {std::current_exception(), std::nullopt};
        }
    }
}

/// The part of a scope that it shares with its children. It is a member of the scope's future.
///
///     caller                  may call
///     the scope's future      everything
///     children, any thread    spawn(), child_ended(), fail(), cancel()
///
/// A spin lock guards the list, the failure and the waker. It is not taken if the children are tasks of an event loop:
/// then all calls are on that loop's thread. The lock and the head of the list are one word, so the scope sees without
/// the lock that all children have ended (has_children()).
/// Lifetime: a child's last access to the scope is the unlock in child_ended(). Then it may be destroyed.
class EDDY_API scope_base : immovable {
public:
    ~scope_base();

    /// Binds the scope to the runtime or event loop in which spawn() would start a task now.
    /// Errors: throws `misuse` if there is none.
    void bind(std::source_location where);
    [[nodiscard]] bool is_bound() const noexcept { return runs_ != nullptr; }
    /// Returns whether this thread may destroy the children. Only an event loop's own thread may destroy its tasks.
    [[nodiscard]] bool may_be_destroyed_here() const noexcept;

    /// Returns whether a task-local had a value in bind(). A deadline is a task-local, too.
    [[nodiscard]] bool had_task_locals() const noexcept { return had_task_locals_; }
    /// Returns the deadline that was in effect in bind(), which the children inherit; `no_deadline` without one. It
    /// does not change while there are children.
    [[nodiscard]] std::chrono::steady_clock::time_point deadline() const noexcept { return deadline_; }

    /// Starts a child. If the scope is cancelled, the child is cancelled immediately. `was_taken`: see note_taken().
    /// Errors: throws `misuse` if the scope was destroyed and its memory was not used again.
    template <class W>
    void spawn(W&& work, std::source_location where, bool was_taken = false);

    /// Records that a worker has taken a child. The scope then waits until that worker has called spawn() with
    /// `was_taken` and the child has ended, or until it has called lose_taken(). Both may also come before this call.
    void note_taken() noexcept;
    /// Records that the worker that has taken a child could not spawn it.
    void lose_taken() noexcept { child_ended(nullptr); }

    /// Unlinks a child whose future was destroyed. Null is a child that could not be spawned. The scope may be gone
    /// when this function returns.
    void child_ended(scope_link* child) noexcept;
    /// Records the first failure and cancels all children. Later failures are dropped.
    void fail(scope_failure failure) noexcept;
    /// Cancels all children, and the children that are started later.
    void cancel() noexcept;

    // acquire: pairs with the release in fail().
    [[nodiscard]] bool has_failed() const noexcept { return has_failed_.load(std::memory_order_acquire); }
    /// Returns the failure.
    /// Preconditions: the scope has failed, and all children have ended.
    [[nodiscard]] scope_failure& failure() noexcept { return *failure_; }
    // relaxed: only a flag; children are cancelled through their own state.
    [[nodiscard]] bool is_cancelled() const noexcept { return is_cancelled_.load(std::memory_order_relaxed); }

    /// Stores the waker that fail() wakes.
    void set_waker(const waker& wake);
    /// Returns whether there are no children. Otherwise stores `wake`, to wake it when there are none.
    [[nodiscard]] bool poll_empty(const waker& wake) { return !has_children() || wait_for_children(wake); }
    /// Same as poll_empty(), but also waits for children that workers have taken and not spawned yet.
    [[nodiscard]] bool wait_for_children(const waker& wake);
    /// Destroys the children that are not being polled, and blocks until those that are being polled have ended.
    void destroy_children() noexcept;
    /// Returns whether destroy_children() has begun. Children are destroyed without poll_cancel() from then on.
    [[nodiscard]] bool is_being_destroyed() const noexcept {
        // acquire: pairs with the release in destroy_children(). A child that still reads `false` is notified
        // afterwards by transition_to_shutdown(), and calls this again.
        return is_being_destroyed_.load(std::memory_order_acquire);
    }

protected:
    executor* runs_ = nullptr;  // this scope has a reference

private:
    friend struct debug_offsets;
    class guard;

    /// Returns whether there are children, or a thread still has the lock.
    [[nodiscard]] bool has_children() const noexcept { return !children_.is_empty(); }
    [[nodiscard]] bool keep_waker(const waker& wake, bool for_children);
    [[nodiscard]] spawned_task* take_child_to_destroy() noexcept;
    void start_child(spawned_task& task, scope_link& link, bool was_taken) noexcept;
    [[noreturn]] static void throw_scope_has_ended(std::source_location where);

    std::chrono::steady_clock::time_point deadline_ = no_deadline;
    locked_head<scope_link> children_;
    int taken_ = 0;  // children that were taken and not spawned yet; negative if spawn() came before note_taken()
    bool had_task_locals_ = false;
    bool waits_for_children_ = false;
    bool is_awaited_ = false;     // destroy_children() waits
    bool has_had_waker_ = false;  // not guarded by the lock: only set_waker() and poll_empty() use it
    atomic<bool> is_being_destroyed_{false};
    atomic<bool> has_failed_{false};
    atomic<bool> is_cancelled_{false};
    std::optional<scope_failure> failure_;
    waker waker_;
};

/// Passes the failure in the outcome of a child, or of the body, to its scope, if there is one.
template <class T, class Base>
void pass_failure(kept<T, Base>& outcome, scope_base& scope) noexcept {
    if (outcome.has_exception()) [[unlikely]]
        return scope.fail({std::move(outcome.exception()), std::nullopt});
    if constexpr (is_expected<T>) {
        if (outcome.has_value() && !outcome.value().has_value()) scope.fail(failure_of(outcome.value().error()));
    }
}

/// Puts the deadline that the scope's children inherit into effect while a child is polled.
class inherited_deadline {
public:
    explicit inherited_deadline(const scope_base& scope) noexcept {
        if (scope.deadline() != no_deadline) [[unlikely]]
            bound_.emplace(scope.deadline());
    }

private:
    std::optional<bound_deadline> bound_;
};

/// A child of a scope. The executor polls the coroutine frames directly, unless the child inherits a deadline, which it
/// must put into effect before each poll.
template <class W>
class scope_child final : public spawned_output<work_output_t<W>>, public scope_link {
    using output = work_output_t<W>;
    using base = spawned_output<output>;

public:
    template <class G>
    scope_child(scope_base& its, spawned_task_owner& runs, std::source_location where, G&& work)
        : base(operations, runs, where, nullptr, false), scope_link(its), work_(std::forward<G>(work), where) {
        if (its.deadline() != no_deadline) return;
        frame* const root = root_of(*this) = work_.take_root();
        if (root != nullptr) root->outcome = &this->outcome_;
    }

private:
    // SAFETY: only scope_child passes the operations below to the base, so `task` is a scope_child.
    static scope_child& of(spawned_task& task) noexcept { return static_cast<scope_child&>(task); }
    static bool poll(spawned_task& task, context& cx) {
        auto& me = of(task);
        const inherited_deadline bound(me.scope);
        return me.work_.poll(me.outcome_, cx);
    }
    static bool poll_cancel(spawned_task& task, context& cx) {
        auto& me = of(task);
        if (me.scope.is_being_destroyed()) return true;
        const inherited_deadline bound(me.scope);
        return root_of(task) == nullptr ? me.work_.poll_cancel(cx) : cancel_root(root_of(task), cx);
    }
    static void destroy_future(spawned_task& task) noexcept {
        auto& me = of(task);
        me.work_.destroy();
        pass_failure<output>(me.outcome_, me.scope);
        me.outcome_.discard();  // before the next call, after which objects that it refers to may be destroyed
        me.scope.child_ended(&me);
    }
    static void fail(spawned_task& task, std::exception_ptr thrown) noexcept {
        // Null means that the task was cancelled, which is not a failure.
        if (thrown != nullptr) of(task).outcome_.set_exception(std::move(thrown));
    }
    static void free_memory(spawned_task& task) noexcept { pool_delete(&of(task)); }

    static constexpr spawned_ops make_operations() noexcept {
        spawned_ops made{&poll, &poll_cancel, &destroy_future, &fail, &free_memory, &base::unnamed, &base::drop_output};
        made.work_offset = offset_of<scope_child>(&scope_child::work_);
        made.work_shape = &shape_of<stored_work<W>>;
        made.is_owned = true;
        return made;
    }
    static constexpr spawned_ops operations = make_operations();

    stored_work<W> work_;
};

template <class W>
void scope_base::spawn(W&& work, std::source_location where, bool was_taken) {
    if (!is_bound()) [[unlikely]]
        throw_scope_has_ended(where);
    auto& made = *pool_new<scope_child<std::decay_t<W>>>(*this, *runs_, where, std::forward<W>(work));
    start_child(made, made, was_taken);
}

}  // namespace eddy::detail
