// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/error.hpp>
#include <eddy/task/detail/spawned_task.hpp>

namespace eddy::detail {

/// The life cycle of a task. The model is Tokio's.
///
///               woken: submit              a worker takes it
///     idle ----------------> notified ------------------> running ---------> complete
///      ^                       ^                             |   ended, threw, or was cancelled
///      | not ready, not woken  | not ready, woken meanwhile  |
///      +-----------------------+-----------------------------+
///
///     bit  name           set by                          what it guards
///     0    running        the worker, or shutdown         the future: a lock on it
///     1    complete       the `running` owner, permanent  the output: owned by the join handle from then on
///     2    notified       wakers, abort, shutdown         a pending wake-up: queued, or checked when the run ends
///     3    cancelled      abort or shutdown, permanent    requests the `running` owner to destroy the future
///     4    join_interest  spawn; cleared by the handle    the destruction of the output: by the handle if set when the
///                         before `complete`               task is completed, else by the completing thread
///     5    join_waker     the handle                      the field of that name: owned by the handle while clear, by
///                                                         the completing thread while set
///     6    background     spawn, constant                 whether the runtime can be idle while the task exists
///     7..  list           the owner's start, constant     the index of the owner's list that contains the task
///     23.. references     see below                       the memory
///
/// References: one for the list of all tasks, until the task is complete; one that belongs to `notified`, and passes
/// from the waker to the queue to the worker, until the run ends; one for the join handle; one for each waker.
/// The thread that has set `running` has one too. A run has the reference of `notified`. A shutdown has the reference
/// of the list, if it has removed the task from there, or one that it has added. The shutdown of an event loop adds
/// one, because is_unshared() counts the references of the list and of `running`.
///
/// Each change is one step, so a word has a single history. All changes of the shared word are acq_rel: the thread that
/// next runs the future, takes the output or frees the memory sees everything that was done under the word's previous
/// states. The exceptions are add_reference(), which is relaxed, and unshared_word.
struct task_flags {
    static constexpr std::uint64_t running = 1;
    static constexpr std::uint64_t complete = 2;
    static constexpr std::uint64_t notified = 4;
    static constexpr std::uint64_t cancelled = 8;
    static constexpr std::uint64_t join_interest = 16;
    static constexpr std::uint64_t join_waker = 32;
    static constexpr std::uint64_t background = spawned_task::background;
    static constexpr std::uint64_t list_one = 128;
    static constexpr std::uint64_t most_lists = 65'536;
    static constexpr std::uint64_t ref_one = list_one * most_lists;
    static_assert((running | complete | notified | cancelled | join_interest | join_waker | background) == list_one - 1,
                  "the flags fill the bits below the index of the list");

    enum class [[nodiscard]] run_action { poll, cancel, drop_reference, free };
    enum class [[nodiscard]] idle_action { none, submit, cancel };
    enum class [[nodiscard]] wake_action { none, submit, free };
    enum class [[nodiscard]] end_action { none, wake_joiner, drop_output, free };

    /// The duties of a dropped handle.
    struct interest_ended {
        bool was_complete;    ///< the caller must destroy the output
        bool owns_the_waker;  ///< the caller must clear the join waker's field
    };

protected:
    template <class Answer>
    struct step {
        std::uint64_t next;
        Answer answer;
    };
    template <class Answer>
    step(std::uint64_t, Answer) -> step<Answer>;
};

/// The words of a task. Each transition of task_state is written once, and the word says how it is applied:
///
///     shared_word      spawned_task::state, by an atomic compare-exchange. Any thread
///     local_word       spawned_task::local, plain memory. Only the thread of the event loop of the task; before
///                      the task is published, the thread that spawns it
///     unshared_word    spawned_task::state, by a load and a store, while no other thread has access to the task
///
/// A task of the pool or of a local set has the shared word only; its local word is `only_shared`, the bit `complete`.
/// A task of an event loop has both. Its loop's thread uses the local word, so its wakes, polls and references need no
/// atomic read-modify-write, and other threads use the shared word. The flags in the two words:
///
///     flag                            local word                     shared word
///     running                         as below                       -
///     notified                        queued in the loop             in the loop's inbound list, or about to be
///     cancelled                       as below                       by the abort of another thread
///     join_interest, join_waker       -                              as below
///     complete                        the shared word is complete    as below
///     references                      created or passed on by the    by other threads; the number may be negative
///                                     loop's thread
///
/// Either number of references alone says nothing, so both begin with `bias`: no thread takes its half for the last
/// reference. When the task is complete, local_word::end() adds the local references to the shared word and subtracts
/// both biases, in one compare-exchange. From then on all threads use the shared word, like the word of any other task.
class shared_word {
public:
    explicit shared_word(spawned_task& task) noexcept : word_(task.state) {}

    /// Applies `decide(word)`, which returns the next word and an answer, in one compare-exchange. Returns the answer.
    template <class Decide>
    auto change(Decide decide) noexcept {
        // relaxed, also on failure: only an estimate; the successful exchange is acq_rel.
        std::uint64_t now = word_.load(std::memory_order_relaxed);
        for (;;) {
            const auto [next, answer] = decide(now);
            if (word_.compare_exchange_weak(now, next, std::memory_order_acq_rel, std::memory_order_relaxed))
                return answer;
        }
    }
    /// Like change(), for the change that completes the task.
    template <class Decide>
    auto end(Decide decide) noexcept {
        return change(decide);
    }
    void add(std::uint64_t references) noexcept {
        // relaxed: the caller's reference keeps the count above 0, and it publishes no other data.
        word_.fetch_add(references, std::memory_order_relaxed);
    }
    std::uint64_t subtract(std::uint64_t references) noexcept {
        // release: publishes the caller's accesses. acquire: the last owner sees all of them before it frees the task.
        return word_.fetch_sub(references, std::memory_order_acq_rel);
    }
    [[nodiscard]] std::uint64_t shared(std::memory_order order) const noexcept { return word_.load(order); }
    /// Returns a word with all references of the task; its flags have no meaning.
    [[nodiscard]] std::uint64_t total(std::memory_order order) const noexcept { return word_.load(order); }

private:
    atomic<std::uint64_t>& word_;
};

/// See above.
class local_word {
public:
    explicit local_word(spawned_task& task) noexcept : task_(task) {}

    /// Divides the first value of a new task into the two words, and returns it. The caller publishes the task
    /// afterwards.
    static std::uint64_t divide(spawned_task& task) noexcept {
        constexpr std::uint64_t kept = task_flags::join_interest | task_flags::background;
        const std::uint64_t first = task.state.load(std::memory_order_relaxed);  // relaxed: not published yet
        task.local = (first & ~kept) + bias;
        task.state.store((first & kept) + bias, std::memory_order_relaxed);
        return first;
    }
    /// Same as divide(), for a task that another thread sends to its event loop: it is `notified` in the inbound list,
    /// and not in the queue.
    static void divide_for_inbound(spawned_task& task) noexcept {
        constexpr std::uint64_t sent = task_flags::notified + task_flags::ref_one;
        static_cast<void>(divide(task));
        task.local -= sent;
        // relaxed, both: not published yet.
        task.state.store(task.state.load(std::memory_order_relaxed) + sent, std::memory_order_relaxed);
    }
    /// Returns whether only the list, the join handle and, if it is queued or running, the event loop have references:
    /// then no other thread has access to the task. The loop may have more than one: then this returns false.
    /// Preconditions: the caller has the join handle, on the loop's thread.
    [[nodiscard]] static bool is_unshared(const spawned_task& task) noexcept {
        const std::uint64_t own = (task.local & (task_flags::notified | task_flags::running)) != 0 ? 3 : 2;
        // acquire: pairs with subtract() of another thread, whose accesses are over.
        const std::uint64_t others = task.state.load(std::memory_order_acquire);
        constexpr std::uint64_t flags = task_flags::join_interest | task_flags::join_waker | task_flags::background;
        return task.local / task_flags::ref_one == bias / task_flags::ref_one + own && (others & ~flags) == bias;
    }

    template <class Decide>
    auto change(Decide decide) noexcept {
        if ((task_.local & task_flags::complete) != 0) [[unlikely]]
            return shared_word(task_).change(decide);
        const auto [next, answer] = decide(task_.local);
        task_.local = next;
        return answer;
    }
    template <class Decide>
    auto end(Decide decide) noexcept {
        const std::uint64_t mine = std::exchange(task_.local, spawned_task::only_shared);
        const std::uint64_t running = mine & task_flags::running;
        const std::uint64_t references = mine / task_flags::ref_one * task_flags::ref_one - 2 * bias;
        return shared_word(task_).change(
            [running, references, decide](std::uint64_t now) { return decide((now | running) + references); });
    }
    void add(std::uint64_t references) noexcept { task_.local += references; }
    std::uint64_t subtract(std::uint64_t references) noexcept {
        return std::exchange(task_.local, task_.local - references);
    }
    [[nodiscard]] std::uint64_t shared(std::memory_order order) const noexcept { return task_.state.load(order); }
    [[nodiscard]] std::uint64_t total(std::memory_order order) const noexcept {
        return task_.state.load(order) + task_.local - 2 * bias;  // the flags are mixed up; they do not reach ref_one
    }

private:
    static constexpr std::uint64_t bias = std::uint64_t{1} << 60;

    spawned_task& task_;
};

/// See above. It is used on the loop's thread, so no acquire or release is needed: a thread gets access to the task by
/// a reference that this thread passes on later.
class unshared_word {
public:
    explicit unshared_word(spawned_task& task) noexcept : word_(task.state) {}

    template <class Decide>
    auto change(Decide decide) noexcept {
        const auto [next, answer] = decide(word_.load(std::memory_order_relaxed));
        word_.store(next, std::memory_order_relaxed);
        return answer;
    }
    [[nodiscard]] std::uint64_t shared(std::memory_order order) const noexcept { return word_.load(order); }

private:
    atomic<std::uint64_t>& word_;
};

/// The life cycle of a task: the transitions, each written once for all words.
/// Thread safety: as the word.
template <class Word>
class task_state : public task_flags {
public:
    // A new task is already queued. References: the list, the queue, and the handle if there is one.
    static_assert(spawned_task::new_with_handle == (notified | join_interest | 3 * ref_one));
    static_assert(spawned_task::new_without_handle == (notified | 2 * ref_one));
    static_assert(spawned_task::only_shared == complete);

    explicit task_state(spawned_task& task) noexcept : word_(task) {}

    // ---- The thread that took the task from a queue, and with it the reference that belongs to `notified` ----

    /// Begins a run. `drop_reference` and `free` mean that the task was shut down meanwhile, and that the
    /// queue's reference was released. On `free` the caller must free the memory.
    run_action transition_to_running() noexcept {
        return word_.change([](std::uint64_t now) {
            const std::uint64_t phase = now & (running | complete | notified | cancelled);
            if (phase == notified) [[likely]]
                return step{now ^ (notified | running), run_action::poll};
            EDDY_ASSERT((phase & (notified | complete)) != 0, "task_state: a task was queued without a wake-up");
            if ((phase & (running | complete)) == 0) return step{now ^ (notified | running), run_action::cancel};
            // The task was shut down while it was queued. Only the queue's reference must be given up.
            const std::uint64_t next = (now & ~notified) - ref_one;
            return step{next, next < ref_one ? run_action::free : run_action::drop_reference};
        });
    }

    /// Ends a run after a poll that was not ready. On `submit` the caller must queue the task again; `notified` and its
    /// reference are kept. On `cancel` the task is still running and must be cancelled. `has_woken_itself`: the task
    /// was woken by its own poll, and that wake-up is not in the word yet. `is_cancelling`: the poll was one of
    /// poll_cancel(), so `cancel` is not returned.
    idle_action transition_to_idle(bool has_woken_itself = false, bool is_cancelling = false) noexcept {
        return word_.change([has_woken_itself, is_cancelling](std::uint64_t now) {
            if ((now & (running | complete | cancelled)) != running) [[unlikely]] {
                EDDY_ASSERT((now & (running | complete)) == running, "task_state: a task ended a run it was not in");
                if (!is_cancelling) return step{now, idle_action::cancel};
            }
            const std::uint64_t waits = now ^ running;
            if (has_woken_itself || (now & notified) != 0) return step{waits | notified, idle_action::submit};
            // Not the last reference: the list has one, and a shutdown that takes it from there sets `notified`.
            return step{waits - ref_one, idle_action::none};
        });
    }

    /// Completes the task after the future was destroyed and the output stored. Gives up `count` references: the list's
    /// and the caller's own. On wake_joiner and drop_output they are kept: wake the joiner or destroy the output, then
    /// call release(count).
    end_action transition_to_complete(std::uint64_t count, bool has_output) noexcept {
        return word_.end([count, has_output](std::uint64_t now) {
            EDDY_ASSERT((now & (running | complete)) == running, "task_state: a task ended that did not run");
            const std::uint64_t ended = (now & ~running) | complete;
            if ((now & join_interest) == 0 && has_output) return step{ended, end_action::drop_output};
            if ((now & join_waker) != 0) return step{ended, end_action::wake_joiner};
            const std::uint64_t next = ended - count * ref_one;
            return step{next, next < ref_one ? end_action::free : end_action::none};
        });
    }

    /// Returns whether the join handle exists. Once false it stays false.
    /// Preconditions: the caller owns `running`.
    [[nodiscard]] bool has_join_interest() const noexcept {
        // acquire: pairs with the release in drop_interest(). The handle no longer accesses the join waker's field.
        return (word_.shared(std::memory_order_acquire) & join_interest) != 0;
    }

    /// Returns whether there are only the `count` references that the caller owns. Then no other thread can access the
    /// task any more, and the caller may free it without a further change of the word.
    /// Preconditions: the task is in no list where another thread finds it, and the caller has seen its removal.
    [[nodiscard]] bool owns_all_references(std::uint64_t count) const noexcept {
        // acquire: pairs with the release in release(), wake_and_release() and transition_to_complete(). If the value
        // equals `count`, no other thread had a reference from which it could make a later value.
        return word_.total(std::memory_order_acquire) / ref_one == count;
    }

    // ---- The constant bits. relaxed: they were set before the task was published, so each value has them ----

    [[nodiscard]] static bool is_background(const spawned_task& task) noexcept {
        return (task.state.load(std::memory_order_relaxed) & background) != 0;
    }
    [[nodiscard]] std::size_t list() const noexcept {
        return word_.shared(std::memory_order_relaxed) / list_one % most_lists;
    }

    // ---- Wakers, any thread ----

    /// Adds a reference.
    /// Preconditions: the caller has one.
    void add_reference() noexcept { word_.add(ref_one); }

    /// Gives up `count` references. Returns true if they were the last: then the caller must free the memory.
    [[nodiscard]] bool release(std::uint64_t count = 1) noexcept {
        const std::uint64_t before = word_.subtract(count * ref_one);
        EDDY_ASSERT(before >= count * ref_one, "task_state: a reference was dropped twice");
        return before < (count + 1) * ref_one;
    }

    /// Wakes the task. On `submit` the caller must queue it; the queue has a new reference.
    wake_action wake_by_ref() noexcept {
        return word_.change([](std::uint64_t now) {
            // A read-modify-write even if nothing changes: the next run must see what was done before this wake.
            if ((now & (complete | notified)) != 0) return step{now, wake_action::none};
            if ((now & running) != 0) return step{now | notified, wake_action::none};
            return step{(now | notified) + ref_one, wake_action::submit};
        });
    }

    /// Wakes the task and gives up the waker's reference. On `submit` the caller must queue the task; the queue takes
    /// over the reference. On `free` the caller must free the memory.
    wake_action wake_and_release() noexcept {
        return word_.change([](std::uint64_t now) {
            if ((now & (complete | notified)) == 0 && (now & running) == 0) {
                return step{now | notified, wake_action::submit};
            }
            const std::uint64_t marked = (now & complete) != 0 ? now : now | notified;
            const std::uint64_t next = marked - ref_one;
            return step{next, next < ref_one ? wake_action::free : wake_action::none};
        });
    }

    // ---- Abort and shutdown, any thread ----

    /// Requests cancellation. On `submit` the caller must queue the task; the queue has a new reference. The next run
    /// cancels the task.
    wake_action transition_to_cancelled() noexcept {
        return word_.change([](std::uint64_t now) {
            if ((now & (complete | cancelled)) != 0) return step{now, wake_action::none};
            if ((now & (running | notified)) != 0) return step{now | cancelled | notified, wake_action::none};
            return step{(now | cancelled | notified) + ref_one, wake_action::submit};
        });
    }

    /// Marks the task as cancelled, and takes the `running` bit if it is clear. Returns true if it was taken: the
    /// caller must destroy the future and complete the task. Otherwise the thread that runs the task sees the mark. In
    /// that case the task is also notified: its poll_cancel() may be running, and the task must be checked again after
    /// it.
    /// Preconditions: the caller has a reference of its own; see task_flags.
    [[nodiscard]] bool transition_to_shutdown() noexcept {
        return word_.change([](std::uint64_t now) {
            if ((now & complete) != 0) return step{now | cancelled, false};
            if ((now & running) != 0) return step{now | cancelled | notified, false};
            return step{now | cancelled | running, true};
        });
    }

    // ---- The join handle ----

    /// Returns whether the task is complete. If so, the output is visible.
    [[nodiscard]] bool is_complete() const noexcept {
        // acquire: pairs with the release in transition_to_complete().
        return (word_.shared(std::memory_order_acquire) & complete) != 0;
    }

    /// Returns whether the handle has published a waker. Called by the handle.
    [[nodiscard]] bool has_join_waker() const noexcept {
        // relaxed: only the handle sets the bit. A read-modify-write follows before the field is accessed.
        return (word_.shared(std::memory_order_relaxed) & join_waker) != 0;
    }

    /// Publishes the waker that the handle has stored in the field. Returns false if the task is complete: then the
    /// handle still owns the field.
    [[nodiscard]] bool publish_join_waker() noexcept {
        return word_.change([](std::uint64_t now) {
            if ((now & complete) != 0) return step{now, false};
            return step{now | join_waker, true};
        });
    }

    /// Takes the field back to change it. Returns false if the task is complete: the completing thread owns it then.
    [[nodiscard]] bool take_join_waker_back() noexcept {
        return word_.change([](std::uint64_t now) {
            if ((now & complete) != 0) return step{now, false};
            return step{now & ~join_waker, true};
        });
    }

    /// Clears `join_interest` when the handle is dropped. The handle's reference must be released afterwards.
    [[nodiscard]] interest_ended drop_interest() noexcept {
        return word_.change([](std::uint64_t now) {
            const bool ended = (now & complete) != 0;
            const std::uint64_t next = now & ~(ended ? join_interest : join_interest | join_waker);
            return step{next, interest_ended{ended, !ended && (now & join_waker) != 0}};
        });
    }

    /// Clears `notified` when the event loop has taken the task from its inbound list. Returns the word before. Called
    /// with the shared word.
    std::uint64_t take_from_inbound() noexcept {
        return word_.change([](std::uint64_t now) { return step{now & ~notified, now}; });
    }

private:
    Word word_;
};

/// Returns the state of a task by its shared word.
inline task_state<shared_word> state_of(spawned_task& task) noexcept { return task_state<shared_word>(task); }
/// Returns the state of a task by its local word.
/// Preconditions: this is the thread of the task's event loop.
inline task_state<local_word> local_state_of(spawned_task& task) noexcept { return task_state<local_word>(task); }

/// Returns whether this thread uses the local word of the task: its event loop runs here, and the task is not complete.
[[nodiscard]] inline bool is_local(const spawned_task& task) noexcept {
    return this_thread.runs_here == task.owner && (task.local & spawned_task::only_shared) == 0;
}

/// Calls `act` with the state of a task, by the word that this thread uses.
template <class Act>
auto with_state(spawned_task& task, Act act) noexcept {
    return is_local(task) ? act(local_state_of(task)) : act(state_of(task));
}

}  // namespace eddy::detail
