// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <exception>
#include <source_location>
#include <utility>

#include <eddy/detail/core_shared.hpp>
#include <eddy/detail/core_task.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/joinable.hpp>
#include <eddy/detail/pool.hpp>
#include <eddy/detail/stored_work.hpp>
#include <eddy/waker.hpp>

namespace eddy::detail {

/// A task of a core that has a join handle.
///
///     bit  name      set by                          what it guards
///     0    complete  the loop, for good              the outcome, which is the handle's from then on
///     1    waker     the handle                      join_waker: the handle's while clear, the loop's while set
///     2    gone      the handle, for good            who destroys the outcome: the loop, if this came first
///
/// On the loop's thread a handle changes the word by plain loads and stores: the loop is the only other one that does.
struct core_joined : core_task, joinable {
    static constexpr std::uint8_t complete = 1;
    static constexpr std::uint8_t has_waker = 2;
    static constexpr std::uint8_t gone = 4;

    waker join_waker;
    std::uint64_t id;
    atomic<std::uint8_t> join_word{0};

    core_joined(const core_task_ops& operations, const join_ops& joins, core_shared& loop,
                std::source_location where) noexcept
        : core_task(operations, loop, where), joinable{&joins}, id(next_task_id()) {
        local_refs = 1;  // the handle's
    }

    static core_joined& of(joinable& task) noexcept { return static_cast<core_joined&>(task); }
    static const core_joined& of(const joinable& task) noexcept { return static_cast<const core_joined&>(task); }

    // The parts of join_ops that do not depend on the type.
    static bool poll_join(joinable& task, const waker& wake);
    static void abort(joinable& task) noexcept;
    static bool is_finished(const joinable& task) noexcept;
    static void add_reference(joinable& task) noexcept;
    static void release(joinable& task) noexcept;
    static std::uint64_t id_of(const joinable& task) noexcept { return of(task).id; }

    /// The loop: the outcome is in place. True if nobody wants it.
    [[nodiscard]] bool publish() noexcept;
    /// The handle goes. True if the outcome is the caller's to destroy.
    [[nodiscard]] bool leave() noexcept;
    /// For an exception that nobody takes.
    void report(std::exception_ptr thrown) noexcept;
};

template <class W>
class joined_core_task final : public core_joined {
    using output = work_output_t<W>;

public:
    template <class G>
    joined_core_task(core_shared& loop, std::source_location where, G&& work)
        : core_joined(operations, joins, loop, where), work_(std::forward<G>(work), where) {
        frames = work_.root();
    }

private:
    static joined_core_task& of(core_task& task) noexcept { return static_cast<joined_core_task&>(task); }
    static joined_core_task& of(joinable& task) noexcept {
        return static_cast<joined_core_task&>(core_joined::of(task));
    }

    static bool poll(core_task& task, context& cx) {
        auto& me = of(task);
        const polled_loop_task here(me.id);
        try {
            if (!me.work_.poll(me.outcome_, cx)) return false;
        } catch (...) {
            me.outcome_.set_exception(std::current_exception());
        }
        me.has_ended_ = true;
        return true;
    }
    static bool poll_cancel(core_task& task, context& cx) {
        auto& me = of(task);
        const polled_loop_task here(me.id);
        if (!me.work_.poll_cancel(cx)) return false;
        if (me.frames != nullptr) me.has_lost_frames_ = true;
        return true;
    }
    static void destroy_future(core_task& task) noexcept {
        auto& me = of(task);
        if (me.frames == nullptr) {
            me.work_.destroy();
        } else if (!me.has_ended_ && !me.has_lost_frames_) {
            destroy_root(*me.frames);
        }
    }
    static void complete(core_task& task) noexcept {
        auto& me = of(task);
        if (!me.has_ended_) me.outcome_.set_exception(nullptr);
        if (me.publish()) me.drop_outcome();
    }
    static void free_memory(core_task& task) noexcept { pool_delete(&of(task)); }

    static void drop_handle(joinable& task) noexcept {
        auto& me = of(task);
        if (me.leave()) me.drop_outcome();
        release(task);
    }
    static slot_base& outcome_of(joinable& task) noexcept { return of(task).outcome_; }

    void drop_outcome() noexcept {
        if (outcome_.has_exception() && outcome_.exception() != nullptr) report(std::move(outcome_.exception()));
        outcome_.discard();
    }

    static constexpr core_task_ops operations{&poll, &destroy_future, &free_memory, &poll_cancel, &complete};
    static constexpr join_ops joins{&core_joined::poll_join,
                                    &drop_handle,
                                    &outcome_of,
                                    &core_joined::abort,
                                    &core_joined::is_finished,
                                    &core_joined::add_reference,
                                    &core_joined::release,
                                    &core_joined::id_of};

    frame* frames = nullptr;
    bool has_ended_ = false;
    bool has_lost_frames_ = false;
    slot<output> outcome_;
    stored_work<W> work_;
};

template <class W>
join_handle_for<W> spawn_on_core(core_shared& loop, W&& work, std::source_location where) {
    using cell = joined_core_task<std::remove_cvref_t<W>>;
    cell& made = *pool_new<cell>(loop, where, std::forward<W>(work));
    adopt_task(loop, made);
    return join_handle_for<W>(made);
}

}  // namespace eddy::detail
