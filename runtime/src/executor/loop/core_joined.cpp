// SPDX-License-Identifier: MIT
#include <eddy/detail/core_spawn.hpp>

#include <utility>

#include "executor/loop/core_shared.hpp"
#include "executor/task/uncaught.hpp"

namespace eddy::detail {

bool core_joined::wait_for_end(std::uint8_t word, const waker& wake, std::source_location where) {
    const borrowed_waker own(&core_waker, static_cast<core_task*>(this));
    if (wake.will_wake(own.get())) [[unlikely]]
        throw_joins_itself(where);
    if (shared->is_running()) {
        join_waker = wake;
        join_word.store(word | has_waker, std::memory_order_relaxed);  // relaxed: as in keep_joiner()
        return false;
    }
    if ((word & has_waker) != 0) {
        // Takes join_waker back, so that publish() does not use it. acquire: pairs with the release in publish(). If
        // `complete` is set, the outcome is visible. The release half has no partner.
        if ((join_word.fetch_and(static_cast<std::uint8_t>(~has_waker), std::memory_order_acq_rel) & complete) != 0)
            return true;
    }
    join_waker = wake;
    // release: passes the waker to publish(). acquire: as above.
    return (join_word.fetch_or(has_waker, std::memory_order_acq_rel) & complete) != 0;
}

bool core_joined::complete_task(core_task& task) noexcept {
    // SAFETY: only objects of this class have this operation.
    auto& me = static_cast<core_joined&>(task);
    // The usual case first.
    if (me.has_ended && !me.outcome.has_exception() && me.ops().has_error == nullptr && me.part()) return true;
    if (!me.has_ended) me.ops().fail(me, nullptr);
    // A task with an exception or an error stays reference-counted and so keeps the event loop's shared state alive: if
    // the handle is dropped without taking the outcome, the event loop's handler reports it.
    const leaves left = me.publish(!me.has_failed());
    if (left == leaves::outcome) me.drop_outcome();
    return left == leaves::all;
}

void core_joined::drop_outcome() noexcept {
    if (has_failed()) [[unlikely]]
        ops().report(*this);
    if (ops().discard != nullptr) ops().discard(*this);
}

/// If the handle has the only reference, sets `complete` and `parted`, wakes the joining task, and returns true.
[[gnu::always_inline]] inline bool core_joined::part() noexcept {
    // Only the handle can create another reference then. acquire: pairs with the release in drop_remote(), so that the
    // handle gets the task after all uses by other threads.
    if (state != phase::ended || local_refs != 1 || remote.load(std::memory_order_acquire) != 0) return false;
    // relaxed, also for failures: the exchange validates the value.
    std::uint8_t word = join_word.load(std::memory_order_relaxed);
    std::uint8_t changed = 0;
    do {
        if ((word & (gone | is_shared)) != 0) return false;
        changed = complete | (word == has_waker ? parting : parted);
        // release: publishes the whole task to poll_join(), leave() and add_reference() on another thread. acquire:
        // pairs with the release in poll_join(), which stored the waker.
    } while (!join_word.compare_exchange_weak(word, changed, std::memory_order_acq_rel, std::memory_order_relaxed));
    if (word != has_waker) return true;
    waker joiner = std::move(join_waker);
    core_shared& loop = *shared;
    // release: publishes the whole task, without the waker, to settled_word(). A store, because of `parting`.
    join_word.store(complete | parted, std::memory_order_release);
    loop.wake(std::move(joiner));
    return true;
}

core_joined::leaves core_joined::publish(bool may_part) noexcept {
    if (may_part && part()) return leaves::all;
    // acquire: pairs with the release in leave(). A detached task without abort handles: the value is final, and no
    // thread looks for `complete`.
    std::uint8_t word = join_word.load(std::memory_order_acquire);
    if (word == gone) return leaves::outcome;
    // acq_rel. release: publishes the outcome to poll_join() and leave() on another thread. acquire and relaxed: as in
    // part().
    while (!join_word.compare_exchange_weak(word, (word & ~has_waker) | complete, std::memory_order_acq_rel,
                                            std::memory_order_relaxed)) {
    }
    if ((word & gone) != 0) return leaves::outcome;
    if ((word & has_waker) != 0) shared->wake(std::move(join_waker));
    return leaves::nothing;
}

std::uint8_t core_joined::settled_word() const noexcept {
    for (;;) {
        // acquire: pairs with the release in publish(). If `complete` is set, the outcome is visible. If `parted` is
        // set, the event loop does not use the task any more.
        const std::uint8_t word = join_word.load(std::memory_order_acquire);
        if ((word & parting) == 0) return word;
        yield_thread();
    }
}

void core_joined::drop_handle(joinable& joined) noexcept {
    core_joined& task = of(joined);
    // acquire: as in settled_word().
    const std::uint8_t word = task.join_word.load(std::memory_order_acquire);
    if (word == (complete | parted)) {
        if (task.ops().discard == nullptr) return task.ops().free_memory(task);
        return task.drop_parted();
    }
    if (word == 0 && task.shared->is_running()) {
        // The task continues without a handle. relaxed: as in leave().
        task.join_word.store(gone, std::memory_order_relaxed);
        --task.local_refs;
        return;
    }
    task.leave_and_release();
}

/// The part of drop_handle() for all other cases.
void core_joined::leave_and_release() noexcept {
    const leaves left = leave();
    if (left == leaves::all) return drop_parted();
    if (left == leaves::outcome) drop_outcome();
    release(*this);
}

/// Destroys a parted task.
void core_joined::drop_parted() noexcept {
    if (ops().discard != nullptr) ops().discard(*this);
    ops().free_memory(*this);
}

core_joined::leaves core_joined::leave() noexcept {
    // acquire: as in settled_word().
    std::uint8_t word = join_word.load(std::memory_order_acquire);
    if ((word & (parted | parting)) != 0) {
        if ((word & parting) != 0) static_cast<void>(settled_word());  // it is parted then
        return leaves::all;
    }
    // A shared task is counted and will not be parted. Checked first: share_again() has cleared `shared`.
    if ((word & (complete | is_shared)) == (complete | is_shared)) return leaves::outcome;
    if (shared->is_running()) {
        if ((word & complete) != 0) return leaves::outcome;
        join_waker = waker();
        // relaxed: only the loop, which runs on this thread, also reads the word. Abort handles on other threads only
        // set `is_shared`, which is set already.
        join_word.store((word & ~has_waker) | gone, std::memory_order_relaxed);
        return leaves::nothing;
    }
    // The waker stays in the task. The loop drops it with the memory, or wakes it, which has no effect.
    // release: the handle no longer uses the task. acquire: as in settled_word(). relaxed for failures: the word is
    // loaded again.
    while (!join_word.compare_exchange_weak(word, word | gone, std::memory_order_acq_rel, std::memory_order_relaxed)) {
        word = settled_word();
        if ((word & parted) != 0) return leaves::all;
    }
    return (word & complete) != 0 ? leaves::outcome : leaves::nothing;
}

bool core_joined::is_finished(const joinable& task) noexcept {
    // acquire: as in poll_join().
    return (of(task).join_word.load(std::memory_order_acquire) & complete) != 0;
}

void core_joined::add_reference(joinable& joined) noexcept {
    core_joined& task = of(joined);
    // relaxed: the bit publishes no other data. If the caller copies an abort handle, the bit was set before the caller
    // received that handle.
    if ((task.join_word.load(std::memory_order_relaxed) & is_shared) == 0) {
        // acq_rel: either publish() sees the bit and does not part, or this call sees `parted`, and the task as
        // publish() left it. relaxed for failures: the word is loaded again.
        std::uint8_t word = task.settled_word();
        while (!task.join_word.compare_exchange_weak(word, word | is_shared, std::memory_order_acq_rel,
                                                     std::memory_order_relaxed)) {
            word = task.settled_word();
        }
        if ((word & parted) != 0) return task.share_again();
    }
    retain_core_task(task);
}

/// Converts a parted task, which only the handle references, back to a counted one. The loop may be gone, so all
/// references are counted in the remote word.
void core_joined::share_again() noexcept {
    is_merged = true;
    shared = nullptr;
    // relaxed, both: no other thread has access to the task yet.
    remote.store(merged + 2 * one_ref, std::memory_order_relaxed);
    join_word.store(complete | is_shared, std::memory_order_relaxed);
}

void core_joined::release(joinable& task) noexcept { release_core_task(of(task)); }

void core_joined::abort(joinable& joined) noexcept {
    core_joined& task = of(joined);
    // acquire: as in poll_join().
    std::uint8_t word = task.join_word.load(std::memory_order_acquire);
    if ((word & complete) != 0) return;
    if (!task.shared->is_running()) {
        // The task goes into the inbound list, so it must be counted from here on. If publish() set `parted` meanwhile,
        // the handle could free the task while it is in the list, or the loop could be gone. (If the caller is an abort
        // handle, the bit is set already.) acq_rel: either publish() sees the bit and does not part, or this sees
        // `complete`.
        while ((word & is_shared) == 0) {
            if (task.join_word.compare_exchange_weak(word, word | is_shared, std::memory_order_acq_rel,
                                                     std::memory_order_acquire))
                break;
            if ((word & complete) != 0) return;
        }
    }
    cancel_core_task(task);
}

void core_joined::report(unread_failure failure) noexcept {
    const std::string_view name = ops().name != nullptr ? ops().name(*this) : std::string_view();
    if (shared != nullptr && shared->is_running()) {
        shared->report(std::move(failure), spawned_at, name);
    } else {
        print_failure(failure, spawned_at, name);
    }
}

}  // namespace eddy::detail
