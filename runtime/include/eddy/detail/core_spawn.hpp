// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <source_location>
#include <string_view>
#include <type_traits>
#include <utility>

#include <eddy/detail/core_loop.hpp>
#include <eddy/detail/core_task.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/joinable.hpp>
#include <eddy/detail/pool_spawn.hpp>
#include <eddy/detail/stored_work.hpp>
#include <eddy/detail/task_cell.hpp>
#include <eddy/detail/unread_failure.hpp>
#include <eddy/future/waker.hpp>

namespace eddy::detail {

/// A task of an event loop that has a join handle. The word `join_word` coordinates the event loop and the handle:
///
///     bit  name       set by               meaning
///     0    complete   event loop           the outcome is in place and belongs to the handle
///     1    has_waker  the handle           the event loop owns join_waker; while clear, the handle owns it
///     2    gone       the handle           the handle is destroyed. If it was set before `complete`, the event loop
///                                          destroys the outcome; otherwise the handle does.
///     3    is_shared  the handle           abort handles exist or existed, or the handle has aborted the task from
///                                          another thread. The memory is reference-counted from then on.
///     4    parted     event loop           the handle owns the memory too, and frees it without a reference count
///     5    parting    event loop           the event loop takes join_waker, and replaces this bit by `parted` then
///
/// `complete`, `gone` and `is_shared` are never cleared.
///
/// The event loop sets `parted` together with `complete` if the handle has the last reference, which is the usual case:
/// no waker is left, and only the handle could create a reference. `gone` and `is_shared` are clear then. A handle that
/// creates an abort handle after `parted` replaces it by `is_shared`, and the references are counted again.
///
/// The handle may free the task as soon as `parted` is set, so a waker must be taken before. `parting` is a lock for
/// this step: no other thread changes the word meanwhile, so that the event loop sets `parted` by a store, and the end
/// of a task is one read-modify-write.
///
/// While the event loop runs on its own thread, a handle on that thread changes the word with a load and a store
/// instead of a read-modify-write. The event loop is the only other writer, except for abort handles, and these only
/// set `is_shared` again, which is set already.
struct EDDY_API core_joined : core_task, joinable {
    static constexpr std::uint8_t complete = 1;
    static constexpr std::uint8_t has_waker = 2;
    static constexpr std::uint8_t gone = 4;
    static constexpr std::uint8_t is_shared = 8;
    static constexpr std::uint8_t parted = 16;
    static constexpr std::uint8_t parting = 32;

    /// The caller's duties after publish() or leave().
    enum class leaves : std::uint8_t {
        nothing,  ///< none, except to drop a counted reference
        outcome,  ///< destroy the outcome; the memory is reference-counted
        all,      ///< the handle alone owns the outcome and the memory
    };

    slot_base& outcome;
    waker join_waker;
    std::uint64_t id;  ///< set by adopt_task()
    atomic<std::uint8_t> join_word{0};
    bool has_ended = false;  ///< the future has returned or thrown; false if it was cancelled

    core_joined(const core_task_ops& operations, const join_ops& joins, core_shared& loop, std::source_location where,
                frame* first, slot_base& result) noexcept
        : core_task(operations, loop, where, first, true), joinable{&joins}, outcome(result) {}

    // SAFETY: only objects of this class use join_ops that call these functions.
    static core_joined& of(joinable& task) noexcept { return static_cast<core_joined&>(task); }
    static const core_joined& of(const joinable& task) noexcept { return static_cast<const core_joined&>(task); }

    // The parts of join_ops that do not depend on the type.
    static bool poll_join(joinable& task, const waker& wake, std::source_location where, const frame* root);
    static void drop_handle(joinable& task) noexcept;
    static void abort(joinable& task) noexcept;
    static bool is_finished(const joinable& task) noexcept;
    static void add_reference(joinable& task) noexcept;
    static void release(joinable& task) noexcept;
    static slot_base& outcome_of(joinable& task) noexcept { return of(task).outcome; }
    static std::uint64_t id_of(const joinable& task) noexcept { return of(task).id; }
    static std::source_location spawn_site_of(const joinable& task) noexcept { return of(task).spawned_at; }

    /// The operation `complete` of the event loop's tasks.
    static bool complete_task(core_task& task) noexcept;

    /// Records that the coroutine frames have destroyed themselves.
    void forget_frames() noexcept {
        root = nullptr;
        has_ended = true;
    }

    // The usual cases of complete_task(), for a task that has returned and is in no queue. They do not need the state
    // and the fields that forget_frames() sets. In other cases, these functions do nothing and return false.
    /// Frees a task without references.
    [[nodiscard]] bool free_unneeded() noexcept {
        if (!is_detached() || outcome.has_exception()) return false;
        ops().free_memory(*this);
        return true;
    }
    /// Passes the task to its handle, which a task of the same loop is awaiting on the loop's thread.
    [[nodiscard]] bool part_within() noexcept {
        // No other thread uses the handle, and abort handles would have set `is_shared`. So no atomic read-modify-write
        // is necessary. acquire: as in part(). relaxed, twice: only this thread has changed the word.
        if (join_word.load(std::memory_order_relaxed) != 0 || local_refs != 1 ||
            remote.load(std::memory_order_acquire) != 0 || outcome.has_exception())
            return false;
        join_word.store(complete | parted, std::memory_order_relaxed);
        return true;
    }
    /// Sets `complete` and wakes the joining task. Called by the event loop once the outcome is in place. If it returns
    /// leaves::all, the handle may have freed the task already.
    [[nodiscard]] leaves publish(bool may_part) noexcept;
    /// Detaches the join handle, which is being destroyed.
    [[nodiscard]] leaves leave() noexcept;
    /// Reports an outcome that no code has read.
    void report(unread_failure failure) noexcept;

private:
    /// The part of poll_join() for a task that had not ended when `join_word` was `word`. Not inlined there: the usual
    /// cases would save the registers that this part needs.
    [[gnu::noinline]] bool wait_for_end(std::uint8_t word, const waker& wake, std::source_location where);
    bool part() noexcept;
    void drop_outcome() noexcept;
    // Not inlined in drop_handle(), whose usual cases need no saved registers.
    [[gnu::noinline]] void leave_and_release() noexcept;
    [[gnu::noinline]] void drop_parted() noexcept;
    /// Returns whether the outcome is an exception or an error.
    [[nodiscard]] bool has_failed() noexcept {
        return outcome.has_exception() || (ops().has_error != nullptr && ops().has_error(*this));
    }
    /// Returns whether there are no references.
    [[nodiscard]] bool is_detached() const noexcept {
        // acquire: pairs with the release in drop_remote().
        return local_refs == 0 && remote.load(std::memory_order_acquire) == 0;
    }
    /// Returns the word without `parting`: waits until the event loop has taken the waker.
    [[nodiscard]] std::uint8_t settled_word() const noexcept;
    /// Replaces `parted` by `is_shared`, so that the references are counted again. Called by the handle.
    void share_again() noexcept;
};

/// Gives a new task its id, and queues it for its first poll.
/// Preconditions: the event loop is not closed.
EDDY_API void adopt_task(core_shared& loop, core_joined& task) noexcept;

/// The two tables of a cell.
struct cell_ops {
    core_task_ops task;
    join_ops join;
};

/// The header of an event loop's task with its outcome.
template <class T>
class core_output : public core_joined {
public:
    using header = core_task;

    core_output(const cell_ops& operations, core_shared& loop, std::source_location where, frame* first) noexcept
        : core_joined(operations.task, operations.join, loop, where, first, outcome_) {}

    // SAFETY: only classes that derive from core_output<T> have the functions below in their tables of operations.
    static core_output& of(core_task& task) noexcept { return static_cast<core_output&>(task); }

    static void fail(core_task& task, std::exception_ptr thrown) noexcept {
        of(task).outcome_.set_exception(std::move(thrown));
    }

private:
    static constexpr bool destroys_output = !std::is_trivially_destructible_v<stored_t<T>>;

    static bool finds_error(core_task& task) noexcept { return has_error(of(task).outcome_); }
    static void discard(core_task& task) noexcept { of(task).outcome_.discard(); }
    [[gnu::cold]] static void report_outcome(core_task& task) noexcept {
        if (auto failure = take_failure(of(task).outcome_)) of(task).report(std::move(failure));
    }

protected:
    template <class Cell>
    static constexpr cell_ops operations_of{
        core_task_ops(Cell::operations(), {&complete_task, &report_outcome, is_expected<T> ? &finds_error : nullptr,
                                           destroys_output ? &discard : nullptr}),
        {&core_joined::poll_join, &core_joined::drop_handle, &core_joined::outcome_of, &core_joined::abort,
         &core_joined::is_finished, &core_joined::add_reference, &core_joined::release, &core_joined::id_of,
         &core_joined::spawn_site_of}};

    slot<T> outcome_;
};

/// Spawns `work` on the event loop and returns its join handle. If check_spawned() has rejected the work, returns a
/// placeholder. On the loop's thread. `name` is empty or one std::string.
template <class W, class... Name>
[[gnu::always_inline]] inline auto spawn_on_core(core_shared& loop, W&& work, std::source_location where,
                                                 Name... name) {
    if constexpr (check_spawned<W>()) {
        using cell = task_cell<core_output, std::decay_t<W>, Name...>;
        cell& made = *pool_new<cell>(loop, where, std::forward<W>(work), std::move(name)...);
        adopt_task(loop, made);
        return join_handle_for<W>(made);
    } else {
        return broken_future();
    }
}

}  // namespace eddy::detail
