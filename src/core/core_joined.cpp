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

bool core_joined::publish() noexcept {
    // acq_rel: release, for poll_join() on another thread; acquire, for the waker that was left there.
    const std::uint8_t before = join_word.fetch_or(complete, std::memory_order_acq_rel);
    if ((before & gone) != 0) return true;
    if ((before & has_waker) != 0) std::exchange(join_waker, waker()).wake();
    return false;
}

bool core_joined::leave() noexcept {
    // The waker is left to the loop, which drops it with the memory, or wakes it for nothing.
    if (shared->is_running()) {
        const std::uint8_t word = join_word.load(std::memory_order_relaxed);  // as in poll_join()
        if ((word & complete) != 0) return true;
        join_waker = waker();
        join_word.store(gone, std::memory_order_relaxed);
        return false;
    }
    return (join_word.fetch_or(gone, std::memory_order_acq_rel) & complete) != 0;
}

bool core_joined::is_finished(const joinable& task) noexcept {
    return (of(task).join_word.load(std::memory_order_acquire) & complete) != 0;
}

void core_joined::add_reference(joinable& task) noexcept { retain_core_task(of(task)); }
void core_joined::release(joinable& task) noexcept { release_core_task(of(task)); }
void core_joined::abort(joinable& task) noexcept { cancel_core_task(of(task)); }

void core_joined::report(std::exception_ptr thrown) noexcept {
    if (shared->is_running()) {
        shared->report(std::move(thrown), spawned_at);
    } else {
        print_uncaught(thrown, spawned_at);
    }
}

}  // namespace eddy::detail
