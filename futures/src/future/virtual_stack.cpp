// SPDX-License-Identifier: MIT
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/detail/checked_awaiter.hpp>
#include <eddy/future/detail/closure_coroutine.hpp>

#include "future/advance_root.hpp"
#include "future/native_stack.hpp"

namespace eddy::detail {

frame* unwind(slot_base* outcome, frame* awaiting) noexcept {
    // SAFETY: the slot is a member of an awaiter in the awaiting frame, which is still suspended there.
    while (awaiting != nullptr && outcome->propagates && propagation_of(*outcome)(*outcome, *awaiting)) {
        frame& ended = *awaiting;
        outcome = ended.outcome;
        awaiting = ended.awaited_by();
        ended.handle().destroy();
    }
    return awaiting;
}

bool run_begun_root(frame& root, slot_base& outcome, context& cx) {
    if (!root.at.has_begun()) {
        if (root.where != nullptr && is_gone_from_stack(root.where)) throw_lambda_is_gone(cx.where());
        begin_root(root);
    } else if (root.at.is_polled()) {
        throw misuse(
            "a task or generator was polled from inside its own poll, or on two threads at the same time: only one "
            "task may await it");
    } else if (may_be_full(native_stack_pointer())) [[unlikely]] {
        // The awaits of a frame's first poll check the native stack. Later polls may need more of it than the first.
        check_native_stack(call_site_of(cx.where()));
    }
    root.outcome = &outcome;
    return advance_root(root, cx);
}

bool leave_root(frame& root, slot_base& outcome, context& cx) noexcept {
    if (outcome.frame_is == slot_base::fate::ended) {
        root.handle().destroy();
        return true;
    }
    if (!context_access::takes_start(cx)) return false;
    frame& started = root.at.innermost();
    root.at = stack_position::polled(cx);
    return resume_from(root, &started, cx);
}

namespace {

/// Ends the process with a message: the destructor of a local variable has thrown the current exception.
[[noreturn]] void end_throwing_destructor(call_site suspended_at) noexcept {
    std::string text = "an exception that is not a std::exception";
    try {
        throw;
    } catch (const std::exception& e) {
        text = e.what();
    } catch (...) {  // NOLINT(bugprone-empty-catch): the text remains
    }
    text = "the destructor of a local variable has thrown (" + text +
           ") while its coroutine was destroyed, for example after an abort: let no destructor throw. The coroutine "
           "was suspended";
    fatal_misuse(text, source_location_of(suspended_at));
}

/// Destroys a suspended coroutine frame. If a destructor throws, GCC calls unhandled_exception(), and Clang passes the
/// exception on.
void destroy_frame(frame& ended) noexcept {
    const call_site suspended_at = ended.where;
    try {
        ended.handle().destroy();
    } catch (...) {
        end_throwing_destructor(suspended_at);
    }
}

/// Marks a root as being polled.
class while_active : immovable {
public:
    while_active(frame& root, context& cx) noexcept : root_(root), was_(root.at) {
        root.at = stack_position::polled(cx);
    }
    ~while_active() { root_.at = was_; }

private:
    frame& root_;
    const stack_position was_;
};

/// Same as destroy_root(), for a task that may be awaited.
void destroy_stack(frame& root) noexcept {
    if (!root.at.has_begun()) return root.handle().destroy();
    if (root.at.is_polled()) {
        fatal_misuse("a task was destroyed while it runs: it, or something it called, destroyed its own future",
                     root.at.polled_by().where());
    }
    frame* current = &root.at.innermost();
    while (current != nullptr) {
        frame* const parent = current->awaited_by();
        destroy_frame(*current);
        current = parent;
    }
}

/// Owns a virtual stack that was begun.
class begun_stack {
public:
    explicit begun_stack(frame& root) noexcept : root_(&root) {}
    begun_stack(begun_stack&& other) noexcept : root_(std::exchange(other.root_, nullptr)) {}
    begun_stack& operator=(begun_stack&&) = delete;
    ~begun_stack() {
        if (root_ != nullptr) destroy_root(*root_);
    }

    /// Polls the stack. Returns true if it has ended.
    bool run(slot_base& outcome, context& cx) noexcept {
        if (!run_begun_root(*root_, outcome, cx)) return false;
        root_ = nullptr;
        return true;
    }
    bool cancel(context& cx) { return cancel_root(root_, cx); }
    static constexpr auto wait_shape() { return inspect::awaits(wait_kind::frames, &begun_stack::root_); }

private:
    frame* root_;
};

/// Awaits a begun stack, which writes its outcome to the result slot of the awaiting frame.
class stack_awaiter : leaf {
public:
    stack_awaiter(frame& awaiting, begun_stack& stack) noexcept : leaf(operations, awaiting, &stack) {}

    bool await_ready() noexcept { return poll(waiter.polled_by()); }
    void await_suspend(const auto&) noexcept { wait_for(*this); }
    void await_resume() const noexcept {}

private:
    static leaf_answer answer(leaf& self, context& cx, leaf_request what) {
        // SAFETY: only this class's constructor installs this function, in its own base.
        auto& me = static_cast<stack_awaiter&>(self);
        const bool has_ended = what == leaf_request::poll ? me.poll(cx) : me.stack().cancel(cx);
        return has_ended ? leaf_answer::ready : leaf_answer::not_ready;
    }
    bool poll(context& cx) noexcept {
        context_access::set_call_site(cx, waiter.where);
        return stack().run(*waiter.outcome, cx);
    }
    // SAFETY: the constructor has stored the address of one.
    [[nodiscard]] begun_stack& stack() const noexcept { return *static_cast<begun_stack*>(const_cast<void*>(awaited)); }

    static constexpr leaf_ops operations{&answer, &shape_of<begun_stack>};
};

/// A coroutine that awaits a begun stack. The caller gets its frame.
struct continuation {
    struct promise_type : frame {
        continuation get_return_object() noexcept { return {this}; }
        stack_awaiter await_transform(begun_stack& begun) noexcept { return {*this, begun}; }
        void return_void() const noexcept {}  // the stack has filled the result slot
        [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }  // the coroutine throws nothing
    };
    static_assert(sizeof(promise_type) == sizeof(frame) && alignof(promise_type) == alignof(frame));

    frame* made;
};

continuation continue_stack(begun_stack begun) { co_await begun; }

}  // namespace

frame* continue_in_new_frame(frame& begun, std::source_location where) {
    if (begun.at.is_polled()) end_move_in_poll(begun, "a task");
    frame& made = *continue_stack(begun_stack(begun)).made;
    made.where = call_site_of(where);
    return &made;
}

void end_move_in_poll(const frame& moved, const char* what) noexcept {
    fatal_misuse(std::string(what) + " was moved while it runs: its own poll cannot move it",
                 moved.polled_by().where());
}

bool cancel_root(frame*& owned, context& cx) {
    if (owned == nullptr) return true;
    frame& root = *owned;
    if (!root.at.has_begun()) begin_root(root);
    if (root.at.is_polled()) throw misuse("a task was cancelled from inside its own poll");
    if (root.at.is_waiting()) {
        leaf& waits_for = root.at.waits_for();
        const while_active guard(root, cx);
        if (waits_for.ops->ask(waits_for, cx, leaf_request::cancel) == leaf_answer::not_ready) return false;
    }
    destroy_stack(root);
    owned = nullptr;
    return true;
}

void destroy_root(frame& root) noexcept {
    // destroy_stack() reports a task that runs: that says more than that it is awaited.
    if (!root.at.is_polled()) check_not_awaited(&root, "a task (an eddy::task or eddy::boxed_future)");
    destroy_stack(root);
}

void throw_resumed_too_early(std::source_location awaited_at) {
    throw misuse(
        "a coroutine was resumed before its co_await was ready: other code has resumed it, or the compiler has "
        "miscompiled it (see docs/compilers.md)",
        awaited_at);
}

std::exception_ptr missing_co_return(call_site coroutine) noexcept {
    return std::make_exception_ptr(
        misuse("a coroutine ended without co_return: end every path of it with a co_return, at least `co_return {};`",
               source_location_of(coroutine)));
}

void check_abandoned_await(const frame& awaiting, call_site where, int unwinding) noexcept {
    // An await is also abandoned in three correct cases: the root is not polled, because the coroutine is cancelled
    // while it waits; `ended` is set, because `try_` ends the coroutine with an error; or an exception leaves the
    // await.
    if (!awaiting.root().at.is_polled() || awaiting.outcome->frame_is == slot_base::fate::ended) return;
    if (std::uncaught_exceptions() > unwinding) return;
    fatal_misuse(
        "a co_await was evaluated, but its output was discarded: the compiler has evaluated both branches of a "
        "conditional expression. Write each co_await inside of ?:, && and || as a statement of its own, `auto x = "
        "co_await f();` (see docs/compilers.md). The co_await is",
        source_location_of(where));
}

void end_miscompiled(call_site coroutine) noexcept {
    fatal_misuse(
        "GCC 12 has miscompiled a coroutine, because it has a co_await in a condition and no local variable: it would "
        "skip its body, wait for ever, or crash. Store the awaited value in a variable first, `const bool ok = "
        "co_await f(); if (ok) ...` (see docs/compilers.md). The coroutine is",
        source_location_of(coroutine));
}

void check_exception_in_poll(const frame& thrower) noexcept {
    if (!thrower.root().at.is_polled()) end_throwing_destructor(thrower.where);
}

void throw_lambda_is_gone(std::source_location where) {
    throw misuse(
        "the coroutine of a lambda with captures was spawned or awaited, but the lambda itself is destroyed at the end "
        "of the statement that called it: pass the lambda without calling it, `spawn([x]() -> task<void> {...})`, or "
        "store the lambda in a variable that outlives the task",
        where);
}

void throw_ended_task(std::source_location where) {
    throw misuse(
        "a task was awaited, spawned or run after it had ended, or after it was moved from: await a task once and keep "
        "its output; to do the work again, call the coroutine again",
        where);
}

void destroy_exception(std::exception_ptr& thrown) noexcept { std::destroy_at(&thrown); }

}  // namespace eddy::detail
