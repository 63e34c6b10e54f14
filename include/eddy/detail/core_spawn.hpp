// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <exception>
#include <source_location>
#include <string_view>
#include <type_traits>
#include <utility>

#include <eddy/detail/core_shared.hpp>
#include <eddy/detail/core_task.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/joinable.hpp>
#include <eddy/detail/pool.hpp>
#include <eddy/detail/stored_work.hpp>
#include <eddy/waker.hpp>

namespace eddy::detail {

/// A task of a core that has a join handle.
///
///     bit  name      set by                     what it guards
///     0    complete  the loop, for good         the outcome, which is the handle's from then on
///     1    waker     the handle                 join_waker: the handle's while clear, the loop's while set
///     2    gone      the handle, for good       who destroys the outcome: the loop, if this came before complete
///     3    shared    the handle, for good       there are abort handles, or there were, or the handle has aborted the
///     task
///                                               from another thread: the references are counted
///     4    parted    the loop                   all of the task: the handle's, which frees it without a count
///
/// With `complete` comes `parted` if the handle's reference is the last, as it mostly is: no waker is left, and a new
/// reference could come from the handle only. Neither `gone` nor `shared` is set then; a handle that finds `parted`
/// when it wants to share takes it back, and counts from there on. On the loop's thread a handle changes the word by
/// plain loads and stores: the loop is the only other one that does, but for abort handles, which set a bit that is
/// set.
struct EDDY_API core_joined : core_task, joinable {
    static constexpr std::uint8_t complete = 1;
    static constexpr std::uint8_t has_waker = 2;
    static constexpr std::uint8_t gone = 4;
    static constexpr std::uint8_t is_shared = 8;
    static constexpr std::uint8_t parted = 16;

    /// Whose the outcome is when one of the two sides has left, and whose the memory.
    enum class leaves : std::uint8_t {
        nothing,  ///< both the other's, or counted
        outcome,  ///< the caller's to destroy; the memory is counted
        all,      ///< the outcome and the memory are the handle's alone
    };

    slot_base& outcome;
    waker join_waker;
    std::uint64_t id;
    atomic<std::uint8_t> join_word{0};
    bool has_ended = false;  ///< by itself, and was not cancelled

    core_joined(const core_task_ops& operations, const join_ops& joins, core_shared& loop, std::source_location where,
                slot_base& result) noexcept
        : core_task(operations, loop, where), joinable{&joins}, outcome(result), id(next_task_id()) {
        local_refs = 1;  // the handle's
        is_joined = true;
    }

    static core_joined& of(joinable& task) noexcept { return static_cast<core_joined&>(task); }
    static const core_joined& of(const joinable& task) noexcept { return static_cast<const core_joined&>(task); }

    // The parts of join_ops that do not depend on the type.
    static bool poll_join(joinable& task, const waker& wake);
    static void abort(joinable& task) noexcept;
    static bool is_finished(const joinable& task) noexcept;
    static void add_reference(joinable& task) noexcept;
    static void release(joinable& task) noexcept;
    static slot_base& outcome_of(joinable& task) noexcept { return of(task).outcome; }
    static std::uint64_t id_of(const joinable& task) noexcept { return of(task).id; }

    /// The loop: the outcome is in place. After `all` the task may be gone.
    [[nodiscard]] leaves publish(bool may_part) noexcept;
    /// The handle goes.
    [[nodiscard]] leaves leave() noexcept;
    /// For an exception that nobody takes.
    void report(std::exception_ptr thrown) noexcept;

private:
    void share_again() noexcept;
};

/// For tasks without a name, which are no larger for it.
struct no_name {
    no_name() noexcept = default;
};

/// `Name` is a std::string for a task that has one: `W` is made with a view of it then, and the work.
template <class W, class Name = no_name>
class joined_core_task final : public core_joined {
    using output = work_output_t<W>;
    static constexpr bool is_named = !std::is_same_v<Name, no_name>;

public:
    template <class G>
    joined_core_task(core_shared& loop, std::source_location where, G&& work)
        requires(!is_named)
        : core_joined(operations, joins, loop, where, kept_), work_(std::forward<G>(work), where) {
        root = work_.root();
    }
    template <class G>
    joined_core_task(core_shared& loop, std::source_location where, G&& work, Name name)
        requires(is_named)
        : core_joined(operations, joins, loop, where, kept_),
          name_(std::move(name)),
          work_(W(std::string_view(name_), std::forward<G>(work)), where) {}

private:
    static joined_core_task& of(core_task& task) noexcept { return static_cast<joined_core_task&>(task); }
    static joined_core_task& of(joinable& task) noexcept {
        return static_cast<joined_core_task&>(core_joined::of(task));
    }

    /// Not called for coroutines.
    static bool poll(core_task& task, context& cx) {
        auto& me = of(task);
        const polled_loop_task here(me.id);
        try {
            me.has_ended = me.work_.poll(me.kept_, cx);
        } catch (...) {
            me.kept_.set_exception(std::current_exception());
            me.has_ended = true;
        }
        return me.has_ended;
    }
    static bool poll_cancel(core_task& task, context& cx) {
        auto& me = of(task);
        const polled_loop_task here(me.id);
        if (!me.work_.poll_cancel(cx)) return false;
        me.root = nullptr;  // its frames are gone
        return true;
    }
    static void destroy_future(core_task& task) noexcept { of(task).work_.destroy(); }
    static bool complete(core_task& task, bool may_part) noexcept {
        auto& me = of(task);
        if (!me.has_ended) me.kept_.set_exception(nullptr);
        // One with an exception is counted, and so keeps its loop: nobody may take that, and the loop is to report it.
        const leaves left = me.publish(may_part && !me.kept_.has_exception());
        if (left == leaves::outcome) me.drop_outcome();
        return left == leaves::all;
    }
    static void free_memory(core_task& task) noexcept { pool_delete(&of(task)); }

    static void drop_handle(joinable& task) noexcept {
        auto& me = of(task);
        const leaves left = me.leave();
        if (left != leaves::nothing) me.drop_outcome();
        left == leaves::all ? free_memory(me) : release(task);
    }

    void drop_outcome() noexcept {
        if (kept_.has_exception() && kept_.exception() != nullptr) report(std::move(kept_.exception()));
        kept_.discard();
    }

    static std::string_view name_of(const core_task& task) noexcept {
        if constexpr (is_named) {
            return static_cast<const joined_core_task&>(task).name_;
        } else {
            return {};
        }
    }

    static constexpr core_task_ops operations{&poll, &destroy_future, &free_memory, &poll_cancel, &complete, &name_of};
    static constexpr join_ops joins{&core_joined::poll_join,   &drop_handle,
                                    &core_joined::outcome_of,  &core_joined::abort,
                                    &core_joined::is_finished, &core_joined::add_reference,
                                    &core_joined::release,     &core_joined::id_of};

    slot<output> kept_;
    [[no_unique_address]] Name name_;
    stored_work<W> work_;  // may refer to the name
};

template <class W>
join_handle_for<W> spawn_on_core(core_shared& loop, W&& work, std::source_location where) {
    using cell = joined_core_task<std::decay_t<W>>;
    cell& made = *pool_new<cell>(loop, where, std::forward<W>(work));
    adopt_task(loop, made);
    return join_handle_for<W>(made);
}

}  // namespace eddy::detail
