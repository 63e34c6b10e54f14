// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <exception>
#include <new>
#include <source_location>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/future/detail/unread_failure.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/task/detail/executor.hpp>
#include <eddy/task/detail/stored_work.hpp>

namespace eddy::detail {

struct frame;
struct spawned_task;

/// The links of a list of tasks that is a ring.
struct task_link {
    task_link* previous;
    task_link* next;
};

/// The operations of a task that depend on the type of its work.
struct spawned_ops {
    /// Polls the future. Returns true if it has ended; the outcome is set then. Throws what the future throws. Not
    /// called for coroutines that have a root, whose frames the executor polls.
    bool (*poll)(spawned_task& task, context& cx);
    /// Polls the cancellation. Returns true if the future may be destroyed. If this function has destroyed the frames
    /// of a coroutine, it has set the root to null. If this pointer is null, the executor cancels a coroutine itself,
    /// and destroys any other future directly.
    bool (*poll_cancel)(spawned_task& task, context& cx);
    /// Destroys the work. Called once.
    void (*destroy_future)(spawned_task& task) noexcept;
    /// Sets the outcome to the exception `thrown`; null means that the task was cancelled.
    void (*fail)(spawned_task& task, std::exception_ptr thrown) noexcept;
    /// Frees the memory of the task. No other function is called afterwards.
    void (*free_memory)(spawned_task& task) noexcept;
    /// Returns the name of the task.
    std::string_view (*name)(const spawned_task& task) noexcept;
    /// Destroys an outcome that was not taken. Returns its exception, or a description of its error; an empty failure
    /// if there is none.
    unread_failure (*drop_output)(spawned_task& task) noexcept;

    // For readers of the program's memory:
    std::uint32_t name_offset = 0;             ///< of the name in the task, a std::string; 0 if it has none
    std::uint32_t work_offset = 0;             ///< of the future in the task
    const shape_record* work_shape = nullptr;  ///< of the future; null if it is a coroutine, or not known
    bool is_owned = false;                     ///< it cannot outlive its owner: a child of a scope
};

/// A task: the header in front of its outcome and its future. For its states, see task_flags in src/executor/task.
///
///     field            access
///     list links       the owner's list of tasks: see task_list (under its lock), and live_list of a loop
///     state            any thread
///     local            a task of an event loop: the loop's thread, until the task has ended. Constant in other tasks
///     next_queued      the queue that contains the task, or the thread that is about to queue it
///     next_inbound     a task of an event loop: the inbound list, or the thread that is about to add the task to it
///     join_waker       as the state's bit of that name says
///     root, outcome    the owner of the `running` bit; after `complete`, the join handle owns the outcome
///     time of spawn    constant until the outcome is set, in whose padding it is: see spawn_time
///
/// The outcome, a result slot, is directly behind the header (spawned_output). It is empty until the future has ended,
/// and its second word is the root until then. The poll that fills the slot has read the root before. This saves 16
/// bytes a task, since memory blocks have sizes of multiples of 16 bytes.
struct spawned_task : task_link {
    // The first values of the state word, with and without a join handle, and a bit of it.
    static constexpr std::uint64_t new_with_handle = 0x180'0014;
    static constexpr std::uint64_t new_without_handle = 0x100'0004;
    static constexpr std::uint64_t background = 0x40;
    // The value of the local word while it is not used.
    static constexpr std::uint64_t only_shared = 0x2;

    const spawned_ops* const table;
    atomic<std::uint64_t> state;        ///< the word of task_state that all threads use
    std::uint64_t local = only_shared;  ///< the word of task_state that only the thread of an event loop uses
    spawned_task* next_queued = nullptr;
    spawned_task_owner* const owner;
    spawned_task* next_inbound = nullptr;
    waker join_waker;
    std::source_location spawned_at;
    std::uint64_t id = 0;  ///< 0 for a task of an event loop without a join handle

    spawned_task(const spawned_ops& of_work, spawned_task_owner& runs, std::source_location where,
                 bool has_handle) noexcept
        : task_link{},
          table(&of_work),
          state(has_handle ? new_with_handle : new_without_handle),
          owner(&runs),
          spawned_at(where) {}

    /// Sets constant bits of the state word. relaxed, both: the caller publishes the task afterwards.
    void add_constant(std::uint64_t bits) noexcept {
        state.store(state.load(std::memory_order_relaxed) | bits, std::memory_order_relaxed);
    }

    /// Returns the word of the root, see above.
    [[nodiscard]] void* root_word() noexcept { return reinterpret_cast<void**>(this + 1) + 1; }

    [[nodiscard]] const spawned_ops& ops() const noexcept { return *table; }
};

/// Returns the outermost frame of a coroutine, which the worker polls directly; else null.
/// Preconditions: the task has not ended, and the caller owns the `running` bit.
[[nodiscard]] inline frame*& root_of(spawned_task& task) noexcept {
    // SAFETY: the constructor of spawned_output has created a pointer in this word. It is there until the task ends.
    return *std::launder(static_cast<frame**>(task.root_word()));
}

/// The header of a task with its outcome.
template <class T>
class spawned_output : public spawned_task {
public:
    spawned_output(const spawned_ops& operations, spawned_task_owner& runs, std::source_location where,
                   frame* root = nullptr, bool has_handle = true) noexcept
        : spawned_task(operations, runs, where, has_handle) {
        // SAFETY: this word is a part of the empty slot in which no object exists: the memory of an output or an
        // exception, or padding before it.
        static_assert(sizeof(spawned_output) >= sizeof(spawned_task) + sizeof(slot<T>), "not in padding of the header");
        ::new (root_word()) frame*(root);
    }

    // SAFETY: the callers know that `task` was made for an output of type T: join_handle<T>, and the operations of
    // classes that derive from spawned_output<T>. They have a reference to it.
    static slot<T>& slot_of(spawned_task& task) noexcept { return static_cast<spawned_output&>(task).outcome_; }

    static void fail(spawned_task& task, std::exception_ptr thrown) noexcept {
        slot_of(task).set_exception(std::move(thrown));
    }
    static unread_failure drop_output(spawned_task& task) noexcept {
        unread_failure failure = take_failure(slot_of(task));
        slot_of(task).discard();
        return failure;
    }

protected:
    static std::string_view unnamed(const spawned_task&) noexcept { return {}; }

    slot<T> outcome_;
};

// ---- The typed part of a task: its outcome, its name and its work, in one block with the header ----

/// The work in a cell. A coroutine is stored as the root of the task's header, and the executor polls and destroys its
/// frames. So is a coroutine that a callable makes in the first poll. A system call in its frames is then three calls
/// nearer to the loop: a system call empties the processor's stack of return addresses, so that each return after it
/// costs about 10 ns.
template <class W>
class cell_work : public stored_work<W> {
public:
    static constexpr bool is_coroutine = false;

    using stored_work<W>::stored_work;

    /// Takes over the frames of a coroutine, and returns their root for the header. Returns null for other work.
    static frame* first_root(const auto&, std::source_location) noexcept { return nullptr; }

    bool poll(frame*& root, slot<work_output_t<W>>& outcome, context& cx) {
        if (stored_work<W>::poll(outcome, cx)) return true;
        root = this->take_root();
        return false;
    }
    bool poll_cancel(frame*& root, context& cx) {
        return root == nullptr ? stored_work<W>::poll_cancel(cx) : cancel_root(root, cx);
    }
};
template <class T>
class cell_work<task<T>> {
public:
    static constexpr bool is_coroutine = true;

    cell_work(const task<T>&, std::source_location) noexcept {}
    static frame* first_root(task<T>& given, std::source_location where) {
        frame* const root = enter_frame(given, where);
        begin_root(*root);
        return root;
    }
    void destroy() noexcept {}
};

/// A task: header, outcome, name and work. `Name` is std::string for a named task; the default takes no space. A task
/// that is detached from the beginning has no join handle, and its cancellation destroys it without poll_cancel().
template <class W, class Name = std::monostate, bool IsDetached = false>
class task_cell final : public spawned_output<work_output_t<W>> {
    using base = spawned_output<work_output_t<W>>;
    static constexpr bool is_named = !std::is_same_v<Name, std::monostate>;

public:
    template <class G>
    task_cell(spawned_task_owner& runs, std::source_location where, G&& work, Name name = Name())
        : base(operations, runs, where, cell_work<W>::first_root(work, where), !IsDetached),
          name_(std::move(name)),
          work_(std::forward<G>(work), where) {
        if constexpr (cell_work<W>::is_coroutine) root_of(*this)->outcome = &this->outcome_;
    }

private:
    // SAFETY, here and in name_of(): only task_cell passes the operations below to the base, so `task` is a task_cell.
    static task_cell& of(spawned_task& task) noexcept { return static_cast<task_cell&>(task); }

    static bool poll(spawned_task& task, context& cx) {
        return of(task).work_.poll(root_of(task), of(task).outcome_, cx);
    }
    static bool poll_cancel(spawned_task& task, context& cx) { return of(task).work_.poll_cancel(root_of(task), cx); }
    static bool end_at_once(spawned_task&, context&) { return true; }
    static void destroy_future(spawned_task& task) noexcept { of(task).work_.destroy(); }
    static void free_memory(spawned_task& task) noexcept { pool_delete(&of(task)); }
    static std::string_view name_of(const spawned_task& task) noexcept {
        if constexpr (is_named) {
            return static_cast<const task_cell&>(task).name_;
        } else {
            return {};
        }
    }

    static constexpr spawned_ops make_operations() noexcept {
        spawned_ops made{nullptr, nullptr, &destroy_future, &base::fail, &free_memory, &name_of, &base::drop_output};
        if constexpr (!cell_work<W>::is_coroutine) {
            made.poll = &poll;
            made.poll_cancel = &poll_cancel;
        }
        if constexpr (IsDetached) made.poll_cancel = &end_at_once;
        if constexpr (is_named) made.name_offset = offset_of<task_cell>(&task_cell::name_);
        if constexpr (!cell_work<W>::is_coroutine) {
            made.work_offset = offset_of<task_cell>(&task_cell::work_);
            made.work_shape = &shape_of<stored_work<W>>;
        }
        return made;
    }
    static constexpr spawned_ops operations = make_operations();

    [[no_unique_address]] Name name_;
    [[no_unique_address]] cell_work<W> work_;
};

// ---- Handles ----

// What join handles and abort handles do. Thread safety: any thread.

/// Returns whether the task has ended. Otherwise wakes `wake` when it ends; `wake` replaces the waker of earlier calls.
/// Called by the join handle only.
/// Errors: throws `misuse`, with the source location `where`, if `wake` is the waker of the task itself.
[[nodiscard]] EDDY_API bool poll_join(spawned_task& task, const waker& wake, std::source_location where);
/// Drops the join handle and its reference, and destroys the output. If the output was taken, call release_task().
EDDY_API void drop_join_handle(spawned_task& task) noexcept;
EDDY_API void abort_task(spawned_task& task) noexcept;
[[nodiscard]] EDDY_API bool is_task_finished(const spawned_task& task) noexcept;
EDDY_API void add_task_reference(spawned_task& task) noexcept;
/// Gives up a reference. Frees the memory with the last one.
EDDY_API void release_task(spawned_task& task) noexcept;

}  // namespace eddy::detail
