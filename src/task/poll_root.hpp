// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/detail/virtual_stack.hpp>

// The loop at the root of a virtual stack: in a header, so that the loops that poll tasks have it inlined.

namespace eddy::detail {

/// A frame has ended and left `outcome`. Takes down those above it that its error ends too. The frame to resume next,
/// or null if the root has ended.
frame* unwind(slot_base* outcome, frame* awaiting) noexcept;

/// Destroys a frame that `try_` has ended, and what its error ends with it. The frame to resume next, or null.
inline frame* end_frame(frame& ended) noexcept {
    slot_base* const outcome = ended.outcome;
    frame* const awaiting = ended.parent;
    ended.handle().destroy();
    return unwind(outcome, awaiting);
}

/// Resumes `current` and what follows from it. True if the root has ended, and its frame is gone.
inline bool resume_from(frame& root, frame* current) noexcept {
    while (current != nullptr) {
        // Read before: a frame that runs to its end is gone when resume() returns.
        slot_base* const outcome = current->outcome;
        frame* const awaiting = current->parent;
        current->handle().resume();
        if (outcome->frame_is != slot_base::fate::running) {
            if (outcome->frame_is == slot_base::fate::ended) current->handle().destroy();
            if (awaiting == nullptr) return true;
            current = unwind(outcome, awaiting);
            if (current != nullptr) root.current = current;
        } else if (root.waits_for != nullptr) {
            root.active = nullptr;
            return false;
        } else {
            current = root.current;  // a child that was too deep to be started natively
        }
    }
    return true;
}

/// Polls the stack under `root`, which has begun and is not being polled: asks the leaf, and goes on if that is ready.
inline bool advance_root(frame& root, slot_base& outcome, context& cx) noexcept {
    root.active = &cx;
    root.outcome = &outcome;
    frame* current = root.current;
    if (leaf* const waits_for = root.waits_for) {
        const leaf_answer answer =
            waits_for->ask == nullptr ? leaf_answer::ready : waits_for->ask(*waits_for, cx, leaf_request::poll);
        if (answer == leaf_answer::not_ready) {
            root.active = nullptr;
            return false;
        }
        root.waits_for = nullptr;
        if (answer == leaf_answer::ended) {
            current = end_frame(*current);
            if (current != nullptr) root.current = current;
        }
    }
    return resume_from(root, current);
}

}  // namespace eddy::detail
