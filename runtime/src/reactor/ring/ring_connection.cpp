// SPDX-License-Identifier: MIT
#include "reactor/ring/ring_connection.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/error.hpp>

#include "reactor/ring/listener_source.hpp"
#include "reactor/ring/received_chunk.hpp"
#include "reactor/ring/ring_reactor.hpp"
#include "reactor/ring/send_buffer.hpp"
#include "reactor/ring/uring.hpp"
#include "sys/linger.hpp"
#include "sys/syscall.hpp"

namespace eddy::detail {
namespace {

// With this many unread chunks, the receive is stopped. The peer then waits, as it does when the receive buffer of a
// socket is full.
constexpr unsigned most_unread = 8;

// A large chunk is cheaper to read with recv(2) into a buffer that is in the processor's cache, as the epoll path
// does. The ring cycles through all of its buffers. So a streak of large chunks starts the large-transfer mode, and a
// streak of small reads ends it. Sizes in bytes.
constexpr std::size_t large_piece = 8 * 1024;
constexpr std::size_t small_piece = 2 * 1024;
constexpr unsigned large_streak = 8;
constexpr unsigned small_streak = 16;

// The time until the next check of a lingering stream whose time is over, but whose send buffer a ring is sending.
constexpr auto look_again = std::chrono::milliseconds(100);

}  // namespace

// A new stream is readable and writable: the first read finds that there is no receive and requests one, and a write is
// possible.
ring_connection::ring_connection(int fd, brings what) noexcept : scheduled_io(fd), what_(what) {
    set_readiness(io::ready::readable | io::ready::writable);
}

bool ring_connection::is_temporary(int error) noexcept {
    switch (error) {
    case EAGAIN:
    case EINTR:
    case ECANCELED:
    case ENOBUFS:
    case ENOMEM:
    case ENOSPC: return true;  // from epoll_ctl(2)
    default: return false;
    }
}

ring_connection::~ring_connection() {
    // end() has dropped the received data, except in a forked child. There an accepted connection is shared with the
    // parent and must not be reset.
    while (received_chunk* const left = pop_oldest()) {
        if (is_listener()) {
            sys::close(accepted_connection::take(*left).fd);
        } else {
            left->give_back();
        }
    }
    free_slot();
}

void ring_connection::destroy() noexcept { pool_delete(this); }

/// Asks the driver to serve the stream. Unlocks `guard` first, because the list belongs to the ring_reactor.
void ring_connection::request_service(ring_reactor& owner, std::unique_lock<spin_lock>&& guard) noexcept {
    if (has(posted)) return guard.unlock();
    set(posted);
    retain();  // the list's reference
    guard.unlock();
    owner.request_service(*this);
}

// ---- Reading ----

ring_connection::taken ring_connection::take(ring_reactor& owner, std::size_t room) noexcept {
    std::unique_lock guard(lock_);
    if (received_chunk* const chunk = pop_oldest()) {
        const bool is_last = newest_ == nullptr && end_ == 0 && has(receives);
        if (is_last && chunk->size() <= room) clear_readable();
        return {received::chunk, chunk};
    }
    if (end_ == end_of_stream) {
        const auto reset = reset_of_send();
        if (reset == would_block()) return {};
        return {reset ? received::error : received::end, nullptr, reset.value()};
    }
    if (end_ != 0) {
        const int error = std::exchange(end_, std::uint8_t{0});
        if (!is_temporary(error)) end_ = end_of_stream;
        return {received::error, nullptr, error};
    }
    if (has(receives)) return {};
    if (has(reads_itself) || has(more_wait)) {
        // Take the request back, so that the ring does not read as well. The wake-up of this task may be the only
        // report that the epoll gives of these bytes.
        clear(wants_receive);
        return {received::read_it_yourself, nullptr, 0, has(in_large_transfer_mode)};
    }
    if (!has(wants_receive)) begin_or_request(owner, std::move(guard));
    return {};
}

/// Starts a receive if this thread owns the ring. Otherwise asks the owner to start it. Unlocks `guard`.
void ring_connection::begin_or_request(ring_reactor& owner, std::unique_lock<spin_lock>&& guard) noexcept {
    set(wants_receive);
    uring* const ring = is_left_to_reader() ? nullptr : owner.own_ring();
    if (ring == nullptr) return request_service(owner, std::move(guard));
    guard.unlock();
    if (ring->receive(*this)) return;
    guard.lock();
    if (has(wants_receive)) request_service(owner, std::move(guard));
}

/// Returns whether the task reads without the ring. The caller holds the lock.
bool ring_connection::is_left_to_reader() const noexcept {
    return is_listener() ? has(reads_itself) : has(in_large_transfer_mode);
}

std::error_code ring_connection::has_read_end() noexcept {
    const std::lock_guard guard(lock_);
    return reset_of_send();
}

/// Removes the oldest chunk. Returns null if there is none. The caller holds the lock.
received_chunk* ring_connection::pop_oldest() noexcept {
    if (newest_ == nullptr) return nullptr;
    received_chunk* const oldest = newest_->next;
    if (oldest == newest_) {
        newest_ = nullptr;
    } else {
        newest_->next = oldest->next;
    }
    --queued_;
    return oldest;
}

bool ring_connection::has_chunk() noexcept {
    const std::lock_guard guard(lock_);
    return newest_ != nullptr;
}

received_chunk* ring_connection::take_chunk() noexcept {
    const std::lock_guard guard(lock_);
    return pop_oldest();
}

void ring_connection::put_back(received_chunk& rest) noexcept {
    const std::lock_guard guard(lock_);
    if (newest_ == nullptr) {
        rest.next = &rest;
        newest_ = &rest;
    } else {
        rest.next = std::exchange(newest_->next, &rest);
    }
    ++queued_;
}

std::size_t ring_connection::peek(std::span<std::byte> into) noexcept {
    const std::lock_guard guard(lock_);
    std::size_t count = 0;
    const received_chunk* chunk = newest_;
    for (unsigned left = queued_; left != 0; --left) {
        chunk = chunk->next;  // the oldest chunk first
        const std::size_t size = std::min(chunk->size(), into.size() - count);
        std::memcpy(into.data() + count, chunk->data(), size);
        count += size;
    }
    // Further bytes of a stopped receive are in the socket. No receive starts meanwhile, since that takes the lock.
    if (count == into.size() || has(receives) || end_ != 0) return count;
    const auto more = sys::peek(fd(), into.subspan(count));
    if (more) return count + *more;
    // The kernel reports an error once. Keep it for the next read that finds no bytes.
    if (!is_temporary(more.error().value())) end_ = static_cast<std::uint8_t>(more.error().value());
    return count;
}

void ring_connection::request_receive(ring_reactor& owner) noexcept {
    std::unique_lock guard(lock_);
    clear(more_wait);
    if (has(receives) || has(wants_receive)) return;
    if (has(in_large_transfer_mode) && has(reads_itself)) return;  // the epoll watches the stream
    begin_or_request(owner, std::move(guard));
}

void ring_connection::accepts_again() noexcept {
    const std::lock_guard guard(lock_);
    clear(reads_itself);
}

void ring_connection::has_read(std::size_t count) noexcept {
    const std::lock_guard guard(lock_);
    if (!has(in_large_transfer_mode)) return;
    if (!has_streak(count < small_piece, small_streak)) return;
    clear(in_large_transfer_mode);
    clear(reads_itself);  // the next read uses the ring
}

/// Returns whether this chunk starts the large-transfer mode. The caller holds the lock.
bool ring_connection::enters_large_transfer_mode(std::size_t count) noexcept {
    if (is_listener() || has(in_large_transfer_mode) || !has_streak(count >= large_piece, large_streak)) return false;
    set(in_large_transfer_mode);
    return true;
}

/// Counts an event of a streak, or ends the streak if `one_more` is false. Returns whether this is the `length`-th
/// event in a row. The caller holds the lock.
bool ring_connection::has_streak(bool one_more, unsigned length) noexcept {
    const unsigned so_far = one_more ? streak_ + 1u : 0;
    streak_ = static_cast<std::uint8_t>(so_far % length);
    return so_far == length;
}

void ring_connection::request_readiness(ring_reactor& owner) noexcept {
    // Load the readiness before the request, so that the readiness of a later event is not cleared.
    const auto seen = look(read_side);
    {
        const std::lock_guard guard(lock_);
        if (newest_ != nullptr || end_ != 0 || has(receives) || has(wants_receive) || has(reads_itself)) return;
    }
    clear_blocked(seen);
    request_receive(owner);
}

bool ring_connection::stop_receiving(ring_reactor& owner) noexcept {
    std::unique_lock guard(lock_);
    clear(wants_receive);
    if (!has(receives)) return true;
    set(wants_stop);
    request_service(owner, std::move(guard));
    return false;
}

void ring_connection::drop_received() noexcept {
    received_chunk* chunk = std::exchange(newest_, nullptr);
    for (; queued_ != 0; --queued_) std::exchange(chunk, chunk->next)->give_back();
}

// ---- Closing ----

std::error_code ring_connection::take_error() noexcept {
    const std::lock_guard guard(lock_);
    const int of_reading = std::exchange(end_, std::uint8_t{0});
    const auto of_writing = take_send_error();
    // The end of the stream is not reported: the descriptor reports it again.
    const bool is_told = of_reading != 0 && of_reading != end_of_stream && !is_temporary(of_reading);
    return is_told ? system_error(of_reading) : of_writing;
}

ring_connection::end_action ring_connection::end(bool is_copy_in_child) noexcept {
    std::unique_lock guard(lock_);
    const auto dropped = take_wakers();  // destroyed after the lock was released
    const auto action = is_copy_in_child ? end_action::close : end_transfers();
    if (action == end_action::close) set(gone);
    guard.unlock();
    return action;
}

/// Drops the received data and a request for a receive, and sends the queued bytes. Returns the next step of the
/// caller. The caller holds the lock.
ring_connection::end_action ring_connection::end_transfers() noexcept {
    set(closing);
    clear(wants_receive);
    drop_received();
    if (slot_ != nullptr && slot_->where == send_buffer::place::queued) send_now();
    if (has_unsent() && slot_->where != send_buffer::place::submitted && sys::is_reset_at_close(fd()))
        reset_and_drop_rest();
    if (has_unsent()) return end_action::wait_for_send;
    return has(receives) ? end_action::cancel_first : end_action::close;
}

bool ring_connection::leave_to_driver(ring_reactor& owner) noexcept {
    std::unique_lock guard(lock_);
    if (!has_unsent() && !has(receives)) return true;
    set(wants_close);
    if (has(receives)) set(wants_stop);
    if (has_unsent()) await_slot();
    request_service(owner, std::move(guard));
    return false;
}

void ring_connection::linger(std::chrono::steady_clock::time_point until) noexcept {
    const std::lock_guard guard(lock_);
    if (slot_ != nullptr) slot_->linger_until = until;
}

bool ring_connection::give_up(std::chrono::steady_clock::time_point now,
                              std::chrono::steady_clock::time_point& earliest) noexcept {
    const std::lock_guard guard(lock_);
    if (!has(wants_close) || has(gone) || slot_ == nullptr) return false;
    if (slot_->linger_until > now) {
        earliest = std::min(earliest, slot_->linger_until);
        return false;
    }
    if (slot_->where != send_buffer::place::blocked) {  // being sent: the outcome is processed soon
        earliest = std::min(earliest, now + look_again);
        return false;
    }
    reset_and_drop_rest();
    return !has(receives);
}

bool ring_connection::give_up_now() noexcept {
    const std::lock_guard guard(lock_);
    if (has_unsent()) {
        if (slot_->where == send_buffer::place::submitted) {
            await_slot();
            return false;
        }
        reset_and_drop_rest();
    }
    return !has(receives);
}

/// Makes the close reset the connection, and drops the unsent bytes. The caller holds the lock.
void ring_connection::reset_and_drop_rest() noexcept {
    // Otherwise the peer would take the part that it has received for the whole data.
    sys::reset_at_close(fd());
    slot_->begin = slot_->end;
    if (slot_->where == send_buffer::place::blocked) free_slot();
}

bool ring_connection::mark_gone() noexcept {
    const std::lock_guard guard(lock_);
    if (has(gone)) return false;
    set(gone);
    return true;
}

bool ring_connection::is_closing() noexcept {
    const std::lock_guard guard(lock_);
    return has(wants_close);
}

// ---- The driver ----

ring_connection::wanted ring_connection::take_wanted() noexcept {
    const std::lock_guard guard(lock_);
    const bool has_ended = !has(receives) && !has_unsent();
    const wanted found{has(wants_receive), is_left_to_reader(), has(wants_stop) && has(receives),
                       has(wants_close) && has_ended && !has(gone)};
    clear(wants_stop);
    clear(posted);
    return found;
}

bool ring_connection::wants_stop_again() noexcept {
    const std::lock_guard guard(lock_);
    if (!has(receives)) return false;
    set(wants_stop);
    // Another thread may have posted the stream since take_wanted(). It is then in the list by the same link, and is
    // served from there.
    if (has(posted)) return false;
    set(posted);
    return true;
}

ring_connection::begun ring_connection::begin_receive() noexcept {
    const std::lock_guard guard(lock_);
    // If the request was taken back meanwhile, the task reads the socket itself.
    const bool is_wanted = has(wants_receive) && !has(receives) && !has(closing);
    clear(wants_receive);
    if (!is_wanted) return {false, false};
    clear(reads_itself);
    set(receives);
    retain();  // the operation's reference
    const bool was_watched = has(is_watched);
    clear(is_watched);
    clear(missed);
    return {true, was_watched};
}

bool ring_connection::read_itself() noexcept {
    const std::lock_guard guard(lock_);
    const bool has_missed = has(missed);
    clear(missed);
    clear(wants_receive);
    set(reads_itself);
    set(is_watched);
    return has_missed;
}

void ring_connection::fail(const std::error_code& error) noexcept {
    if (is_runtime_shutdown(error)) return shut_down();
    std::unique_lock guard(lock_);
    end_ = static_cast<std::uint8_t>(error.value());
    set_readiness(io::ready::readable);
    wake_unlocked(std::move(guard), io::ready::readable);
}

bool ring_connection::begin_stop() noexcept {
    const std::lock_guard guard(lock_);
    if (!has(receives) || has(stops)) return false;
    set(stops);
    return true;
}

void ring_connection::stop_failed() noexcept {
    const std::lock_guard guard(lock_);
    clear(stops);
}

void ring_connection::lose_ring(const ring_reactor& owner) noexcept {
    std::unique_lock guard(lock_);
    // A receive writes into buffers of the ring. An accept writes into the listener.
    const bool releases = has(receives) && !is_listener();
    clear(receives);
    clear(stops);
    if (slot_ != nullptr && slot_->sender == &owner) slot_->where = send_buffer::place::blocked;
    guard.unlock();
    if (releases) release();
}

bool ring_connection::deliver(received_chunk& chunk) noexcept {
    std::unique_lock guard(lock_);
    if (has(closing)) {
        guard.unlock();
        chunk.give_back();
        return false;
    }
    push_newest(chunk);
    const bool is_enough = (enters_large_transfer_mode(chunk.size()) || queued_ >= most_unread) && !has(stops);
    // A reference for the caller, because a waker may destroy the stream. A waker may also destroy a listener of this
    // ring. stop_now() then dispatches all completions, which may include the last one of this receive.
    if (is_enough) retain();
    set_readiness(io::ready::readable);
    wake_unlocked(std::move(guard), io::ready::readable);
    return is_enough;
}

/// Appends a chunk to the queue. The caller holds the lock.
void ring_connection::push_newest(received_chunk& chunk) noexcept {
    if (newest_ == nullptr) {
        chunk.next = &chunk;
    } else {
        chunk.next = std::exchange(newest_->next, &chunk);
    }
    newest_ = &chunk;
    ++queued_;
}

operation_end ring_connection::receive_ended(int result) noexcept {
    io::ready now = io::ready::readable;
    std::unique_lock guard(lock_);
    const bool was_cancelled = has(stops);
    clear(receives);
    clear(stops);
    if (result == 0) {
        end_ = end_of_stream;
        now |= io::ready::read_closed;
    } else if (result == -ENOBUFS) {
        if (!has(in_large_transfer_mode))
            set(reads_itself);  // else read_itself() sets it, once the epoll watches the stream
    } else if (result < 0 && !is_temporary(-result)) {
        end_ = static_cast<std::uint8_t>(-result);
        now |= io::ready::read_closed | io::ready::error;
    }
    const bool closes = has(wants_close) && !has(gone) && !has_unsent();
    set_readiness(now);
    wake_unlocked(std::move(guard), now);
    return {closes, was_cancelled};
}

operation_end ring_connection::accept_ended(received_chunk* connection, int result, bool others_wait) noexcept {
    std::unique_lock guard(lock_);
    const bool was_cancelled = has(stops);
    clear(receives);
    clear(stops);
    if (others_wait) set(more_wait);
    // accept(2) will report the error.
    if (result < 0 && result != -ECANCELED) set(reads_itself);
    const bool is_too_late = has(closing);
    if (connection != nullptr && !is_too_late) push_newest(*connection);
    const bool closes = has(wants_close) && !has(gone);
    set_readiness(io::ready::readable);
    wake_unlocked(std::move(guard), io::ready::readable);
    if (connection != nullptr && is_too_late) connection->give_back();
    return {closes, was_cancelled};
}

void ring_connection::report(io::ready what) noexcept {
    std::unique_lock guard(lock_);
    if (has(gone)) return;
    if (has(receives) && what.intersects(read_side)) {
        set(missed);
        what -= read_side;  // the ring reports these
    }
    ring_reactor* closing_owner = nullptr;
    if (slot_ != nullptr) {
        ring_reactor* const owner = slot_->owner;
        if (slot_->where == send_buffer::place::blocked) send_now();
        if (slot_->where == send_buffer::place::blocked && slot_->is_empty()) {
            free_slot();
            shut_down_if_requested();
            clear(writer_waits);
            what |= io::ready::writable;
            if (has(wants_close) && !has(receives)) closing_owner = owner;
        } else if (what.intersects(io::ready::writable)) {
            what -= io::ready::writable;
            set(writer_waits);  // reported when the send buffer is free
        }
    }
    if (!what.is_empty()) set_readiness(what);
    wake_unlocked(std::move(guard), what);
    if (closing_owner != nullptr) closing_owner->finish_closing(*this);
}

}  // namespace eddy::detail
