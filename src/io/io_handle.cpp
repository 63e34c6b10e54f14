// SPDX-License-Identifier: MIT
#include "io/io_handle.hpp"

#include <cerrno>
#include <chrono>
#include <mutex>
#include <new>
#include <utility>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/yield_thread.hpp>
#include <eddy/error.hpp>

#include "sys/fork.hpp"

namespace eddy::detail {
namespace {

// As in Tokio: so many released sources are worth a wake-up, so that they do not pile up while the loop sleeps.
constexpr std::size_t wake_after_releases = 16;

std::error_code shutdown_error() noexcept { return make_error_code(errc::runtime_shutdown); }

void link(source_link& ring, source_link& added) noexcept {
    added.next = &ring;
    added.previous = std::exchange(ring.previous, &added);
    added.previous->next = &added;
}

void unlink(source_link& taken) noexcept {
    taken.previous->next = taken.next;
    taken.next->previous = taken.previous;
    taken.next = nullptr;
}

/// Adds to a figure that has one writer at a time, so it is no read-modify-write.
void count(atomic<std::uint64_t>& figure, std::uint64_t more) noexcept {
    // release: pairs with load(). All else that reads it reads a number only.
    figure.store(figure.load(std::memory_order_relaxed) + more, std::memory_order_release);
}

}  // namespace

result<io_handle*> io_handle::make(driver_kind) noexcept {
    auto driver = epoll::make();
    if (!driver) return std::unexpected(driver.error());
    try {
        return new io_handle(std::move(*driver));
    } catch (const std::bad_alloc&) {
        return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
    }
}

io_handle::io_handle(epoll&& driver) : driver_(std::move(driver)), fork_generation_(sys::fork_generation()) {
    set_.previous = &set_;
    set_.next = &set_;
}

io_handle::~io_handle() { release_pending(); }

void io_handle::retain() noexcept {
    // relaxed: whoever makes a reference has one already.
    references_.fetch_add(1, std::memory_order_relaxed);
}

void io_handle::release() noexcept {
    // acq_rel: the last one out sees all that the others did before they let go.
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

result<scheduled_io*> io_handle::add_source(int fd, io::interest wanted) noexcept try {
    if (is_in_child()) return std::unexpected(shutdown_error());
    scheduled_io* const source = pool_new<scheduled_io>();
    const auto added = [&]() -> result<void> {
        // Also around the system call: shut_down() closes the driver when it has the lock.
        std::lock_guard guard(lock_);
        if (is_shut_down()) return std::unexpected(shutdown_error());
        if (auto watched = driver_.watch(fd, source, wanted); !watched) return watched;
        source->retain();  // the set's
        link(set_, *source);
        count(registered_, 1);
        return ok();
    }();
    if (added) return source;
    source->release();
    return std::unexpected(added.error());
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

result<void> io_handle::remove_source(scheduled_io& source, int fd) noexcept {
    result<void> unwatched;
    std::size_t pending = 0;
    bool is_awaited_last = false;
    {
        std::lock_guard guard(lock_);
        // In a forked child the epoll is the parent's own: its registrations are not ours to remove. After shut_down()
        // there is none.
        if (!is_in_child() && driver_.native_handle() >= 0) unwatched = driver_.unwatch(fd);
        if (source.next != nullptr) {  // else shut_down() has taken it out
            unlink(source);
            source.next = std::exchange(pending_release_, &source);
            pending = pending_count_.load(std::memory_order_relaxed) + 1;
            // relaxed: written under the lock; the turn that reads it without has a later chance.
            pending_count_.store(pending, std::memory_order_relaxed);
        }
        count(deregistered_, 1);
        is_awaited_last = wakes_when_idle_ && set_.next == &set_;
    }
    source.clear_wakers();
    source.release();
    // relaxed: compared to this thread's own mark, which only this thread stores.
    const bool turns_here = is_in_turn() || owner_.load(std::memory_order_relaxed) == this_thread_mark();
    if (is_awaited_last || (pending >= wake_after_releases && !turns_here)) wake();
    return unwatched;
}

void io_handle::release_pending() noexcept {
    if (pending_count_.load(std::memory_order_relaxed) == 0) return;
    source_link* pending = nullptr;
    {
        std::lock_guard guard(lock_);
        pending = std::exchange(pending_release_, nullptr);
        pending_count_.store(0, std::memory_order_relaxed);
    }
    while (pending != nullptr) {
        // SAFETY: only scheduled_io objects are put into this list, each with the reference that the set had.
        auto& source = static_cast<scheduled_io&>(*std::exchange(pending, pending->next));
        source.release();
    }
}

result<std::size_t> io_handle::turn(max_wait timeout, max_wait alarm) noexcept {
    if (is_in_child()) return std::unexpected(shutdown_error());
    for (;;) {
        const turn_word holder = begin_turn(this_mark());
        if (holder == nobody) break;
        if (holder == closed) return std::unexpected(shutdown_error());
        if ((holder & ~visit) == this_mark()) {
            return std::unexpected(std::make_error_code(std::errc::resource_deadlock_would_occur));
        }
        if ((holder & visit) == 0) return std::unexpected(std::make_error_code(std::errc::device_or_resource_busy));
        yield_thread();  // a visit: one look, and what it hands out
    }
    owner_.store(this_thread_mark(), std::memory_order_relaxed);
    if (wake_is_owed_) timeout = std::chrono::nanoseconds::zero();
    if (alarm) driver_.set_alarm(*alarm);
    auto count = poll_events(timeout);
    wake_is_owed_ = false;
    end_turn();
    return count;
}

std::optional<result<std::size_t>> io_handle::turn_for_other() noexcept {
    if (is_in_child() || !try_begin_turn()) return std::nullopt;
    auto count = poll_events(std::chrono::nanoseconds::zero());
    end_turn();
    return count;
}

result<std::size_t> io_handle::poll_events(max_wait timeout) noexcept {
    // Whoever misses it is woken: see close_turns().
    if (is_shut_down()) return std::unexpected(shutdown_error());
    release_pending();
    const auto turned = driver_.turn(timeout, [](source_key key, io::ready what) {
        // SAFETY: the key is a source that add_source() has put into the set; it stays allocated until the next
        // release_pending(), which only whoever has the turn calls.
        auto& source = *static_cast<scheduled_io*>(key);
        source.set_readiness(what);
        source.wake(what);
    });
    if (!turned) return std::unexpected(turned.error());
    if (turned->was_woken) wake_is_owed_ = true;
    if (turned->events != 0) count(ready_events_, turned->events);
    return turned->events;
}

/// Takes the turn, for good.
void io_handle::close_turns() noexcept {
    if (is_in_child()) {
        // Whoever had the turn has stayed in the parent.
        turn_.store(closed, std::memory_order_relaxed);
        return;
    }
    EDDY_ASSERT(!is_in_turn(), "a driver was shut down from inside its own turn");
    if (begin_turn(closed) == nobody) return;
    // No later turn sleeps. Whoever ends a turn because of this wake-up, or looks in after a visit that has found it, sees
    // is_shut_down_, which was set before; and while nobody has found it, none can fall asleep.
    driver_.wake();
    while (begin_turn(closed) != nobody) yield_thread();
}

void io_handle::shut_down() noexcept {
    {
        std::lock_guard guard(lock_);
        if (is_shut_down()) return;
        // relaxed: see is_shut_down() and poll_events().
        is_shut_down_.store(true, std::memory_order_relaxed);
    }
    close_turns();
    std::unique_lock guard(lock_);
    // Nobody is in a turn, and what is registered or removed holds the lock. (A child leaves it open until it goes itself: the
    // driver's own lock may have been held when it was forked.)
    if (!is_in_child()) driver_.close();
    while (set_.next != &set_) {
        auto& source = static_cast<scheduled_io&>(*set_.next);
        unlink(source);
        guard.unlock();
        source.shut_down();
        source.release();
        guard.lock();
    }
    guard.unlock();
    release_pending();
}

bool io_handle::is_idle() const noexcept {
    std::lock_guard guard(lock_);
    return set_.next == &set_;
}

void io_handle::wake_when_idle() noexcept {
    std::lock_guard guard(lock_);
    wakes_when_idle_ = true;
}

std::size_t io_handle::load() const noexcept {
    // acquire: pairs with the release in count(), so that of a source that was removed the registration is seen, too.
    const auto gone = deregistered_.load(std::memory_order_acquire);
    return static_cast<std::size_t>(registered_.load(std::memory_order_relaxed) - gone);
}

bool io_handle::is_in_child() const noexcept { return fork_generation_ != sys::fork_generation(); }

io_metrics io_handle::metrics() const noexcept {
    return {registered_.load(std::memory_order_relaxed), deregistered_.load(std::memory_order_relaxed),
            ready_events_.load(std::memory_order_relaxed)};
}

}  // namespace eddy::detail
