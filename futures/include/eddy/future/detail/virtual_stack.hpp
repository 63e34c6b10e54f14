// SPDX-License-Identifier: MIT
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/detail/call_site.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/by_parts.hpp>
#include <eddy/future/detail/compiler_bugs.hpp>
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
// Coroutines are resumed from one loop (run_task.hpp), so the native stack stays flat without tail calls. The exception
// is a child that is awaited for the first time: it is started natively, from await_ready(), up to a small depth,
// because most children end immediately.
//
// A coroutine that runs to its end destroys its coroutine frame, because it does not suspend at its final suspend
// point. Its result slot is outside the coroutine frame, and records this. A coroutine that an error ends by `try_`
// stays suspended, and the code that resumed it destroys its coroutine frame. This must not happen inside its own
// await_suspend(), because code from GCC 15.2 reads the coroutine frame afterwards.

namespace eddy::detail {

struct frame;
struct leaf;

// ---- Result slots ----

/// Throws misuse for a coroutine that was resumed while its await had neither a value nor an exception. `awaited_at` is
/// the location of the await.
[[noreturn]] EDDY_API void throw_resumed_too_early(std::source_location awaited_at);
/// Returns the misuse of a coroutine that ended without co_return. `coroutine` is the location of the coroutine.
[[nodiscard]] EDDY_API std::exception_ptr missing_co_return(call_site coroutine) noexcept;
/// Throws misuse for a task that was awaited, spawned or run after its end or after it was moved from.
[[noreturn]] EDDY_API void throw_ended_task(std::source_location where);
/// Destroys an exception. The function is not inlined, because it is rarely called, and because GCC 12 emits false
/// warnings about an uninitialized exception where it can inline the destructor.
[[gnu::cold]] EDDY_API void destroy_exception(std::exception_ptr& thrown) noexcept;

/// The part of an outcome that does not depend on its type.
class outcome_state {
public:
    [[nodiscard]] bool is_empty() const noexcept { return state_ == state::nothing; }
    [[nodiscard]] bool has_value() const noexcept { return state_ == state::value; }
    [[nodiscard]] bool has_exception() const noexcept { return state_ == state::exception; }

protected:
    enum class state : unsigned char { nothing, value, exception };

    state state_ = state::nothing;
};

/// The outcome of a future: nothing yet, a value, or an exception. `Base` is slot_base in a result slot: a base and not
/// a separate member, so that its fields and the state are in one word.
template <class T, class Base = outcome_state>
class kept : public Base {
    using Base::state_;
    using typename Base::state;
    static_assert(!std::is_reference_v<T>, "eddy: a future's output cannot be a reference; return a pointer");
    using stored = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

public:
    kept() noexcept {}  // NOLINT(modernize-use-equals-default): no member of the union is constructed
    kept(const kept&) = delete;
    kept& operator=(const kept&) = delete;
    ~kept() { destroy(); }

    [[nodiscard]] stored& value() noexcept { return value_; }
    /// For readers of the program's memory: where the value is.
    static constexpr std::uint32_t offset_of_value() noexcept { return offset_of(&kept::value_); }

    /// Constructs the value.
    /// Preconditions: nothing was set before.
    template <class... Args>
    void set_value(Args&&... args) {
        std::construct_at(std::addressof(value_), std::forward<Args>(args)...);
        state_ = state::value;
    }

    /// Calls `f` and constructs the value from its result.
    /// Preconditions: nothing was set before.
    template <class Fn>
    void set_result_of(Fn&& f) {
        if constexpr (std::is_void_v<T>) {
            f();
            set_value();
        } else {
            set_value(f());
        }
    }

    /// Sets the exception, and destroys a value that was set before: the destructor of a coroutine's local variable may
    /// throw after co_return.
    void set_exception(std::exception_ptr thrown) noexcept {
        destroy();
        std::construct_at(std::addressof(error_), std::move(thrown));
        state_ = state::exception;
    }

    /// Returns the exception, which may be null if set_exception() was called with null.
    /// Preconditions: has_exception().
    [[nodiscard]] std::exception_ptr& exception() noexcept { return error_; }

    /// Destroys the outcome. Returns the exception that a value's destructor throws, or null.
    std::exception_ptr discard() noexcept {
        try {
            const state was = std::exchange(state_, state::nothing);
            if (was == state::value) std::destroy_at(std::addressof(value_));
            if (was == state::exception) destroy_exception(error_);
        } catch (...) {
            return std::current_exception();
        }
        return nullptr;
    }

    /// Returns the value, or throws the exception. `awaited_at` is for the text of misuse.
    T take(std::source_location awaited_at) {
        if (state_ == state::value) [[likely]] {
            if constexpr (std::is_void_v<T>) {
                return;
            } else if constexpr (std::is_move_constructible_v<T>) {
                return by_parts(value_, [](auto&&... parts) { return T(std::forward<decltype(parts)>(parts)...); });
            }
        }
        if (this->is_empty()) throw_resumed_too_early(awaited_at);
        std::rethrow_exception(error_);
    }

private:
    void destroy() noexcept {
        if (state_ == state::value) std::destroy_at(std::addressof(value_));
        if (state_ == state::exception) [[unlikely]]
            destroy_exception(error_);
    }

    union {
        stored value_;
        std::exception_ptr error_;
    };
};

/// The place where a coroutine stores its outcome. It is outside the coroutine frame and belongs to the awaiting side,
/// so that the coroutine frame can be destroyed as soon as the coroutine ends. A task has one for as long as it lives,
/// and each await of a task has one in its coroutine frame, so every word counts.
struct slot_base : outcome_state {
    enum class fate : unsigned char {
        running,
        gone,   ///< the coroutine ran to its end, and its coroutine frame has destroyed itself
        ended,  ///< an error ended the coroutine (`try_`): the code that resumed it must destroy its coroutine frame
    };

    /// Ends the awaiting coroutine if the outcome is an error, and returns whether it did.
    using propagation = bool (*)(slot_base& slot, frame& awaiting) noexcept;

    fate frame_is = fate::running;
    bool propagates = false;  ///< whether this is the slot of `try_`: an awaited_slot with a propagation that is set
};

/// A result slot for an outcome of type `T`.
template <class T>
struct slot : kept<T, slot_base> {};
static_assert(sizeof(slot<void*>) == 2 * sizeof(void*), "the fields of slot_base share a word with the state");

/// The memory before a result slot of a given alignment. Its last words are the propagation, which only `try_` has, and
/// the frame that awaits the coroutine. The functions below find them without the type of the outcome.
template <std::size_t Alignment, std::size_t Words>
struct before_slot {
    static constexpr std::size_t count =
        (Words * sizeof(void*) + Alignment - 1) / Alignment * Alignment / sizeof(void*);
    union {
        frame* awaiting;
        slot_base::propagation propagation;
    } words[count];
};

// SAFETY, both: the caller knows that the slot is in an awaited_slot, with these words directly before it: the size of
// the first base is a multiple of the slot's alignment, and slot_base is at the begin of the slot.
[[nodiscard]] inline frame* awaiting_of(const slot_base& slot) noexcept {
    return reinterpret_cast<frame* const*>(&slot)[-1];
}
/// Preconditions: slot.propagates.
[[nodiscard]] inline slot_base::propagation propagation_of(const slot_base& slot) noexcept {
    return reinterpret_cast<const slot_base::propagation*>(&slot)[-2];
}

/// The result slot of an await of a coroutine.
template <class T, bool Tries = false>
class awaited_slot : before_slot<alignof(slot<T>), Tries ? 2 : 1>, public slot<T> {
public:
    explicit awaited_slot(frame& awaiting) noexcept { this->words[this->count - 1].awaiting = &awaiting; }

    [[nodiscard]] frame& awaiting() const noexcept { return *this->words[this->count - 1].awaiting; }
    void set_propagation(slot_base::propagation function) noexcept {
        this->words[this->count - 2].propagation = function;
        this->propagates = true;
    }
};

// ---- Leaves ----

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

    // Requires not is_of_root().
    [[nodiscard]] frame& root() const noexcept { return *pointer<frame>(0); }
    // Requires is_waiting().
    [[nodiscard]] leaf& waits_for() const noexcept { return *pointer<leaf>(1); }
    // Requires is_polled().
    [[nodiscard]] context& polled_by() const noexcept { return *pointer<context>(3); }
    // Requires is_of_root(), not is_polled().
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

// ---- Coroutine frames ----

/// Ends the process with a message: the compiler has misplaced the promise of the coroutine at that location.
[[noreturn, gnu::cold]] EDDY_API void end_miscompiled(call_site coroutine) noexcept;

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

#ifdef EDDY_MISPLACES_PROMISES
    /// `coroutine` is the location of the coroutine itself.
    std::suspend_always initial_suspend(call_site coroutine = EDDY_HERE) const noexcept {
        // The frame pool aligns a coroutine frame to 16 bytes, and the promise follows two pointers.
        if (reinterpret_cast<std::uintptr_t>(this) % (2 * sizeof(void*)) != 0) [[unlikely]]
            end_miscompiled(coroutine);
        return {};
    }
#else
    std::suspend_always initial_suspend() const noexcept { return {}; }
#endif

    final_awaiter final_suspend() const noexcept {
        outcome->frame_is = slot_base::fate::gone;
        return {};
    }
};

// ---- Starting, polling and ending a stack ----

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
/// Clears its call site, which an earlier coroutine in the same memory may have left.
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
