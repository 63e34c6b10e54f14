// SPDX-License-Identifier: MIT
#include "reactor/io_handle.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <mutex>
#include <new>
#include <span>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/error.hpp>

#include "reactor/ring/listener_source.hpp"
#include "reactor/ring/uring.hpp"
#include "sys/fd.hpp"

namespace eddy::detail {
namespace {

// As in Tokio: wake the event loop after this many removals, so that released sources do not accumulate while it
// sleeps.
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

/// Adds to a counter that has one writer at a time, so it needs no read-modify-write.
void count(atomic<std::uint64_t>& figure, std::uint64_t more) noexcept {
    // release: pairs with the acquire in load(). The load is relaxed, since only this writer changes the value.
    figure.store(figure.load(std::memory_order_relaxed) + more, std::memory_order_release);
}

// The time for which a destroyed stream is kept, to send written data that the peer does not accept yet.
#ifndef EDDY_LINGER_LIMIT_MS
#define EDDY_LINGER_LIMIT_MS 30'000  // tests use less
#endif
constexpr auto linger_limit = std::chrono::milliseconds(EDDY_LINGER_LIMIT_MS);

io::interest interest_of(std::uint8_t watched) noexcept {
    constexpr std::uint8_t urgent = ring_connection::for_all | ring_connection::for_large_transfers;
    io::interest wanted = io::interest::writable;
    if ((watched & (ring_connection::for_reading | urgent)) != 0) wanted = wanted | io::interest::readable;
    if ((watched & urgent) != 0) wanted = wanted | io::interest::priority;
    return wanted;
}

}  // namespace

result<io_handle*> io_handle::make(driver_kind kind, std::size_t max_events) noexcept try {
    auto driver = readiness_driver::make(kind, max_events);
    if (!driver) return std::unexpected(driver.error());
    std::unique_ptr<io_handle, releasing> made(new io_handle(std::move(*driver), kind));
    if (kind == driver_kind::io_uring) {
        if (auto created = made->ring_.create(*made); !created) return std::unexpected(created.error());
    }
    return made.release();
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

io_handle::io_handle(readiness_driver&& driver, driver_kind kind) : driver_(std::move(driver)), kind_(kind) {
    set_.previous = &set_;
    set_.next = &set_;
}

io_handle::~io_handle() { release_pending(); }

void io_handle::retain() noexcept { references_.add(); }

void io_handle::release() noexcept {
    if (references_.drop()) delete this;
}

void io_handle::check_other_loop(const context& cx) const {
    if (loop_thread_ != this_thread_mark() || !this_thread.stops_other_loops) return;
    throw misuse(
        "a socket or descriptor belongs to another event loop of this thread, in which it was awaited first or was "
        "made. That loop does not run while this thread waits here, so the wait would never end: use the socket in one "
        "event loop only, or run the other loop on a thread of its own (core_thread)",
        cx.where());
}

result<scheduled_io*> io_handle::add_source(int fd, io::interest wanted) noexcept try {
    if (is_in_child()) return std::unexpected(shutdown_error());
    rearming_driver* const rearming = driver_.rearming();
    scheduled_io* const source = rearming == nullptr ? pool_new<scheduled_io>() : pool_new<rearmed_io>(fd, *rearming);
    const auto added = [&]() -> result<void> {
        // The lock also covers the system call: shut_down() closes the driver under it.
        std::lock_guard guard(lock_);
        if (is_shut_down()) return std::unexpected(shutdown_error());
        if (auto watched = driver_.watch(fd, source, wanted); !watched) return watched;
        source->retain();  // the set's reference
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
    source.clear_wakers();
    return take_out(source, fd);
}

/// Removes the source from the driver and from the set, and releases the caller's reference.
result<void> io_handle::take_out(scheduled_io& source, int fd) noexcept {
    result<void> unwatched;
    std::size_t pending = 0;
    bool is_awaited_last = false;
    std::uint32_t references = 1;
    {
        std::lock_guard guard(lock_);
        const bool is_watched = !source.is_stream() || std::exchange(ring_connection::of(source).watched,
                                                                     ring_connection::never_again) != std::uint8_t{0};
        // In a forked child the epoll is shared with the parent, whose registrations must stay.
        if (source.is_composite()) {
            unwatched = unwatch_all(composite_io::of(source));
        } else {
            if (is_watched && may_use_driver()) unwatched = driver_.unwatch(fd);
            count(deregistered_, 1);
        }
        if (source.next != nullptr) {  // else shut_down() has already unlinked it
            unlink(source);
            if (is_watched) {
                source.next = std::exchange(pending_release_, &source);
                // relaxed: written under the lock. A tick that misses the value without the lock sees it next time.
                pending = pending_count_.load(std::memory_order_relaxed) + 1;
                pending_count_.store(pending, std::memory_order_relaxed);
            } else {
                // The epoll has never watched it, so no tick is dispatching it: also release the set's reference.
                references += 1;
            }
        }
        is_awaited_last = wakes_when_idle_ && set_.next == &set_;
    }
    source.release(references);
    // relaxed: compared with this thread's own mark, which only this thread stores.
    const bool turns_here = holds_driver_lock() || owner_.load(std::memory_order_relaxed) == this_thread_mark();
    if (is_awaited_last || (pending >= wake_after_releases && !turns_here)) wake();
    return unwatched;
}

result<void> io_handle::watch_again(scheduled_io& source, int fd, io::interest wanted) noexcept {
    const std::lock_guard guard(lock_);
    if (is_shut_down() || is_in_child()) return std::unexpected(shutdown_error());
    return driver_.watch_again(fd, &source, wanted);
}

// ---- Sources that add their descriptors themselves ----

result<composite_io*> io_handle::add_composite() noexcept try {
    if (is_in_child()) return std::unexpected(shutdown_error());
    auto* const source = pool_new<composite_io>(driver_.rearming());
    {
        const std::lock_guard guard(lock_);
        if (!is_shut_down()) {
            source->retain();  // the set's reference
            link(set_, *source);
            return source;
        }
    }
    source->release();
    return std::unexpected(shutdown_error());
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

result<void> io_handle::add_part(composite_io& source, int fd, io::interest wanted) noexcept try {
    const std::lock_guard guard(lock_);
    if (is_shut_down() || is_in_child()) return std::unexpected(shutdown_error());
    source.reserve_one();
    // SAFETY: the key must be a scheduled_io*, since poll_events() casts it back to that type.
    if (auto watched = driver_.watch(fd, static_cast<scheduled_io*>(&source), wanted); !watched) return watched;
    source.add(fd);
    count(registered_, 1);
    return ok();
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

result<void> io_handle::change_part(composite_io& source, int fd, io::interest wanted) noexcept {
    const std::lock_guard guard(lock_);  // also for the search: a removal must not come between
    if (!source.has(fd)) return std::unexpected(std::make_error_code(std::errc::no_such_file_or_directory));
    if (is_shut_down() || is_in_child()) return std::unexpected(shutdown_error());
    return driver_.watch_again(fd, static_cast<scheduled_io*>(&source), wanted);
}

result<void> io_handle::remove_part(composite_io& source, int fd) noexcept {
    const std::lock_guard guard(lock_);
    if (!source.has(fd)) return std::unexpected(std::make_error_code(std::errc::no_such_file_or_directory));
    source.remove(fd);
    count(deregistered_, 1);
    return may_use_driver() ? driver_.unwatch(fd) : ok();
}

/// Removes all descriptors of the source from the driver. The caller holds the lock.
result<void> io_handle::unwatch_all(composite_io& source) noexcept {
    result<void> answer = ok();
    for (const int fd : source.take_all()) {
        count(deregistered_, 1);
        if (!may_use_driver()) continue;
        if (auto unwatched = driver_.unwatch(fd); !unwatched && answer) answer = unwatched;
    }
    return answer;
}

void io_handle::release_pending() noexcept {
    // relaxed: see take_out().
    if (pending_count_.load(std::memory_order_relaxed) == 0) return;
    source_link* pending = nullptr;
    {
        std::lock_guard guard(lock_);
        pending = std::exchange(pending_release_, nullptr);
        pending_count_.store(0, std::memory_order_relaxed);
    }
    while (pending != nullptr) {
        // SAFETY: the list contains only scheduled_io objects, each with the reference of the set.
        auto& source = static_cast<scheduled_io&>(*std::exchange(pending, pending->next));
        source.release();
    }
}

// ---- Streams ----

result<ring_connection*> io_handle::add_stream(int fd, ring_connection::brings what) noexcept try {
    if (is_in_child()) return std::unexpected(shutdown_error());
    ring_connection* const stream =
        what == ring_connection::brings::connections ? pool_new<listener_source>(fd) : pool_new<ring_connection>(fd);
    {
        std::lock_guard guard(lock_);
        if (!is_shut_down()) {
            link(set_, *stream);
            count(registered_, 1);
            return stream;
        }
    }
    stream->release(2);
    return std::unexpected(shutdown_error());
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

result<bool> io_handle::watch_stream(ring_connection& stream, std::uint8_t what) noexcept {
    std::lock_guard guard(lock_);
    if (is_shut_down() || is_in_child()) return std::unexpected(shutdown_error());
    if (stream.watched == ring_connection::never_again) {
        return std::unexpected(std::make_error_code(std::errc::bad_file_descriptor));
    }
    const auto wanted = static_cast<std::uint8_t>(stream.watched | what);
    if (wanted == stream.watched) return false;
    // SAFETY: the key must be a scheduled_io*, since poll_events() casts it back to that type.
    const source_key key = static_cast<scheduled_io*>(&stream);
    const auto done = stream.watched == 0 ? driver_.watch(stream.fd(), key, interest_of(wanted))
                                          : driver_.watch_again(stream.fd(), key, interest_of(wanted));
    if (!done) return std::unexpected(done.error());
    stream.watched = wanted;
    return true;
}

result<bool> io_handle::watch_writing(scheduled_io& source, int fd) noexcept {
    if (source.is_stream()) return watch_stream(ring_connection::of(source), ring_connection::for_writing);
    std::lock_guard guard(lock_);
    if (is_shut_down() || is_in_child()) return std::unexpected(shutdown_error());
    if (source.is_watched_for_writing) return false;
    constexpr auto all_kinds = io::interest::readable | io::interest::writable | io::interest::priority;
    if (const auto done = driver_.watch_again(fd, &source, all_kinds); !done) return std::unexpected(done.error());
    source.is_watched_for_writing = true;
    return true;
}

void io_handle::close_stream(ring_connection& stream) noexcept {
    // In a forked child, the operations in flight belong to the parent.
    const auto action = stream.end(is_in_child());
    if (action == ring_connection::end_action::close) return close_gone(stream);
    retain();  // until finish_closing()
    if (action == ring_connection::end_action::cancel_first) {
        if (uring* const ring = own_ring(); ring != nullptr && ring->stop_now(stream)) return finish_closing(stream);
    }
    stream.retain();  // another thread may close it immediately
    const bool has_ended = stream.leave_to_driver(*this);
    const bool waits = action == ring_connection::end_action::wait_for_send;
    // Close the stream here if no other thread will. A full socket that cannot be watched is never reported as
    // writable. shut_down() closes only the streams that it finds in this state, so after shut_down() only this thread
    // can close the stream.
    const bool is_left_alone =
        !has_ended && (is_shut_down() || (waits && !watch_stream(stream, ring_connection::for_writing)));
    if (has_ended || (is_left_alone && stream.give_up_now())) {
        finish_closing(stream);
    } else if (waits) {
        linger(stream);
    }
    stream.release();
}

/// Starts the linger timeout: a peer that accepts no more data must not keep the socket open forever.
void io_handle::linger(ring_connection& stream) noexcept {
    const auto until = std::chrono::steady_clock::now() + linger_limit;
    stream.linger(until);
    {
        std::lock_guard guard(lock_);
        // relaxed: written only under the lock.
        if (linger_until_.load(std::memory_order_relaxed) <= until) return;
        // seq_cst: the store of a store-load pair, see wake_if_driven_elsewhere().
        linger_until_.store(until, std::memory_order_seq_cst);
    }
    wake_if_driven_elsewhere();
}

/// Limits `timeout` to the time when the first lingering stream is given up.
void io_handle::wait_for_lingering(max_wait& timeout) const noexcept {
    // seq_cst: the load of a store-load pair, see wake_if_driven_elsewhere().
    const auto until = linger_until_.load(std::memory_order_seq_cst);
    if (until == time_point::max()) return;
    const std::chrono::nanoseconds left =
        std::max(until - std::chrono::steady_clock::now(), time_point::duration::zero());
    timeout = shorter(timeout, left);
}

/// In the tick: gives up the lingering streams whose time is over. This is rare, so it searches the set and keeps
/// no list.
void io_handle::give_up_lingering() noexcept {
    // relaxed: a value that this load misses is seen in the next tick, for which linger() has sent a wake-up.
    const auto until = linger_until_.load(std::memory_order_relaxed);
    if (until == time_point::max()) return;
    const auto now = std::chrono::steady_clock::now();
    if (until > now) return;
    std::unique_lock guard(lock_);
    for (;;) {
        auto next = time_point::max();
        std::array<ring_connection*, 64> given_up;  // several per search, since each search walks the whole set
        std::size_t found = 0;
        for (auto* link = set_.next; link != &set_ && found != given_up.size(); link = link->next) {
            // SAFETY: the set contains only scheduled_io objects. The lock keeps them linked, and a linked one is
            // alive.
            auto& source = static_cast<scheduled_io&>(*link);
            if (!source.is_stream() || !ring_connection::of(source).give_up(now, next)) continue;
            source.retain();  // another thread may close it meanwhile
            given_up[found++] = &ring_connection::of(source);
        }
        // relaxed: only this thread loads it without the lock.
        if (found == 0) return linger_until_.store(next, std::memory_order_relaxed);
        guard.unlock();
        for (ring_connection* const each : std::span(given_up).first(found)) {
            finish_closing(*each);
            each->release();
        }
        guard.lock();
    }
}

void io_handle::finish_closing(ring_connection& stream) noexcept {
    if (!stream.mark_gone()) return;
    close_gone(stream);
    release();
}

void io_handle::close_gone(ring_connection& stream) noexcept {
    const int fd = stream.fd();
    static_cast<void>(take_out(stream, fd));  // may free the stream
    sys::close(fd);
}

void io_handle::request_service(ring_connection& stream) noexcept {
    if (posted_.post(stream)) return wake_if_driven_elsewhere();
    static_cast<void>(stream.take_wanted());
    stream.release();
}

/// Wakes the thread that runs the ticks, after work was left for it. If that is this thread, it does the work
/// before it sleeps.
void io_handle::wake_if_driven_elsewhere() noexcept {
    // seq_cst, like the store before this call, and like the store of owner_ in tick() and the loads after it
    // (serve_requested(), wait_for_lingering()). Each thread stores its word and then loads the other's. With weaker
    // orders, this thread could still see itself as the owner, while the thread that has taken over the ticks misses
    // the work and sleeps.
    if (owner_.load(std::memory_order_seq_cst) != this_thread_mark()) wake();
}

/// In the tick: serves all posted streams. Returns whether the tick must not sleep.
bool io_handle::serve_requested() noexcept {
    bool has_news = false;
    posted_.take_each([&](ring_connection& each) { has_news |= serve(each); });
    return has_news;
}

/// Serves the requests of the stream. Returns whether the tick must not sleep. It must not sleep if a waker was called,
/// because the waker may have queued a task on this thread. It must not sleep either if the ring had no free entry,
/// because there are free entries after the tick has submitted the others.
bool io_handle::serve(ring_connection& stream) noexcept {
    bool has_news = false;
    uring* const ring = own_ring();
    const auto wanted = stream.take_wanted();
    if (wanted.close) finish_closing(stream);
    if (wanted.receive) {
        if (ring == nullptr || wanted.itself || !ring->receive(stream)) {
            stream.read_itself();
            const bool in_large_transfer_mode = wanted.itself && !stream.is_listener();
            const auto what =
                in_large_transfer_mode ? ring_connection::for_large_transfers : ring_connection::for_reading;
            const auto watched = watch_stream(stream, what);
            if (!watched) stream.fail(watched.error());
            // If the epoll has already watched the connection, earlier readiness events were left to the ring. So
            // report readiness now.
            const bool is_left_to_tell = in_large_transfer_mode && watched && !*watched;
            if (is_left_to_tell) stream.on_ready(*this, io::ready::readable);
            has_news = !watched || is_left_to_tell;
        }
    }
    if (wanted.stop && (ring == nullptr || !ring->stop(stream)) && stream.wants_stop_again()) {
        posted_.post_for_later(stream);      // the ring has no free entry now
        return has_news || ring != nullptr;  // the list keeps the reference
    }
    stream.release();
    return has_news;
}

void io_handle::unwatch_reading(ring_connection& stream) noexcept {
    std::lock_guard guard(lock_);
    constexpr std::uint8_t reading = ring_connection::for_reading | ring_connection::for_large_transfers;
    if (stream.watched == ring_connection::never_again || (stream.watched & reading) == 0 || is_shut_down()) return;
    const auto left = static_cast<std::uint8_t>((stream.watched & ~reading) | ring_connection::for_writing);
    // SAFETY: see watch_stream().
    if (driver_.watch_again(stream.fd(), static_cast<scheduled_io*>(&stream), interest_of(left))) stream.watched = left;
}

// ---- The ring ----

/// In the tick: makes this thread the owner of the ring, if it has no owner. Without a ring, everything uses the
/// epoll.
void io_handle::prepare_ring() noexcept {
    if (!ring_.can_be_acquired() || is_shut_down()) return;
    ring_.acquire(*this, driver_.native_handle(), driver_.beside_ring().waker_handle());
}

bool io_handle::may_wait_outside() noexcept {
    if (has_streams() && !ring_.is_given_up() && !is_in_child()) give_up_ring();
    return !has_pending_wake_ && posted_.is_empty();
}

/// Retires the ring: from now on, all connections use the epoll. Deferred work of a ring (IORING_SETUP_DEFER_TASKRUN)
/// makes the ring's descriptor readable, but does not wake a thread that is already in poll(2) (Linux 6.18). So another
/// event loop cannot wait for a ring.
void io_handle::give_up_ring() noexcept {
    retire_ring();
    if (driver_lock_.lock() != driver_lock::outcome::locked) return;
    ring_.give_up();
    route_wake_ups(false);
    unlock_driver();
}

std::optional<std::chrono::steady_clock::time_point> io_handle::linger_deadline() const noexcept {
    // relaxed: a thread that sets it wakes the driver, unless it is this thread.
    const auto until = linger_until_.load(std::memory_order_relaxed);
    return until == time_point::max() ? std::nullopt : std::optional(until);
}

/// In the tick: routes wake-ups to where this thread is about to sleep: the ring if this thread owns it, else the
/// epoll.
void io_handle::route_wake_ups(bool by_ring) noexcept {
    if (by_ring == wakes_by_ring_) return;
    wakes_by_ring_ = by_ring;
    driver_.beside_ring().enable_wake_ups(!by_ring);
}

result<std::size_t> io_handle::turn_ring(uring& ring, max_wait timeout) noexcept {
    if (is_shut_down()) return std::unexpected(shutdown_error());
    release_pending();
    const auto turned = ring.tick(timeout);
    if (!turned) return std::unexpected(turned.error());
    if (turned->events != 0) count(ready_events_, turned->events);
    if (turned->was_woken) driver_.beside_ring().take_wake();
    if (!turned->epoll_is_ready) return turned->events;
    auto polled = poll_events(std::chrono::nanoseconds::zero());
    if (!polled) return polled;
    // The ring does not report events that did not fit.
    if (driver_.beside_ring().was_full()) ring.look_at_epoll_again();
    *polled += turned->events;
    return polled;
}

void io_handle::flush_ring() noexcept {
    uring* const ring = own_ring();
    if (ring == nullptr || driver_lock_.lock() != driver_lock::outcome::locked) return;
    ring->flush();
    unlock_driver();
}

void io_handle::retire_ring() noexcept {
    if (own_ring() != nullptr) ring_.retire();
}

result<std::size_t> io_handle::tick(max_wait timeout, max_wait alarm) noexcept {
    if (is_in_child()) return std::unexpected(shutdown_error());
    switch (driver_lock_.lock()) {
    case driver_lock::outcome::locked: break;
    case driver_lock::outcome::is_closed: return std::unexpected(shutdown_error());
    case driver_lock::outcome::is_held_here:
        return std::unexpected(std::make_error_code(std::errc::resource_deadlock_would_occur));
    case driver_lock::outcome::is_busy:
        return std::unexpected(std::make_error_code(std::errc::device_or_resource_busy));
    }
    // seq_cst: see wake_if_driven_elsewhere(). Usually the mark is already there. relaxed: compared with the own
    // mark.
    if (owner_.load(std::memory_order_relaxed) != this_thread_mark()) {
        owner_.store(this_thread_mark(), std::memory_order_seq_cst);
    }
    if (has_pending_wake_) timeout = std::chrono::nanoseconds::zero();
    if (alarm) driver_.set_alarm(*alarm);
    if (has_streams()) {
        prepare_ring();
        if (serve_requested()) timeout = std::chrono::nanoseconds::zero();
        wait_for_lingering(timeout);
    }
    uring* const ring = own_ring();
    route_wake_ups(ring != nullptr);
    auto count = ring != nullptr ? turn_ring(*ring, timeout) : poll_events(timeout);
    has_pending_wake_ = false;
    if (has_streams()) give_up_lingering();
    unlock_driver();
    return count;
}

std::optional<result<std::size_t>> io_handle::tick_for_busy_owner() noexcept {
    if (!try_lock_driver()) return std::nullopt;
    auto count = poll_events(std::chrono::nanoseconds::zero());
    unlock_driver();
    return count;
}

void io_handle::set_alarm(std::chrono::nanoseconds delay) noexcept { driver_.set_alarm(delay); }

/// Passes an event to its source. Not inlined: the loop around it needs so many registers that `what` would be stored
/// as a byte and loaded as a word, which stalls.
[[gnu::noinline]] void io_handle::dispatch(source_key key, io::ready what) noexcept {
    // SAFETY: the key is a source that add_source() or watch_stream() has passed to the driver. It stays allocated
    // until the next release_pending(), which only the holder of the driver lock calls.
    auto& source = *static_cast<scheduled_io*>(key);
    if (source.is_stream()) return ring_connection::of(source).on_ready(*this, what);
    source.report(what);
}

result<std::size_t> io_handle::poll_events(max_wait timeout) noexcept {
    // A thread that misses the flag is woken: see close_driver_lock().
    if (is_shut_down()) return std::unexpected(shutdown_error());
    release_pending();
    const auto turned = driver_.tick(timeout, [this](source_key key, io::ready what) { dispatch(key, what); });
    if (!turned) return std::unexpected(turned.error());
    if (turned->was_woken) has_pending_wake_ = true;
    if (turned->events != 0) count(ready_events_, turned->events);
    return turned->events;
}

/// Locks the driver lock permanently.
void io_handle::close_driver_lock() noexcept {
    if (is_in_child()) return driver_lock_.close_in_child();
    EDDY_ASSERT(!holds_driver_lock(), "a driver was shut down inside its own tick");
    if (driver_lock_.try_close()) return;
    // After this wake-up no tick sleeps:
    // - Until a tick has consumed the wake-up, each tick finds it pending and returns immediately.
    // - The thread whose tick consumes the wake-up sees is_shut_down_, which was set before.
    // - If tick_for_busy_owner() consumes the wake-up, the owner sees is_shut_down_ in its next tick.
    driver_.wake();
    while (!driver_lock_.try_close()) yield_thread();
}

void io_handle::shut_down() noexcept {
    retire_ring();
    {
        std::lock_guard guard(lock_);
        if (is_shut_down()) return;
        // relaxed: see is_shut_down() and poll_events().
        is_shut_down_.store(true, std::memory_order_relaxed);
    }
    close_driver_lock();
    std::unique_lock guard(lock_);
    // No tick is running, and registrations and removals hold the lock. A forked child leaves the driver open until
    // the io_handle is destroyed: the driver's own lock may have been locked at the fork.
    if (!is_in_child()) {
        driver_.close();
        driver_is_closed_ = true;
        ring_.destroy_unowned();
    }
    while (set_.next != &set_) {
        // SAFETY: the set contains only scheduled_io objects, each with the reference of the set.
        auto& source = static_cast<scheduled_io&>(*set_.next);
        unlink(source);
        guard.unlock();
        if (ring_.is_lost() && source.is_stream()) ring_connection::of(source).lose_ring(*this);
        source.shut_down();
        // A destroyed stream no longer waits for its send, and nothing is received, since the ring is gone. A forked
        // child only closes its descriptor: the parent continues with the connection.
        if (source.is_stream() && ring_connection::of(source).is_closing() &&
            (is_in_child() || ring_connection::of(source).give_up_now())) {
            finish_closing(ring_connection::of(source));
        }
        source.release();
        guard.lock();
    }
    guard.unlock();
    posted_.close([](ring_connection& each) {
        static_cast<void>(each.take_wanted());
        each.release();
    });
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
    // acquire: pairs with the release in count(), so that a removal is not seen without its registration.
    const auto gone = deregistered_.load(std::memory_order_acquire);
    return static_cast<std::size_t>(registered_.load(std::memory_order_relaxed) - gone);
}

io_metrics io_handle::metrics() const noexcept {
    // relaxed: statistics only.
    return {registered_.load(std::memory_order_relaxed), deregistered_.load(std::memory_order_relaxed),
            ready_events_.load(std::memory_order_relaxed), given_up_.load(std::memory_order_relaxed)};
}

}  // namespace eddy::detail
