// SPDX-License-Identifier: MIT
#include "io/io_handle.hpp"

#include <cerrno>
#include <mutex>
#include <new>
#include <utility>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/error.hpp>

#include "core/this_thread.hpp"
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
    bool is_linked = false;  // its own links are the lock's from here on: the next source to come changes them
    {
        std::lock_guard guard(lock_);
        if (!is_shut_down_) {
            source->retain();  // the set's
            link(set_, *source);
            is_linked = true;
        }
    }
    if (!is_linked) {
        source->release();
        return std::unexpected(shutdown_error());
    }
    if (auto watched = driver_.watch(fd, source, wanted); !watched) {
        forget(*source);
        return std::unexpected(watched.error());
    }
    registered_.fetch_add(1, std::memory_order_relaxed);
    return source;
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

void io_handle::forget(scheduled_io& source) noexcept {
    bool was_in_set = false;
    {
        std::lock_guard guard(lock_);
        was_in_set = source.next != nullptr;
        if (was_in_set) unlink(source);
    }
    // The driver never knew it, so nothing has to wait for the end of a turn.
    if (was_in_set) source.release();
    source.release();
}

result<void> io_handle::remove_source(scheduled_io& source, int fd) noexcept {
    // In a forked child the epoll is the parent's own: its registrations are not ours to remove.
    const result<void> unwatched = is_in_child() ? result<void>() : driver_.unwatch(fd);
    std::size_t pending = 0;
    {
        std::lock_guard guard(lock_);
        if (source.next != nullptr) {  // else shut_down() has taken it out
            unlink(source);
            source.next = std::exchange(pending_release_, &source);
            pending = pending_count_.load(std::memory_order_relaxed) + 1;
            // relaxed: written under the lock; the turn that reads it without has a later chance.
            pending_count_.store(pending, std::memory_order_relaxed);
        }
    }
    source.clear_wakers();
    source.release();
    deregistered_.fetch_add(1, std::memory_order_relaxed);
    // relaxed: compared to this thread's own mark, which only this thread stores.
    if (pending >= wake_after_releases && turning_.load(std::memory_order_relaxed) != this_thread_mark()) wake();
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

result<std::size_t> io_handle::turn(max_wait timeout) noexcept {
    if (is_in_child()) return std::unexpected(shutdown_error());
    if (is_in_turn_) return std::unexpected(std::make_error_code(std::errc::resource_deadlock_would_occur));
    turning_.store(this_thread_mark(), std::memory_order_relaxed);
    release_pending();
    is_in_turn_ = true;
    auto count = driver_.turn(timeout, [](source_key key, io::ready what) {
        // SAFETY: the key is a source that add_source() has put into the set; it stays allocated until the next
        // release_pending(), which this thread alone calls.
        auto& source = *static_cast<scheduled_io*>(key);
        source.set_readiness(what);
        source.wake(what);
    });
    is_in_turn_ = false;
    if (count && *count != 0) ready_events_.fetch_add(*count, std::memory_order_relaxed);
    return count;
}

void io_handle::shut_down() noexcept {
    std::unique_lock guard(lock_);
    is_shut_down_ = true;
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

bool io_handle::is_in_child() const noexcept { return fork_generation_ != sys::fork_generation(); }

io_metrics io_handle::metrics() const noexcept {
    return {registered_.load(std::memory_order_relaxed), deregistered_.load(std::memory_order_relaxed),
            ready_events_.load(std::memory_order_relaxed)};
}

}  // namespace eddy::detail
