// SPDX-License-Identifier: MIT
#include <eddy/detail/virtual_stack.hpp>

namespace eddy::detail {
namespace {

/// Takes down `ended` and every frame above it that its error ends too. The frame to resume next, or null if the root
/// has ended.
frame* unwind(frame* ended) noexcept {
    for (;;) {
        slot_base& outcome = *ended->outcome;
        frame* const parent = ended->parent;
        ended->handle().destroy();
        if (parent == nullptr) return nullptr;
        // SAFETY: the slot stands in the parent's frame, which is still there.
        if (outcome.propagate == nullptr || !outcome.propagate(outcome, *parent)) return parent;
        ended = parent;
    }
}

void begin(frame& root) noexcept {
    root.root = &root;
    root.parent = nullptr;
    root.current = &root;
    root.waits_for = nullptr;
    root.active = nullptr;
}

class polled {
public:
    polled(frame& root, poll_scope& scope) noexcept : root_(&root) { root.active = &scope; }
    polled(const polled&) = delete;
    polled& operator=(const polled&) = delete;
    ~polled() {
        if (root_ != nullptr) root_->active = nullptr;
    }
    void root_is_gone() noexcept { root_ = nullptr; }

private:
    frame* root_;
};

}  // namespace

bool run_root(frame& root, slot_base& outcome, context& cx) {
    if (root.root == nullptr) begin(root);
    if (root.active != nullptr) throw misuse("a task was polled from inside its own poll");
    poll_scope scope{cx};
    polled guard(root, scope);
    root.outcome = &outcome;
    frame* current = root.current;
    if (leaf* const waits_for = root.waits_for) {
        const leaf_answer answer = waits_for->poll(*waits_for, cx);
        if (answer == leaf_answer::not_ready) return false;
        root.waits_for = nullptr;
        if (answer == leaf_answer::ended) current = unwind(current);
    }
    while (current != nullptr) {
        root.current = current;
        current->handle().resume();
        if (current->outcome->done) {
            current = unwind(current);
        } else if (root.waits_for != nullptr) {
            return false;
        } else {
            current = root.current;  // a child that was too deep to be started natively
        }
    }
    guard.root_is_gone();
    return true;
}

bool cancel_root(frame& root, context& cx) {
    if (root.root == nullptr) begin(root);
    if (root.active != nullptr) throw misuse("a task was cancelled from inside its own poll");
    if (leaf* const waits_for = root.waits_for) {
        if (waits_for->poll_cancel != nullptr && !waits_for->poll_cancel(*waits_for, cx)) return false;
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
    throw misuse("a coroutine ended without co_return: end every path of it with one, `co_return {};` at the least",
                 awaited_at);
}

}  // namespace eddy::detail
