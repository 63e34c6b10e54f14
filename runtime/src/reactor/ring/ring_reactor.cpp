// SPDX-License-Identifier: MIT
#include "reactor/ring/ring_reactor.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <new>
#include <span>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/error.hpp>

#include "reactor/ring/listener_source.hpp"
#include "reactor/ring/uring.hpp"
#include "sys/fd.hpp"

namespace eddy::detail {
namespace {

/// SAFETY: the lists of a ring_reactor contain only ring connections. Its lock keeps them linked, and a linked one is
/// alive.
ring_connection& connection_of(source_link& link) noexcept { return static_cast<ring_connection&>(link); }

constexpr io::interest for_reading = io::interest::readable | io::interest::writable;

}  // namespace

// ---- Connections ----

result<ring_connection*> ring_reactor::add(int fd, ring_connection::brings what) noexcept try {
    ring_connection* const stream =
        what == ring_connection::brings::connections ? pool_new<listener_source>(fd) : pool_new<ring_connection>(fd);
    const auto added = sources_.add_unwatched(*stream, connections_);
    if (added) return stream;
    stream->release();
    return std::unexpected(added.error());
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

void ring_reactor::close(ring_connection& stream) noexcept {
    // In a forked child, the operations in flight belong to the parent.
    const auto action = stream.end(sources_.is_in_child());
    if (action == ring_connection::end_action::close) return close_gone(stream);
    sources_.retain();  // until finish_closing()
    if (action == ring_connection::end_action::cancel_first) {
        if (uring* const ring = own_ring(); ring != nullptr && ring->stop_now(stream)) return finish_closing(stream);
    }
    stream.retain();  // another thread may close it immediately
    const bool has_ended = stream.leave_to_driver(*this);
    const bool waits = action == ring_connection::end_action::wait_for_send;
    // Close the connection here if no other thread will. A full socket that cannot be watched is never reported as
    // writable. end() closes only the connections that it finds in this state, so after the shutdown only this thread
    // can close it.
    const bool is_left_alone =
        !has_ended && (sources_.is_shut_down() || (waits && !sources_.watch_more(stream, io::interest::writable)));
    if (has_ended || (is_left_alone && stream.give_up_now())) {
        finish_closing(stream);
    } else if (waits) {
        linger(stream);
    }
    stream.release();
}

void ring_reactor::finish_closing(ring_connection& stream) noexcept {
    if (!stream.mark_gone()) return;
    close_gone(stream);
    sources_.release();
}

void ring_reactor::close_gone(ring_connection& stream) noexcept {
    const int fd = stream.fd();
    static_cast<void>(sources_.remove_source(stream));  // may free the connection
    sys::close(fd);
}

// ---- Lingering: destroyed connections with unsent data ----

/// Starts the linger timeout: a peer that accepts no more data must not keep the socket open forever.
void ring_reactor::linger(ring_connection& stream) noexcept {
    const auto until = std::chrono::steady_clock::now() + linger_time;
    stream.linger(until);
    {
        const std::lock_guard guard(sources_.lock());
        // relaxed: written only under the lock.
        if (linger_until_.load(std::memory_order_relaxed) <= until) return;
        // seq_cst: the store of a store-load pair, see driver_lock::is_driven_elsewhere().
        linger_until_.store(until, std::memory_order_seq_cst);
    }
    sources_.wake_if_driven_elsewhere();
}

/// Limits `timeout` to the time when the first lingering connection is given up.
void ring_reactor::wait_for_lingering(max_wait& timeout) const noexcept {
    // seq_cst: the load of a store-load pair, see driver_lock::is_driven_elsewhere().
    const auto until = linger_until_.load(std::memory_order_seq_cst);
    if (until == time_point::max()) return;
    const std::chrono::nanoseconds left =
        std::max(until - std::chrono::steady_clock::now(), time_point::duration::zero());
    timeout = shorter(timeout, left);
}

/// Gives up the lingering connections whose time is over. This is rare, so it searches the set and keeps no list.
void ring_reactor::give_up_lingering() noexcept {
    // relaxed: a value that this load misses is seen in the next tick, for which linger() has sent a wake-up.
    const auto until = linger_until_.load(std::memory_order_relaxed);
    if (until == time_point::max()) return;
    const auto now = std::chrono::steady_clock::now();
    if (until > now) return;
    std::unique_lock guard(sources_.lock());
    for (;;) {
        auto next = time_point::max();
        std::array<ring_connection*, 64> given_up;  // several per search, since each search walks the whole set
        std::size_t found = 0;
        for (const source_list* const list : {&connections_, &posted_}) {
            for (auto* link = list->next; link != list && found != given_up.size(); link = link->next) {
                ring_connection& stream = connection_of(*link);
                if (!stream.give_up(now, next)) continue;
                stream.retain();  // another thread may close it meanwhile
                given_up[found++] = &stream;
            }
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

std::optional<std::chrono::steady_clock::time_point> ring_reactor::linger_deadline() const noexcept {
    // relaxed: a thread that sets it wakes the driver, unless it is this thread.
    const auto until = linger_until_.load(std::memory_order_relaxed);
    return until == time_point::max() ? std::nullopt : std::optional(until);
}

// ---- Posted connections ----

void ring_reactor::request_service(scheduled_io& stream) noexcept {
    if (sources_.is_in_child()) return;  // there are no ticks, and the lock may be locked forever
    {
        const std::lock_guard guard(sources_.lock());
        // After a shutdown, end() ends all connections. A connection that is closed meanwhile is in no list.
        if (sources_.is_shut_down() || stream.previous == nullptr) return;
        source_list::remove(stream);
        posted_.push_back(stream);
        // seq_cst: the store of a store-load pair, see driver_lock::is_driven_elsewhere().
        has_posted_.store(true, std::memory_order_seq_cst);
    }
    sources_.wake_if_driven_elsewhere();
}

/// Serves all posted connections. Returns whether the tick must not sleep.
bool ring_reactor::serve_posted() noexcept {
    // seq_cst: the load of a store-load pair, see driver_lock::is_driven_elsewhere().
    if (!has_posted_.load(std::memory_order_seq_cst)) return false;
    bool has_news = false;
    source_list served;  // without those that are posted meanwhile
    std::unique_lock guard(sources_.lock());
    served.take_all(posted_);
    has_posted_.store(false, std::memory_order_relaxed);  // relaxed: written under the lock
    while (!served.is_empty()) {
        ring_connection& stream = connection_of(*served.next);
        source_list::remove(stream);
        connections_.push_back(stream);
        stream.retain();  // another thread may close it meanwhile
        guard.unlock();
        has_news |= serve(stream);
        stream.release();
        guard.lock();
    }
    return has_news;
}

/// Serves the requests of the connection. Returns whether the tick must not sleep. It must not sleep if a waker was
/// called, because the waker may have queued a task on this thread. It must not sleep either if the ring had no free
/// entry, because there are free entries after the tick has submitted the others.
bool ring_reactor::serve(ring_connection& stream) noexcept {
    bool has_news = false;
    uring* const ring = own_ring();
    const auto wanted = stream.take_wanted();
    if (wanted.close) finish_closing(stream);
    if (wanted.receive && (ring == nullptr || wanted.itself || !ring->receive(stream))) {
        has_news = read_by_epoll(stream, wanted.itself && !stream.is_listener());
    }
    if (wanted.stop && (ring == nullptr || !ring->stop(stream)) && stream.wants_stop_again()) {
        request_service(stream);  // the ring has no free entry now
        has_news |= ring != nullptr;
    }
    return has_news;
}

/// Lets the reader read without the ring. Returns whether a waker was called.
bool ring_reactor::read_by_epoll(ring_connection& stream, bool in_large_transfer_mode) noexcept {
    const bool must_look = stream.read_itself();
    const auto watched =
        sources_.watch_more(stream, in_large_transfer_mode ? for_reading | io::interest::priority : for_reading);
    if (!watched) {
        stream.fail(watched.error());
        return true;
    }
    // An epoll that begins to watch the connection reports what is there.
    if (*watched || !must_look) return false;
    stream.report(io::ready::readable);
    return true;
}

// ---- The ring ----

result<std::size_t> ring_reactor::wait(max_wait timeout) noexcept {
    acquire_ring();
    if (serve_posted()) timeout = std::chrono::nanoseconds::zero();
    wait_for_lingering(timeout);
    uring* const ring = own_ring();
    route_wake_ups(ring != nullptr);
    auto count = ring != nullptr ? tick(*ring, timeout) : sources_.poll_events(timeout);
    give_up_lingering();
    return count;
}

/// Makes this thread the owner of the ring, if it has no owner. Without a ring, everything uses the epoll.
void ring_reactor::acquire_ring() noexcept {
    if (!host_.can_be_acquired() || sources_.is_shut_down()) return;
    readiness_driver& driver = sources_.driver();
    host_.acquire(*this, driver.native_handle(), driver.beside_ring()->waker_handle());
}

/// Routes wake-ups to where this thread is about to sleep: the ring if this thread owns it, else the epoll.
void ring_reactor::route_wake_ups(bool by_ring) noexcept {
    if (by_ring == wakes_by_ring_) return;
    wakes_by_ring_ = by_ring;
    sources_.driver().beside_ring()->enable_wake_ups(!by_ring);
}

result<std::size_t> ring_reactor::tick(uring& ring, max_wait timeout) noexcept {
    if (sources_.is_shut_down()) return std::unexpected(make_error_code(errc::runtime_shutdown));
    sources_.release_pending();
    const auto ticked = ring.tick(timeout);
    if (!ticked) return std::unexpected(ticked.error());
    sources_.counters().add_events(ticked->events);
    if (ticked->was_woken) sources_.driver().beside_ring()->take_wake();
    if (!ticked->epoll_is_ready) return ticked->events;
    auto polled = sources_.poll_events(std::chrono::nanoseconds::zero());
    if (!polled) return polled;
    // The ring does not report events that did not fit.
    if (sources_.driver().beside_ring()->was_full()) ring.look_at_epoll_again();
    *polled += ticked->events;
    return polled;
}

void ring_reactor::flush() noexcept { own_ring()->flush(); }

void ring_reactor::retire() noexcept {
    if (own_ring() != nullptr) host_.retire();
}

void ring_reactor::give_up() noexcept {
    host_.give_up();
    route_wake_ups(false);
}

void ring_reactor::end() noexcept {
    const bool is_in_child = sources_.is_in_child();
    if (!is_in_child) host_.destroy_unowned();
    std::unique_lock guard(sources_.lock());
    connections_.take_all(posted_);
    while (!connections_.is_empty()) {
        ring_connection& stream = connection_of(*connections_.next);
        source_list::remove(stream);
        guard.unlock();
        if (host_.is_lost()) stream.lose_ring(*this);
        stream.shut_down();
        // A destroyed stream no longer waits for its send, and nothing is received, since the ring is gone. A forked
        // child only closes its descriptor: the parent continues with the connection.
        if (stream.is_closing() && (is_in_child || stream.give_up_now())) finish_closing(stream);
        stream.release();
        guard.lock();
    }
}

}  // namespace eddy::detail
