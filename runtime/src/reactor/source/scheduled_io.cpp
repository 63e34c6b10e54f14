// SPDX-License-Identifier: MIT
#include "reactor/source/scheduled_io.hpp"

#include <mutex>
#include <utility>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/operation_guard.hpp>

#include "sync/wake_list.hpp"

namespace eddy::detail {
namespace {

bool has_answer(const io::ready_event& seen) noexcept { return !seen.ready.is_empty() || seen.is_shutdown; }

}  // namespace

void scheduled_io::release(std::uint32_t count) noexcept {
    if (references_.drop(count)) destroy();
}

void scheduled_io::destroy() noexcept { pool_delete(this); }
void scheduled_io::rearm(io::ready) noexcept {}

/// Changes the word. The caller holds the lock.
void scheduled_io::store(bool is_shutdown, std::uint16_t tick, io::ready now) noexcept {
    // release: pairs with the acquire in look(). Also if readiness is cleared: the rest was set by another thread, and
    // look() synchronizes only with the store that it reads.
    word_.store(readiness_word::pack(is_shutdown, tick, now), std::memory_order_release);
}

void scheduled_io::set_readiness(io::ready what) noexcept {
    const auto now = look(io::ready::all);
    store(now.is_shutdown, static_cast<std::uint16_t>(now.tick + 1), now.ready | what);
}

void scheduled_io::report(io::ready what) noexcept {
    std::unique_lock guard(lock_);
    set_readiness(what);
    wake_unlocked(std::move(guard), what);
}

void scheduled_io::shut_down() noexcept {
    std::unique_lock guard(lock_);
    const auto now = look(io::ready::all);
    store(true, now.tick, now.ready);
    wake_unlocked(std::move(guard), io::ready::all);
}

void scheduled_io::clear_readiness(io::ready_event seen) noexcept {
    clear(seen, seen.ready - (io::ready::read_closed | io::ready::write_closed));
}

void scheduled_io::clear_blocked(io::ready_event seen) noexcept { clear(seen, seen.ready); }

void scheduled_io::clear(io::ready_event seen, io::ready over) noexcept {
    {
        const std::lock_guard guard(lock_);
        const auto now = look(io::ready::all);
        if (now.tick != seen.tick) return;  // a newer event; keep it
        store(now.is_shutdown, now.tick, now.ready - over);
    }
    rearm(over);
}

void scheduled_io::clear_readable() noexcept {
    const auto now = look(io::ready::all);
    if (may_cut_short(now.ready)) return;
    store(now.is_shutdown, now.tick, now.ready - io::ready::readable);
}

poll_result<io::ready_event> scheduled_io::poll_ready(direction way, context& cx, const wait_record* owner) {
    if (const auto seen = look(side_of(way)); has_answer(seen)) return seen;
    return wait(way, cx, owner);
}

poll_result<io::ready_event> scheduled_io::wait(direction way, context& cx, const wait_record* owner) {
    // Clone before the lock, and drop the former waker after it: both may run user-provided code.
    eddy::waker mine = cx.waker();
    std::unique_lock guard(lock_);
    if (const auto seen = look(side_of(way)); has_answer(seen)) return seen;
    waker_slot& kept = slot_of(way);
    const wait_record* const first = kept.owner.load(std::memory_order_relaxed);
    const bool is_of_cleanup = (of_cleanup_ >> static_cast<int>(way) & 1) != 0;
    if (first != nullptr && first != owner && !kept.waker.will_wake(mine) &&
        !gives_way(kept.waker, is_of_cleanup, aborted_tasks::all)) [[unlikely]] {
        // SAFETY: a future leaves the slot, under the lock, before its record is destroyed.
        const auto waits_at = source_location_of(first->polled_at());
        guard.unlock();
        throw_two_operations(
            way == direction::read
                ? "two tasks read from one socket or pipe at the same time (or accept on one listener), "
                  "and only one of them would be woken: let one task read for all"
                : "two tasks write to one socket or pipe at the same time, and only one of them would be "
                  "woken: use a sync::mutex, or a channel and one task that writes",
            waits_at, cx.where());
    }
    note_cleanup(way, mine);
    kept.waker.swap(mine);
    // relaxed, as each access of `owner`: it is stored under the lock. Without the lock, a future only compares it with
    // its own address, which only the thread that polls the future stores.
    kept.owner.store(owner, std::memory_order_relaxed);
    return not_ready;
}

/// Preconditions: the lock is held.
void scheduled_io::note_cleanup(direction way, const eddy::waker& task) noexcept {
    const int bit = 1 << static_cast<int>(way);
    of_cleanup_ = static_cast<std::uint8_t>(wakes_aborted_task(task) ? of_cleanup_ | bit : of_cleanup_ & ~bit);
}

void scheduled_io::own_slot(direction way, const waker& mine, const wait_record* owner) noexcept {
    const std::lock_guard guard(lock_);
    waker_slot& kept = slot_of(way);
    // relaxed: see wait().
    if (kept.owner.load(std::memory_order_relaxed) == nullptr && !kept.waker.is_noop() && kept.waker.will_wake(mine))
        kept.owner.store(owner, std::memory_order_relaxed);
}

void scheduled_io::leave_slot(direction way, const wait_record* owner) noexcept {
    waker_slot& kept = slot_of(way);
    // relaxed, here and below: see wait().
    if (kept.owner.load(std::memory_order_relaxed) != owner) return;
    eddy::waker dropped;
    std::lock_guard guard(lock_);
    if (kept.owner.load(std::memory_order_relaxed) != owner) return;
    kept.owner.store(nullptr, std::memory_order_relaxed);
    kept.waker.swap(dropped);
}

const wait_record* scheduled_io::owner() const noexcept {
    // relaxed: called by the owner of the socket. A pending future here is a misuse by the same owner.
    const wait_record* const reader = reader_.owner.load(std::memory_order_relaxed);
    return reader != nullptr ? reader : writer_.owner.load(std::memory_order_relaxed);
}

poll_result<io::ready_event> scheduled_io::poll_waiter(io_waiter& waiter, context& cx) {
    const io::ready mask = io::ready::mask_of(waiter.wanted);
    eddy::waker mine = cx.waker();
    std::lock_guard guard(lock_);
    if (const auto seen = look(mask); has_answer(seen)) return seen;
    waiter.wake.swap(mine);
    if (!waiter.is_listed) waiters_.push_back(waiter);
    return not_ready;
}

void scheduled_io::unlink(io_waiter& waiter) noexcept {
    std::lock_guard guard(lock_);
    waiters_.remove(waiter);
}

void scheduled_io::wake_unlocked(std::unique_lock<spin_lock>&& held, io::ready what) noexcept {
    eddy::waker reader = take_slot(direction::read, what);
    eddy::waker writer = take_slot(direction::write, what);
    const bool has_waiters = waiters_.front() != nullptr;
    held.unlock();
    std::move(reader).wake();
    std::move(writer).wake();
    if (has_waiters) [[unlikely]]
        wake_waiters(what);
}

/// Takes the waker of this direction, if `what` concerns it. The caller holds the lock.
eddy::waker scheduled_io::take_slot(direction way, io::ready what) noexcept {
    waker_slot& kept = slot_of(way);
    if (!what.intersects(side_of(way)) || kept.waker.is_noop()) return {};
    kept.owner.store(nullptr, std::memory_order_relaxed);  // relaxed: see wait()
    return std::move(kept.waker);
}

void scheduled_io::wake_waiters(io::ready what) noexcept {
    wake_list taken;
    std::unique_lock guard(lock_);
    for (io_waiter* each = waiters_.front(); each != nullptr;) {
        if (taken.is_full()) {
            guard.unlock();
            taken.wake_all();
            guard.lock();
            each = waiters_.front();  // the list may have changed; the waiters that were taken are not in it
            continue;
        }
        io_waiter& current = *std::exchange(each, waiters_.after(*each));
        if (!what.satisfies(current.wanted)) continue;
        waiters_.remove(current);
        taken.push(std::move(current.wake));
    }
}

void scheduled_io::clear_wakers() noexcept {
    std::unique_lock guard(lock_);
    const auto dropped = take_wakers();
    guard.unlock();
}

/// Takes the wakers of both waker slots. The caller holds the lock, and drops the wakers after the unlock.
scheduled_io::wakers scheduled_io::take_wakers() noexcept {
    // relaxed: see wait().
    reader_.owner.store(nullptr, std::memory_order_relaxed);
    writer_.owner.store(nullptr, std::memory_order_relaxed);
    return {std::move(reader_.waker), std::move(writer_.waker)};
}

}  // namespace eddy::detail
