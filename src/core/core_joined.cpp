// SPDX-License-Identifier: MIT
#include <eddy/detail/core_spawn.hpp>

#include <utility>

#include "core/core_shared.hpp"
#include "runtime/uncaught.hpp"

namespace eddy::detail {

bool core_joined::poll_join(joinable& joined, const waker& wake) {
    core_joined& task = of(joined);
    // acquire: pairs with publish(): the outcome is there.
    std::uint8_t word = task.join_word.load(std::memory_order_acquire);
    if ((word & complete) != 0) return true;
    if (task.shared->is_running()) {
        // relaxed: the loop, which is the only other one that reads the field or changes the word, is this thread.
        task.join_waker = wake;
        task.join_word.store(word | has_waker, std::memory_order_relaxed);
        return false;
    }
    if ((word & has_waker) != 0) {
        // acquire, and below release: pairs with publish(), which takes the waker out.
        if ((task.join_word.fetch_and(static_cast<std::uint8_t>(~has_waker), std::memory_order_acq_rel) & complete) !=
            0)
            return true;
    }
    task.join_waker = wake;
    return (task.join_word.fetch_or(has_waker, std::memory_order_acq_rel) & complete) != 0;
}

core_joined::leaves core_joined::publish(bool may_part) noexcept {
    // Counted without the handle's own: if these are none, nobody but the handle can make one. acquire: pairs with
    // drop_remote(), what the others did before they let go.
    const bool is_last = may_part && local_refs == 1 && remote.load(std::memory_order_acquire) == 0;
    constexpr std::uint8_t counted = gone | is_shared;
    waker joiner;
    // acq_rel, here and below: release, for poll_join() and leave() on another thread; acquire, for the waker that was
    // left there.
    std::uint8_t word = join_word.load(std::memory_order_relaxed);
    std::uint8_t next = 0;
    do {
        next = (word & ~has_waker) | complete;
        // A waker is taken out first, between the two steps: after the second the task may be gone.
        if (is_last && (word & (has_waker | counted)) == 0) next |= parted;
    } while (!join_word.compare_exchange_weak(word, next, std::memory_order_acq_rel, std::memory_order_relaxed));
    if ((word & gone) != 0) return leaves::outcome;
    if ((word & has_waker) != 0) {
        joiner = std::move(join_waker);
        word = next;
        while (is_last && (word & counted) == 0) {
            if (join_word.compare_exchange_weak(word, word | parted, std::memory_order_acq_rel,
                                                std::memory_order_relaxed)) {
                next = word | parted;
                break;
            }
        }
    }
    std::move(joiner).wake();
    return (next & parted) != 0 ? leaves::all : leaves::nothing;
}

core_joined::leaves core_joined::leave() noexcept {
    std::uint8_t word = join_word.load(std::memory_order_acquire);  // as in poll_join()
    if ((word & parted) != 0) return leaves::all;
    // What is counted is not parted with any more. After share_again() there is no loop to ask, either.
    if ((word & (complete | is_shared)) == (complete | is_shared)) return leaves::outcome;
    if (shared->is_running()) {
        if ((word & complete) != 0) return leaves::outcome;
        join_waker = waker();
        join_word.store((word & ~has_waker) | gone, std::memory_order_relaxed);
        return leaves::nothing;
    }
    // The waker is left to the loop, which drops it with the memory, or wakes it for nothing.
    word = join_word.fetch_or(gone, std::memory_order_acq_rel);
    if ((word & parted) != 0) return leaves::all;
    return (word & complete) != 0 ? leaves::outcome : leaves::nothing;
}

bool core_joined::is_finished(const joinable& task) noexcept {
    return (of(task).join_word.load(std::memory_order_acquire) & complete) != 0;
}

void core_joined::add_reference(joinable& joined) noexcept {
    core_joined& task = of(joined);
    // relaxed: if it is set, then by who made the reference that the caller has.
    if ((task.join_word.load(std::memory_order_relaxed) & is_shared) == 0) {
        // acq_rel: either publish() sees the bit, or this sees what it has done.
        const std::uint8_t before = task.join_word.fetch_or(is_shared, std::memory_order_acq_rel);
        if ((before & parted) != 0) return task.share_again();
    }
    retain_core_task(task);
}

/// Parted, it is the handle's alone, and the loop may be gone: from here on it is counted in the remote word only.
void core_joined::share_again() noexcept {
    is_merged = true;
    shared = nullptr;
    // relaxed, both: nobody else has the task yet.
    remote.store(merged + 2 * one_ref, std::memory_order_relaxed);
    join_word.store(complete | is_shared, std::memory_order_relaxed);
}

void core_joined::release(joinable& task) noexcept { release_core_task(of(task)); }

void core_joined::abort(joinable& joined) noexcept {
    core_joined& task = of(joined);
    std::uint8_t word = task.join_word.load(std::memory_order_acquire);
    if ((word & complete) != 0) return;
    if (!task.shared->is_running()) {
        // Counted from here on, as if it were shared: the task goes into the inbound list, and a loop that had parted
        // with it meanwhile would be sent what the handle may have freed, and need not be there any more. acq_rel:
        // either publish() sees the bit, or this sees that the task has ended. An abort handle finds it set.
        while ((word & is_shared) == 0) {
            if (task.join_word.compare_exchange_weak(word, word | is_shared, std::memory_order_acq_rel,
                                                     std::memory_order_acquire))
                break;
            if ((word & complete) != 0) return;
        }
    }
    cancel_core_task(task);
}

void core_joined::report(std::exception_ptr thrown) noexcept {
    const std::string_view name = operations().name != nullptr ? operations().name(*this) : std::string_view();
    if (shared != nullptr && shared->is_running()) {
        shared->report(std::move(thrown), spawned_at, name);
    } else {
        print_uncaught(thrown, spawned_at, name);
    }
}

}  // namespace eddy::detail
