// SPDX-License-Identifier: MIT
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>

#include <eddy/detail/export.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/place.hpp>
#include <eddy/detail/slot.hpp>
#include <eddy/future.hpp>

// The virtual stack: a chain of coroutine frames that await each other, polled as one.
//
//     task<T>::poll ──> root frame <── frame <── frame <── current (innermost)       parent links point to the left
//                         │  current ─────────────────────────^
//                         └─ leaf ──> what `current` waits for: a future that is polled in place, in current's frame
//
// A poll asks the leaf, and if that is ready resumes `current` directly: O(1), however long the chain is. Frames are
// resumed from one loop, run_root(), so the native stack stays flat without relying on tail calls; only a child that is
// awaited for the first time is started natively, from await_ready(), down to a small depth, since most end at once.
//
// A frame that runs to its end destroys itself, as a coroutine does that is not suspended at its end; its outcome
// stands elsewhere and says so. One that an error ends, by `try_`, stands still until whoever resumed it destroys it:
// never inside its own await_suspend (GCC 15.2).

namespace eddy::detail {

enum class leaf_answer : unsigned char {
    not_ready,
    ready,  ///< resume the frame: its outcome, or its exception, is in the awaiter
    ended,  ///< an error ended the frame (`try_`): its slot is filled
};

enum class leaf_request : unsigned char {
    poll,
    cancel,  ///< poll_cancel(); ready at once if the future has none
};

/// A future that a frame awaits in place.
struct leaf {
    /// Null if there is nothing to ask: whatever wakes the task, the future is ready then. Throws only what a future's
    /// poll_cancel() throws; what its poll() throws is kept for the coroutine.
    leaf_answer (*ask)(leaf& self, context& cx, leaf_request what);
};

/// How many children a poll has started natively, one inside the other; counted in its context.
struct native_stack {
    /// Where the loop at the root takes over.
    static constexpr std::uint32_t limit = 16;

    [[nodiscard]] static bool is_full(const context& cx) noexcept { return cx.depth_ == limit; }
    static void enter(context& cx) noexcept { ++cx.depth_; }
    static void leave(context& cx) noexcept { --cx.depth_; }
};

/// Tells the futures of a poll which co_await polls them.
struct await_place {
    static void set(context& cx, place where) noexcept { cx.where_ = where; }
};

/// The base of every promise: one frame of a virtual stack.
/// Only `root` is set when the coroutine is made: every other store would be paid for by each call of a coroutine.
struct frame {
    frame* root = nullptr;  ///< null until the frame is started
    frame* parent;          ///< whoever awaits this frame; null at the root
    slot_base* outcome;
    place where;  ///< the `co_await` at which the frame stands, or began to stand
    // Of the root only:
    frame* current;
    leaf* waits_for;
    context* active;  ///< null but while the root is being polled

    frame() noexcept {}  // NOLINT: see above

    [[nodiscard]] std::coroutine_handle<frame> handle() noexcept {
        // SAFETY: each promise derives from `frame` alone, at offset 0, with its size and alignment (checked in
        // task.hpp), so the frame's address is the promise's.
        return std::coroutine_handle<frame>::from_promise(*this);
    }

    static void* operator new(std::size_t size) { return allocate_block(size); }
    static void operator delete(void* block, std::size_t size) noexcept { free_block_of(block, size); }

    std::suspend_always initial_suspend() const noexcept { return {}; }

    std::suspend_never final_suspend() const noexcept {
        outcome->frame_is = slot_base::fate::gone;
        return {};
    }
};

/// Starts `child`, which `parent` awaits. True if it has ended, and its frame is gone; false if it waits, or if its
/// turn comes from the loop at the root.
inline bool start_child(frame& parent, frame& child, slot_base& outcome) {
    frame& root = *parent.root;
    child.parent = &parent;
    child.root = &root;
    child.outcome = &outcome;
    context& cx = *root.active;
    if (native_stack::is_full(cx)) [[unlikely]] {
        root.current = &child;  // with no leaf: run_root() resumes it
        return false;
    }
    native_stack::enter(cx);
    child.handle().resume();
    native_stack::leave(cx);
    if (outcome.frame_is == slot_base::fate::running) return false;
    if (outcome.frame_is == slot_base::fate::ended) [[unlikely]]
        child.handle().destroy();
    return true;
}

/// Notes that `awaiting` waits for `on`; the frame is about to suspend.
inline void wait_for(frame& awaiting, leaf& on) noexcept {
    awaiting.root->current = &awaiting;
    awaiting.root->waits_for = &on;
}

/// Makes a fresh frame the root of a stack of its own.
inline void begin_root(frame& root) noexcept {
    root.root = &root;
    root.parent = nullptr;
    root.current = &root;
    root.waits_for = nullptr;
    root.active = nullptr;
}

/// What run_root() does with a root that has begun.
[[nodiscard]] EDDY_API bool run_begun_root(frame& root, slot_base& outcome, context& cx);

/// What run_root() does with a root that has stopped short of its end when it was begun.
[[nodiscard]] EDDY_API bool leave_root(frame& root, slot_base& outcome) noexcept;

/// Polls the stack under `root`. True if the root has ended: `outcome` is filled and the frame is gone.
[[nodiscard]] inline bool run_root(frame& root, slot_base& outcome, context& cx) {
    if (root.root != nullptr) return run_begun_root(root, outcome, cx);
    begin_root(root);
    root.active = &cx;
    root.outcome = &outcome;
    root.handle().resume();
    return outcome.frame_is == slot_base::fate::gone || leave_root(root, outcome);
}

/// Ends the stack in an orderly way: asks the leaf first, if it has a poll_cancel(). True when all frames are gone.
[[nodiscard]] EDDY_API bool cancel_root(frame& root, context& cx);

/// Destroys the stack, innermost frame first, in a loop.
EDDY_API void destroy_root(frame& root) noexcept;

}  // namespace eddy::detail
