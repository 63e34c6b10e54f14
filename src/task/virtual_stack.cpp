// SPDX-License-Identifier: MIT
#include <exception>
#include <memory>

#include <eddy/detail/closure_guard.hpp>

#include "task/poll_root.hpp"

namespace eddy::detail {

frame* unwind(slot_base* outcome, frame* awaiting) noexcept {
    // SAFETY: the slot is a member of an awaiter in the awaiting frame, which is still suspended there.
    while (awaiting != nullptr && outcome->propagate != nullptr && outcome->propagate(*outcome, *awaiting)) {
        frame& ended = *awaiting;
        outcome = ended.outcome;
        awaiting = ended.parent;
        ended.handle().destroy();
    }
    return awaiting;
}

bool run_begun_root(frame& root, slot_base& outcome, context& cx) {
    if (root.active != nullptr) throw misuse("a task was polled from inside its own poll");
    return advance_root(root, outcome, cx);
}

bool leave_root(frame& root, slot_base& outcome) noexcept {
    if (outcome.frame_is == slot_base::fate::ended) {
        root.handle().destroy();
        return true;
    }
    if (root.waits_for == nullptr) return resume_from(root, root.current);
    root.active = nullptr;
    return false;
}

namespace {

/// Marks a root as being polled.
class while_active {
public:
    while_active(frame& root, context& cx) noexcept : root_(root) { root.active = &cx; }
    while_active(const while_active&) = delete;
    while_active& operator=(const while_active&) = delete;
    ~while_active() { root_.active = nullptr; }

private:
    frame& root_;
};

}  // namespace

bool cancel_root(frame& root, context& cx) {
    if (root.root == nullptr) begin_root(root);
    if (root.active != nullptr) throw misuse("a task was cancelled from inside its own poll");
    if (leaf* const waits_for = root.waits_for; waits_for != nullptr && waits_for->ask != nullptr) {
        const while_active guard(root, cx);
        if (waits_for->ask(*waits_for, cx, leaf_request::cancel) == leaf_answer::not_ready) return false;
    }
    destroy_root(root);
    return true;
}

void destroy_root(frame& root) noexcept {
    if (root.root == nullptr) return root.handle().destroy();
    if (root.active != nullptr) {
        fatal_misuse("a task was destroyed while it runs: it, or something it called, destroyed its own future");
    }
    frame* current = root.current;
    while (current != nullptr) {
        frame* const parent = current->parent;
        current->handle().destroy();
        current = parent;
    }
}

void ended_without_value(std::source_location awaited_at) {
    throw misuse(
        "a coroutine ended without co_return: end every path of it with a co_return, at least `co_return {};`"
#ifdef EDDY_CLOSURES_DIE_TWICE
        " (or it met a bug of GCC 12, which skips the whole body of a coroutine that has a co_await in a condition and "
        "no local variable: name the awaited value first)"
#endif
        ,
        awaited_at);
}

void throw_ended_task(std::source_location where) {
    throw misuse(
        "a task was awaited, spawned or run after it had ended, or after it was moved from: await a task once and keep "
        "its output; to do the work again, call the coroutine again",
        where);
}

void destroy_exception(std::exception_ptr& thrown) noexcept { std::destroy_at(&thrown); }

}  // namespace eddy::detail
