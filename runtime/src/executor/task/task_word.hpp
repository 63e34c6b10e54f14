// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/spawned_task.hpp>
#include <eddy/error.hpp>

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
/// The thread that has set `running` has one too: a run that of `notified`; a shutdown that of the list, if it has
/// removed the task from there, or one that it has added. The shutdown of an event loop adds one, because is_unshared()
/// counts those of the list and of `running`.
///
/// Each change is one step, so a word has a single history. All changes of the shared word are acq_rel: the thread that
/// next runs the future, takes the output or frees the memory sees everything that was done under the word's previous
/// states. The exception is add_reference(), which is relaxed.
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
///     local_word       spawned_task::local, plain memory. Only the thread that runs the event loop of the task
///     unshared_word    spawned_task::state, by a load and a store, while no other thread has access to the task
///
/// A task of the pool or of a local set has the shared word only; its local word is `only_shared`, the bit `complete`.
/// A task of an event loop has both. Its loop's thread uses the local word, so its wakes, polls and references need no
/// atomic read-modify-write, and other threads use the shared word. The flags in the two words:
///
///     flag                            local word                     shared word
///     running                         as below                       (set at the end only)
///     notified                        queued in the loop             in the loop's inbound list, or about to be
///     cancelled                       as below                       by the abort of another thread
///     join_interest, join_waker       -                              as below
///     complete                        the shared word is complete    as below
///     references                      created or passed on by the    by other threads; the number may be negative
///                                     loop's thread
///
/// Either number of references alone says nothing, so both begin with `bias`: no thread takes its half for the last
/// reference. When the task is complete, local_word::end() adds the local references to the shared word and subtracts
/// both biases, in one compare-exchange. From then on all threads use the shared word, like that of any other task.
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

}  // namespace eddy::detail
