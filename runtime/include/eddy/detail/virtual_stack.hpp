// SPDX-License-Identifier: MIT
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <source_location>

#include <eddy/detail/call_site.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/slot.hpp>
#include <eddy/detail/wait_shape.hpp>
#include <eddy/future/future.hpp>

// The virtual stack: a chain of coroutine frames that await each other, polled as one future.
//
//     task<T>::poll ──> root frame <── frame <── frame <── current (innermost)
//                         │                                  ^
//                         └─ at ──> leaf ── waiter ──────────┘
//                                   the future that `current` awaits: it is polled in place, in current's frame
//
// The result slot of each frame but the root is in an awaiter of the frame to the left, behind a pointer to that frame
// (awaited_slot). `at` of these frames refers to the root.
//
// A poll first polls the leaf. If the leaf is ready, `current` is resumed directly: O(1) for a chain of any length.
// Coroutines are resumed from one loop, run_root(), so the native stack stays flat without tail calls. The exception is
// a child that is awaited for the first time: it is started natively, from await_ready(), up to a small depth, because
// most children end immediately.
//
// A coroutine that runs to its end destroys its coroutine frame, because it does not suspend at its final suspend
// point. Its result slot is outside the coroutine frame, and records this. A coroutine that an error ends by `try_`
// stays suspended, and the code that resumed it destroys its coroutine frame. This must not happen inside its own
// await_suspend(), because code from GCC 15.2 reads the coroutine frame afterwards.

namespace eddy::detail {

/// The result of a request to a leaf.
enum class leaf_answer : unsigned char {
    not_ready,
    ready,  ///< resume the coroutine: the output or the exception is in the awaiter
    ended,  ///< an error has ended the coroutine (`try_`): its result slot is filled
};

/// The request to a leaf.
enum class leaf_request : unsigned char {
    poll,
    cancel,  ///< call poll_cancel(); answer `ready` if the future has none
};

struct frame;

struct leaf;

/// The constant part of a leaf. Readers of the program's memory know it as a leaf_record (inspect/docs/format.md).
struct leaf_ops {
    /// Polls or cancels the future. Throws only what the future's poll_cancel() throws. An exception of its poll() is
    /// stored for the coroutine.
    leaf_answer (*ask)(leaf& self, context& cx, leaf_request what);
    const shape_record* shape;  ///< of the future
};

/// A future that a coroutine awaits in place.
struct leaf : immovable {
    leaf(const leaf_ops& operations, frame& awaiting, const void* future) noexcept
        : ops(&operations), waiter(awaiting), awaited(future) {}
    ~leaf() {
        if (has_thrown()) [[unlikely]]
            destroy_exception(error);
    }
    [[nodiscard]] bool has_thrown() const noexcept { return ops == nullptr; }

    const leaf_ops* ops;  ///< null if the future has thrown: a flag would cost a word per await
    frame& waiter;        ///< the coroutine that awaits the future
    union {
        const void* awaited;
        std::exception_ptr error;
    };
};

/// The position of a virtual stack, in its root: what happens at the next poll, or the poll that is in progress. In the
/// other frames: the root. Each coroutine stores one, so it is a single word. The two lowest bits, which are 0 in an
/// address, say what the word points to:
///
///     below    0   the root, which is another frame. Null before the start of the coroutine
///     waits    1   the leaf that the innermost frame awaits. Null before the start of a lambda with captures
///     resumes  2   the innermost frame, which any wake-up resumes, or which the poll in progress starts
///     polled   3   the context of the poll that is in progress
class stack_position {
public:
    static stack_position not_begun(bool of_closure) noexcept { return {nullptr, of_closure ? 1U : 0U}; }
    static stack_position below(frame& root) noexcept { return {&root, 0}; }
    static stack_position waits(leaf& on) noexcept { return {&on, 1}; }
    static stack_position resumes(frame& innermost) noexcept { return {&innermost, 2}; }
    static stack_position polled(context& by) noexcept { return {&by, 3}; }

    [[nodiscard]] bool is_fresh() const noexcept { return word_ == 0; }
    [[nodiscard]] bool has_begun() const noexcept { return word_ > 1; }
    [[nodiscard]] bool is_of_closure() const noexcept { return word_ == 1; }
    // Preconditions of these functions: has_begun().
    [[nodiscard]] bool is_of_root() const noexcept { return (word_ & kinds) != 0; }
    [[nodiscard]] bool is_waiting() const noexcept { return (word_ & kinds) == 1; }
    [[nodiscard]] bool is_polled() const noexcept { return (word_ & kinds) == 3; }
    [[nodiscard]] bool is_to_resume(const frame& innermost) const noexcept {
        return word_ == reinterpret_cast<std::uintptr_t>(&innermost) + 2;
    }
    // Preconditions of the functions below: not is_of_root(); is_waiting(); is_polled(); is_of_root(), not is_polled().
    [[nodiscard]] frame& root() const noexcept { return *pointer<frame>(0); }
    [[nodiscard]] leaf& waits_for() const noexcept { return *pointer<leaf>(1); }
    [[nodiscard]] context& polled_by() const noexcept { return *pointer<context>(3); }
    [[nodiscard]] frame& innermost() const noexcept { return is_waiting() ? waits_for().waiter : *pointer<frame>(2); }

private:
    static constexpr std::uintptr_t kinds = 3;

    stack_position(void* to, std::uintptr_t kind) noexcept : word_(reinterpret_cast<std::uintptr_t>(to) + kind) {}
    // SAFETY: the constructor has stored an address of this type, with this kind.
    template <class T>
    [[nodiscard]] T* pointer(std::uintptr_t kind) const noexcept {
        return reinterpret_cast<T*>(word_ - kind);  // NOLINT(performance-no-int-to-ptr)
    }

    std::uintptr_t word_;
};

/// Changes a context: the number of nested children that a poll has started natively, and the call site of the current
/// co_await, for error messages of the futures that it polls.
struct context_access {
    /// The maximum depth. At this depth, the loop at the root starts the child instead, if `start` is added.
    static constexpr std::uint32_t limit = 16;
    static constexpr std::uint32_t start = 1024;

    [[nodiscard]] static bool is_full(const context& cx) noexcept { return cx.depth_ >= limit; }
    static void enter(context& cx) noexcept { ++cx.depth_; }
    static void leave(context& cx) noexcept { --cx.depth_; }
    static void request_start(context& cx) noexcept { cx.depth_ += start; }
    [[nodiscard]] static bool takes_start(context& cx) noexcept {
        return cx.depth_ >= start && (cx.depth_ -= start, true);
    }
    static void set_call_site(context& cx, call_site where) noexcept { cx.where_ = where; }
    /// Returns the address of the call site, without an access: for readers on other threads.
    [[nodiscard]] static const call_site* call_site_in(const context& cx) noexcept { return &cx.where_; }
};

/// Called for an exception that leaves the coroutine. Ends the process with a message if the coroutine is not being
/// polled, but destroyed: the destructor of a local variable has thrown.
EDDY_API void check_exception_in_poll(const frame& thrower) noexcept;

/// The awaiter of the final suspend point, which never suspends. GCC stores it in each coroutine frame, behind all
/// variables, where one byte would cost a word. In GCC, an array of no elements has the size 0.
struct final_awaiter {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
    struct nothing {
        char bytes[0];
    } none[1];  // NOLINT: with a direct member `bytes`, GCC would warn about each coroutine
#pragma GCC diagnostic pop
    static constexpr bool await_ready() noexcept { return true; }
    static constexpr void await_suspend(const auto&) noexcept {}
    static constexpr void await_resume() noexcept {}
};

/// The base of every promise: a coroutine frame as an element of a virtual stack.
/// Cost: only `at` is initialized by the constructor, because each store would be a cost of every coroutine call.
struct EDDY_API frame {
    stack_position at;
    slot_base* outcome;
    call_site where;  ///< the last `co_await` at which the coroutine has suspended, or was about to suspend

    frame() noexcept : at(stack_position::not_begun(false)) {}  // NOLINT: see above
    /// Constructs the frame of a coroutine that is a lambda. `closure` is null if the lambda has no captures. `where`
    /// is its address until the coroutine starts.
    explicit frame(const void* closure) noexcept  // NOLINT: see above
        : at(stack_position::not_begun(closure != nullptr)), where(closure) {}

    /// Returns whether the coroutine is the root of its virtual stack.
    /// Preconditions: the coroutine has begun, here and below.
    [[nodiscard]] bool is_root() const noexcept { return at.is_of_root(); }
    /// Returns the root of the virtual stack.
    [[nodiscard]] frame& root() noexcept { return is_root() ? *this : at.root(); }
    [[nodiscard]] const frame& root() const noexcept { return is_root() ? *this : at.root(); }
    /// Returns the coroutine that awaits this one; null at the root.
    [[nodiscard]] frame* awaited_by() const noexcept { return is_root() ? nullptr : awaiting_of(*outcome); }
    /// Returns the context of the poll that is in progress.
    /// Preconditions: the virtual stack is being polled.
    [[nodiscard]] context& polled_by() const noexcept { return (is_root() ? at : at.root().at).polled_by(); }

    [[nodiscard]] std::coroutine_handle<frame> handle() noexcept {
        // SAFETY: each promise type derives from `frame` only, at offset 0, and adds no size or alignment (checked in
        // task.hpp). So this object's address is the promise's address.
        return std::coroutine_handle<frame>::from_promise(*this);
    }

    static void* operator new(std::size_t size) { return allocate_block(size); }
    static void operator delete(void* block, std::size_t size) noexcept { free_block_of(block, size); }

    std::suspend_always initial_suspend() const noexcept { return {}; }

    final_awaiter final_suspend() const noexcept {
        outcome->frame_is = slot_base::fate::gone;
        return {};
    }
};

/// Starts `child`, which `parent` awaits; `outcome` is the awaited_slot. Returns true if it has ended; its coroutine
/// frame is destroyed then. Returns false if it waits, or if the loop at the root must start it.
inline bool start_child(frame& parent, frame& child, slot_base& outcome) {
    frame& root = parent.root();
    child.at = stack_position::below(root);
    child.outcome = &outcome;
    context& cx = root.at.polled_by();
    if (context_access::is_full(cx)) [[unlikely]] {
        context_access::request_start(cx);
        root.at = stack_position::resumes(child);
        return false;
    }
    context_access::enter(cx);
    child.handle().resume();
    context_access::leave(cx);
    if (outcome.frame_is == slot_base::fate::running) return false;
    if (outcome.frame_is == slot_base::fate::ended) [[unlikely]]
        child.handle().destroy();
    return true;
}

/// Records that a coroutine waits for `on`. The caller is about to suspend it.
inline void wait_for(leaf& on) noexcept { on.waiter.root().at = stack_position::waits(on); }

/// Makes a new coroutine frame the root of a virtual stack.
/// It has no call site yet: not that of an earlier coroutine in the same memory.
inline void begin_root(frame& root) noexcept {
    root.at = stack_position::resumes(root);
    root.where = nullptr;
}

/// The part of run_root() for a root that was started before.
[[nodiscard]] EDDY_API bool run_begun_root(frame& root, slot_base& outcome, context& cx);

/// The part of resume_root() for a root that has not run to its end.
[[nodiscard]] EDDY_API bool leave_root(frame& root, slot_base& outcome, context& cx) noexcept;

/// Polls a stack whose innermost frame is the root and waits for no leaf: a new one, for example. Returns true if the
/// root has ended: `outcome` is filled, and the frames are destroyed.
[[nodiscard]] inline bool resume_root(frame& root, slot_base& outcome, context& cx) {
    root.at = stack_position::polled(cx);
    root.outcome = &outcome;
    root.handle().resume();
    return outcome.frame_is == slot_base::fate::gone || leave_root(root, outcome, cx);
}

/// Polls the stack under `root`. Returns what resume_root() returns.
[[nodiscard]] inline bool run_root(frame& root, slot_base& outcome, context& cx) {
    if (!root.at.is_fresh()) return run_begun_root(root, outcome, cx);
    return resume_root(root, outcome, cx);
}

/// Cancels the stack under `owned`: calls the leaf's poll_cancel() first, if it has one. When all frames are destroyed,
/// sets `owned` to null and returns true. If it is null already, only returns true.
/// Errors: throws what poll_cancel() throws.
[[nodiscard]] EDDY_API bool cancel_root(frame*& owned, context& cx);

/// Destroys the frames of the stack in a loop, starting with the innermost.
/// Preconditions: the root is not being polled.
EDDY_API void destroy_root(frame& root) noexcept;

/// Makes a coroutine frame that continues the virtual stack with the root `begun`. The stack remains a separate one.
/// The new frame owns it, and polls it with its own result slot, so no code depends on the type of the output. Ends the
/// process with a message if the stack is being polled.
/// Errors: throws std::bad_alloc, and destroys the stack.
[[nodiscard]] EDDY_API frame* continue_in_new_frame(frame& begun, std::source_location where);

/// Ends the process with a message: `what` ("a task") was moved while its root frame `moved` is being polled.
[[noreturn]] EDDY_API void end_move_in_poll(const frame& moved, const char* what) noexcept;

}  // namespace eddy::detail
