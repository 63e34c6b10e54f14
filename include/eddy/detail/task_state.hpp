// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/detail/atomic.hpp>
#include <eddy/error.hpp>

namespace eddy::detail {

/// The life of a task that may run on any thread, in one atomic word (the model is Tokio's task::state).
///
///               woken: submit              a worker takes it
///     idle ----------------> notified ------------------> running ---------> complete
///      ^                       ^                             |   ended, threw, or was cancelled
///      | waits, not woken      | waits, woken meanwhile      |
///      +-----------------------+-----------------------------+
///
///     bit  name           set by                         what it guards
///     0    running        the worker, or who shuts down  the future: a lock on it
///     1    complete       who has `running`, for good    the output, which is the join handle's from then on
///     2    notified       any waker                      a wake-up is owed: queued, or seen when the run ends
///     3    cancelled      abort, shutdown, for good      asks who has `running` to destroy the future
///     4    join_interest  spawn; cleared by the handle   who destroys the output: the handle, or who completes
///     5    join_waker     the handle                     the field of that name: the handle's while clear, of who
///                                                        completes while set
///     6..  references     see below                      the memory
///
/// References: one of the list of all tasks, until the task is complete; one that goes with `notified`, from waker to
/// queue to worker, until the run ends; one of the join handle; one of each waker.
///
/// Each change is one read-modify-write, so the word has a single history. All are acq_rel: whoever comes to run the
/// future next, or to take the output, or to free the memory, sees all that was done before under the word's former
/// states. (A clone of a reference is relaxed: whoever makes one has one.)
class task_state {
public:
    static constexpr std::uint64_t running = 1;
    static constexpr std::uint64_t complete = 2;
    static constexpr std::uint64_t notified = 4;
    static constexpr std::uint64_t cancelled = 8;
    static constexpr std::uint64_t join_interest = 16;
    static constexpr std::uint64_t join_waker = 32;
    static constexpr std::uint64_t ref_one = 64;
    static_assert((running | complete | notified | cancelled | join_interest | join_waker) == ref_one - 1,
                  "the flags fill the bits below the count");

    enum class [[nodiscard]] run_action { poll, cancel, drop_reference, free };
    enum class [[nodiscard]] idle_action { none, submit, cancel, free };
    enum class [[nodiscard]] wake_action { none, submit, free };
    enum class [[nodiscard]] end_action { none, wake_joiner, drop_output, free };

private:
    // Here, since functions whose type is deduced must be defined before they are used.
    template <class Answer>
    struct step {
        std::uint64_t next;
        Answer answer;
    };
    template <class Answer>
    step(std::uint64_t, Answer) -> step<Answer>;

    static step<idle_action> leave_running(std::uint64_t now) noexcept {
        if ((now & notified) != 0) return {now & ~running, idle_action::submit};
        const std::uint64_t next = (now & ~running) - ref_one;
        return {next, next < ref_one ? idle_action::free : idle_action::none};
    }

    template <class Decide>
    auto change(Decide decide) noexcept {
        // relaxed: only a guess; the exchange tells.
        std::uint64_t now = word_.load(std::memory_order_relaxed);
        for (;;) {
            const auto [next, answer] = decide(now);
            if (word_.compare_exchange_weak(now, next, std::memory_order_acq_rel, std::memory_order_relaxed))
                return answer;
        }
    }

public:
    /// Of a new task, queued already: references of the list, the queue, and the handle if there is one.
    explicit task_state(bool has_handle) noexcept
        : word_(has_handle ? notified | join_interest | 3 * ref_one : notified | 2 * ref_one) {}
    task_state(const task_state&) = delete;
    task_state& operator=(const task_state&) = delete;

    // ---- Whoever took the task from a queue, and so has the reference that goes with `notified` ----

    run_action transition_to_running() noexcept {
        return change([](std::uint64_t now) {
            EDDY_ASSERT((now & notified) != 0, "task_state: a task was queued without a wake-up");
            // Shut down while it lay in the queue: nothing to run, only the queue's reference to give up.
            if ((now & (running | complete)) != 0) {
                const std::uint64_t next = (now & ~notified) - ref_one;
                return step{next, next < ref_one ? run_action::free : run_action::drop_reference};
            }
            return step{(now & ~notified) | running, (now & cancelled) != 0 ? run_action::cancel : run_action::poll};
        });
    }

    /// After a poll that was not ready. On `submit` the reference goes back to the queue, with `notified` still set; on
    /// `cancel` the task is still running, and is to be cancelled. `has_woken_itself`: during the run, which is a
    /// wake-up that the word does not know of yet.
    idle_action transition_to_idle(bool has_woken_itself = false) noexcept {
        return change([has_woken_itself](std::uint64_t now) {
            EDDY_ASSERT((now & (running | complete)) == running, "task_state: a task ended a run that it was not in");
            if ((now & cancelled) != 0) return step{now, idle_action::cancel};
            return leave_running(has_woken_itself ? now | notified : now);
        });
    }

    /// The same for a task that is being cancelled, and waits for that.
    idle_action transition_to_idle_cancelling(bool has_woken_itself = false) noexcept {
        return change(
            [has_woken_itself](std::uint64_t now) { return leave_running(has_woken_itself ? now | notified : now); });
    }

    /// The future is gone, and its output in place. Gives up `count` references: the list's, and the runner's own. On
    /// wake_joiner and drop_output they are not given up yet: do as the name says, then call release(count).
    end_action transition_to_complete(std::uint64_t count, bool has_output) noexcept {
        return change([count, has_output](std::uint64_t now) {
            EDDY_ASSERT((now & (running | complete)) == running, "task_state: a task ended that did not run");
            const std::uint64_t ended = (now & ~running) | complete;
            if ((now & join_interest) == 0 && has_output) return step{ended, end_action::drop_output};
            if ((now & join_waker) != 0) return step{ended, end_action::wake_joiner};
            const std::uint64_t next = ended - count * ref_one;
            return step{next, next < ref_one ? end_action::free : end_action::none};
        });
    }

    /// Whether somebody may still want the output. Once false it stays so. For whoever has `running`.
    [[nodiscard]] bool has_join_interest() const noexcept {
        // acquire: pairs with drop_interest(): the handle has let go of the join waker's field.
        return (word_.load(std::memory_order_acquire) & join_interest) != 0;
    }

    // ---- Wakers, any thread ----

    void add_reference() noexcept {
        // relaxed: whoever makes a reference has one already.
        word_.fetch_add(ref_one, std::memory_order_relaxed);
    }

    /// Gives up `count` references. True if they were the last: free the memory.
    [[nodiscard]] bool release(std::uint64_t count = 1) noexcept {
        const std::uint64_t before = word_.fetch_sub(count * ref_one, std::memory_order_acq_rel);
        EDDY_ASSERT(before >= count * ref_one, "task_state: a reference was dropped twice");
        return before < (count + 1) * ref_one;
    }

    /// On `submit` the queue has a new reference.
    wake_action wake_by_ref() noexcept {
        return change([](std::uint64_t now) {
            // A read-modify-write also when nothing changes: whoever runs the task next sees what was done before this
            // wake, too (R023).
            if ((now & (complete | notified)) != 0) return step{now, wake_action::none};
            if ((now & running) != 0) return step{now | notified, wake_action::none};
            return step{(now | notified) + ref_one, wake_action::submit};
        });
    }

    /// Gives the waker's reference up; on `submit` it is the queue's now.
    wake_action wake_and_release() noexcept {
        return change([](std::uint64_t now) {
            if ((now & (complete | notified)) == 0 && (now & running) == 0) {
                return step{now | notified, wake_action::submit};
            }
            const std::uint64_t marked = (now & complete) != 0 ? now : now | notified;
            const std::uint64_t next = marked - ref_one;
            return step{next, next < ref_one ? wake_action::free : wake_action::none};
        });
    }

    // ---- Abort and shutdown, any thread ----

    /// On `submit` the queue has a new reference, and the next run cancels.
    wake_action transition_to_cancelled() noexcept {
        return change([](std::uint64_t now) {
            if ((now & (complete | cancelled)) != 0) return step{now, wake_action::none};
            if ((now & (running | notified)) != 0) return step{now | cancelled | notified, wake_action::none};
            return step{(now | cancelled | notified) + ref_one, wake_action::submit};
        });
    }

    /// Marks the task as cancelled, and takes the running bit if nobody has it. True if it was taken: destroy the
    /// future and complete, with the caller's one reference. If not, who runs it sees the mark: notified besides, since
    /// it may be asked to end in an orderly way at this moment, and is to be looked at again after that.
    [[nodiscard]] bool transition_to_shutdown() noexcept {
        return change([](std::uint64_t now) {
            if ((now & complete) != 0) return step{now | cancelled, false};
            if ((now & running) != 0) return step{now | cancelled | notified, false};
            return step{now | cancelled | running, true};
        });
    }

    // ---- The join handle ----

    [[nodiscard]] bool is_complete() const noexcept {
        // acquire: pairs with transition_to_complete(): the output is there.
        return (word_.load(std::memory_order_acquire) & complete) != 0;
    }

    [[nodiscard]] bool has_join_waker() const noexcept {
        // relaxed: the handle alone sets it; what it is followed by is a read-modify-write.
        return (word_.load(std::memory_order_relaxed) & join_waker) != 0;
    }

    /// The field holds a waker now. False if the task has ended meanwhile: the field stays the handle's.
    [[nodiscard]] bool publish_join_waker() noexcept {
        return change([](std::uint64_t now) {
            if ((now & complete) != 0) return step{now, false};
            return step{now | join_waker, true};
        });
    }

    /// Takes the field back, to change it. False if the task has ended: its waker has been taken out, or will be.
    [[nodiscard]] bool take_join_waker_back() noexcept {
        return change([](std::uint64_t now) {
            if ((now & complete) != 0) return step{now, false};
            return step{now & ~join_waker, true};
        });
    }

    struct interest_ended {
        bool was_complete;    ///< the output is the caller's to destroy
        bool owns_the_waker;  ///< the join waker's field is the caller's to empty
    };
    /// The handle goes. Its reference is still to be released.
    [[nodiscard]] interest_ended drop_interest() noexcept {
        return change([](std::uint64_t now) {
            const bool ended = (now & complete) != 0;
            const std::uint64_t next = now & ~(ended ? join_interest : join_interest | join_waker);
            return step{next, interest_ended{ended, !ended && (now & join_waker) != 0}};
        });
    }

private:
    atomic<std::uint64_t> word_;
};

}  // namespace eddy::detail
