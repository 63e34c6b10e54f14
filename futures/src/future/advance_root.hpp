// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/future/detail/virtual_stack.hpp>
#include <eddy/future/future.hpp>

namespace eddy::detail {

// The loop at the root of a virtual stack. Inlined into the loops that poll tasks: that saves a tenth of the
// instructions of a poll.

/// Handles the end of a coroutine frame that was awaited by `awaiting` and has filled `outcome`. If the outcome is an
/// error that also ends awaiting frames (`try_`), destroys those. Returns the frame to resume next, or null if the root
/// has ended.
frame* unwind(slot_base* outcome, frame* awaiting) noexcept;

/// Destroys a coroutine frame that `try_` has ended, and the awaiting frames that its error ends too. Returns the frame
/// to resume next, or null if the root has ended.
inline frame* end_frame(frame& ended) noexcept {
    slot_base* const outcome = ended.outcome;
    frame* const awaiting = ended.awaited_by();
    ended.handle().destroy();
    return unwind(outcome, awaiting);
}

/// Resumes `current` and then the frames that become ready. Returns true if the root has ended; its coroutine frame is
/// destroyed then.
/// Preconditions: `current` is not null, and the root is marked as polled by `cx`.
// Always inlined, as is advance_root(): a call would save and restore registers in each poll of a task.
[[gnu::always_inline]] inline bool resume_from(frame& root, frame* current, context& cx) noexcept {
    do {
        // Reads the members before resume(), because a coroutine frame that runs to its end is destroyed when resume()
        // returns.
        slot_base* const outcome = current->outcome;
        frame* const awaiting = current == &root ? nullptr : awaiting_of(*outcome);
        current->handle().resume();
        if (outcome->frame_is != slot_base::fate::running) {
            if (outcome->frame_is == slot_base::fate::ended) current->handle().destroy();
            if (awaiting == nullptr) return true;
            current = unwind(outcome, awaiting);
        } else if (context_access::takes_start(cx)) {
            current = &root.at.innermost();  // a child that start_child() did not start: the native stack was full
            root.at = stack_position::polled(cx);
        } else {
            return false;
        }
    } while (current != nullptr);
    return true;
}

/// Polls the virtual stack under `root`: polls its leaf, and resumes frames if the leaf is ready. Returns true if the
/// root has ended; its coroutine frame is destroyed then.
/// Preconditions: the root was begun, has its result slot, and is not being polled.
[[gnu::always_inline]] inline bool advance_root(frame& root, context& cx) noexcept {
    const stack_position was = root.at;
    frame* current = &was.innermost();
    root.at = stack_position::polled(cx);
    if (was.is_waiting()) {
        const leaf_answer answer = was.waits_for().ops->ask(was.waits_for(), cx, leaf_request::poll);
        if (answer == leaf_answer::not_ready) {
            root.at = was;
            return false;
        }
        if (answer == leaf_answer::ended) {
            current = end_frame(*current);
            if (current == nullptr) return true;
        }
    }
    return resume_from(root, current, cx);
}

}  // namespace eddy::detail
