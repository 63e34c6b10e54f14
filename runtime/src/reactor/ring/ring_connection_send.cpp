// SPDX-License-Identifier: MIT
#include "reactor/ring/ring_connection.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <eddy/error.hpp>

#include "reactor/ring/ring_reactor.hpp"
#include "reactor/ring/send_buffer.hpp"
#include "reactor/ring/uring.hpp"
#include "sys/iovec_list.hpp"
#include "sys/linger.hpp"
#include "sys/syscall.hpp"

// The writing direction of a ring connection. send_buffer describes the send buffer and its states.

namespace eddy::detail {

// ---- Writing ----

result<std::size_t> ring_connection::write(ring_reactor& owner, uring* ring, send_list from) noexcept {
    std::size_t size = 0;
    for (const auto& each : from) size += each.size();
    std::unique_lock guard(lock_);
    if (send_error_ != 0 || slot_ != nullptr) return append(owner, from, size, std::move(guard));
    // Allocates under the lock. Only the reader and the ring's owner also take it, which usually run on this thread.
    send_buffer* const slot =
        ring != nullptr && size <= send_buffer::most ? send_buffer::make(*this, owner, size) : nullptr;
    if (slot == nullptr) {
        guard.unlock();
        return write_directly(owner, from);
    }
    for (const auto& each : from) slot->append(each);
    queue(*ring, *slot, std::move(guard));
    return size;
}

result<std::size_t> ring_connection::write_leased(ring_reactor& owner, uring* ring, io::leased_buffer& lease,
                                                  std::span<const std::byte> from) noexcept {
    if (ring == nullptr || from.size() < send_buffer::least_leased || from.size() > send_buffer::most_leased) {
        return write(owner, ring, std::span(&from, 1));
    }
    std::unique_lock guard(lock_);
    if (send_error_ != 0 || slot_ != nullptr) return append(owner, std::span(&from, 1), from.size(), std::move(guard));
    send_buffer* const slot = send_buffer::make(*this, owner, lease, from);
    if (slot == nullptr) {
        guard.unlock();
        return write_directly(owner, std::span(&from, 1));
    }
    queue(*ring, *slot, std::move(guard));
    return from.size();
}

/// Appends to the send buffer, or reports an error. Unlocks `guard`.
/// Preconditions: there is a send buffer or an error.
result<std::size_t> ring_connection::append(ring_reactor& owner, send_list from, std::size_t size,
                                            std::unique_lock<spin_lock>&& guard) noexcept {
    if (send_error_ == was_shut_down) return std::unexpected(system_error(EPIPE));
    if (const auto error = take_send_error()) return std::unexpected(error);
    if (slot_->where == send_buffer::place::queued) {
        if (slot_->make_room(size)) {
            for (const auto& each : from) slot_->append(each);
            return size;
        }
        const auto count = send_behind_slot(from);
        if (count || count.error() != would_block()) return count;
    }
    const auto awaited = await_slot(owner, std::move(guard));
    return std::unexpected(awaited ? would_block() : awaited.error());
}

/// Sends the send buffer's bytes and then `from` directly, because `from` does not fit into it. Returns how
/// many bytes of `from` were sent. The caller holds the lock.
result<std::size_t> ring_connection::send_behind_slot(send_list from) noexcept {
    const std::size_t before = slot_->rest().size();
    const iovec_list list(slot_->rest(), from);
    const auto count = sys::send_vectored(fd(), list.get());
    if (!count) {
        if (is_temporary(count.error().value())) return std::unexpected(would_block());
        slot_->drop_front(before);
        return count;
    }
    slot_->drop_front(std::min(*count, before));
    if (*count <= before) return std::unexpected(would_block());
    return *count - before;
}

/// Returns the error of a send that was not reported yet, if any. The caller holds the lock.
std::error_code ring_connection::take_send_error() noexcept {
    if (send_error_ == 0 || send_error_ == was_shut_down) return {};
    return system_error(std::exchange(send_error_, std::uint8_t{0}));
}

/// Passes the send buffer to the ring. Unlocks `guard`.
void ring_connection::queue(uring& ring, send_buffer& slot, std::unique_lock<spin_lock>&& guard) noexcept {
    slot.sender = &ring.owner();  // under the lock, as everything that other threads access: see lose_ring()
    slot_ = &slot;
    retain();  // the queue's reference
    guard.unlock();
    ring.queue(slot);
}

result<std::size_t> ring_connection::write_directly(ring_reactor& owner, send_list from) noexcept {
    const iovec_list list(from);
    auto count = list.get().size() == 1 ? sys::send(fd(), iovec_list::bytes_of(list.get()[0]))
                                        : sys::send_vectored(fd(), list.get());
    if (count || count.error() != would_block()) return count;
    // From here on the epoll reports writability, also if the socket already is writable.
    if (auto added = owner.sources().watch_more(*this, io::interest::writable); !added)
        return std::unexpected(added.error());
    return count;
}

result<bool> ring_connection::flush(ring_reactor& owner) noexcept {
    std::unique_lock guard(lock_);
    if (slot_ != nullptr && slot_->where == send_buffer::place::queued) send_now();
    if (const auto error = take_send_error()) return std::unexpected(error);
    return is_sent(owner, std::move(guard));
}

result<bool> ring_connection::finish_sending(ring_reactor& owner) noexcept {
    std::unique_lock guard(lock_);
    if (slot_ != nullptr && slot_->where == send_buffer::place::queued) send_now();
    return is_sent(owner, std::move(guard));
}

/// Returns whether everything was sent. If not, "writable" is reported once the rest was sent. Unlocks `guard`.
result<bool> ring_connection::is_sent(ring_reactor& owner, std::unique_lock<spin_lock>&& guard) noexcept {
    if (!has_unsent()) return true;
    if (const auto awaited = await_slot(owner, std::move(guard)); !awaited) return std::unexpected(awaited.error());
    return false;
}

bool ring_connection::shut_down_when_sent() noexcept {
    const std::lock_guard guard(lock_);
    if (send_error_ == 0) send_error_ = was_shut_down;
    if (slot_ != nullptr && slot_->where == send_buffer::place::queued) send_now();
    if (!has_unsent()) return true;
    set(shuts_down);
    await_slot();
    return false;
}

/// Makes the stream report "writable" once its send buffer is free.
/// Preconditions: the caller holds the stream's lock; there is a send buffer.
void ring_connection::await_slot() noexcept {
    set(writer_waits);
    // The thread that owns the ring may still be sleeping in the system call that has sent the buffer. It would process
    // the result only after that call. Wake it under the lock: after the unlock, that thread may have processed the
    // result and destroyed the io_handle.
    if (slot_->where == send_buffer::place::submitted) slot_->sender->sources().wake();
}

/// Like await_slot(), for a task that is about to wait. Unlocks `guard`.
/// Errors: what watch_more() reports, since the task would not be woken.
result<void> ring_connection::await_slot(ring_reactor& owner, std::unique_lock<spin_lock>&& guard) noexcept {
    await_slot();
    if (slot_->where != send_buffer::place::blocked) return ok();
    guard.unlock();
    // The socket is already watched, unless watch_more() failed when the socket was found full.
    if (const auto added = owner.sources().watch_more(*this, io::interest::writable); !added)
        return std::unexpected(added.error());
    return ok();
}

/// Sends the rest of the send buffer as far as the socket accepts it. The caller holds the lock.
void ring_connection::send_now() noexcept {
    while (!slot_->is_empty()) {
        const auto count = sys::send_without_waiting(fd(), slot_->rest());
        if (!count && is_temporary(count.error().value())) return;
        if (!count) send_error_ = static_cast<std::uint8_t>(count.error().value());
        slot_->drop_front(count ? *count : slot_->rest().size());
    }
}

void ring_connection::free_slot() noexcept {
    if (slot_ != nullptr) std::exchange(slot_, nullptr)->free();
}

/// Shuts the writing side down if that was requested. The caller holds the lock.
/// Preconditions: the send buffer is free.
void ring_connection::shut_down_if_requested() noexcept {
    // After `gone`, the descriptor's number may belong to another file.
    if (has(shuts_down) && !has(gone)) static_cast<void>(sys::shutdown(fd(), sys::half::sending));
    clear(shuts_down);
}

/// Reports the outcome of the send buffer to the reader, and if the buffer `is_free` also to the writer. Unlocks
/// `guard`.
void ring_connection::report_slot(bool is_free, std::unique_lock<spin_lock>&& guard) noexcept {
    io::ready now;
    if (is_free && has(writer_waits)) {
        clear(writer_waits);
        now |= io::ready::writable;
    }
    if (has(reader_waits)) {
        clear(reader_waits);
        now |= read_side;
    }
    if (now.is_empty()) return guard.unlock();
    set_readiness(now);
    wake_unlocked(std::move(guard), now);
}

// ---- The driver ----

std::span<const std::byte> ring_connection::begin_send(send_buffer& slot, bool& is_awaited) noexcept {
    const std::lock_guard guard(lock_);
    if (has(writer_waits)) is_awaited = true;
    if (has(gone)) slot.begin = slot.end;  // the descriptor's number may belong to another file
    slot.where = send_buffer::place::submitted;
    slot.has_failed = false;
    return slot.rest();
}

void ring_connection::send_completed(int result) noexcept {
    const std::lock_guard guard(lock_);
    EDDY_ASSERT(slot_ != nullptr, "a send has completed without a slot");
    slot_->result = result;
    slot_->has_failed = true;
    // Sets the error here and not in settle(). The completion of the receive may follow, and a reader that it wakes
    // must see the error.
    if (result < 0 && !is_temporary(-result)) send_error_ = static_cast<std::uint8_t>(-result);
}

ring_connection::sent ring_connection::settle(send_buffer& slot) noexcept {
    std::unique_lock guard(lock_);
    if (!slot.has_failed || has(gone)) {
        slot.begin = slot.end;
    } else if (slot.result > 0) {
        slot.begin += static_cast<std::uint32_t>(slot.result);
    } else if (!is_temporary(-slot.result)) {
        slot.begin = slot.end;
    }
    // The stream was destroyed during the send. Drop what end() could not drop.
    if (!slot.is_empty() && has(closing) && sys::is_reset_at_close(fd())) slot.begin = slot.end;
    // `slot.owner` is alive while the stream is not gone. The caller uses `slot.owner` after the unlock, so the caller
    // gets a reference to it.
    if (!slot.is_empty()) {
        slot.where = send_buffer::place::blocked;
        slot.owner->sources().retain();
        report_slot(false, std::move(guard));
        return sent::rest;
    }
    const bool closes = has(wants_close) && !has(receives) && !has(gone);
    if (closes) slot.owner->sources().retain();
    free_slot();
    shut_down_if_requested();
    report_slot(true, std::move(guard));
    return closes ? sent::close : sent::all;
}

// ---- For the reading direction, and for the close ----

/// Returns the error that a read at the end of the stream must report, if any. Returns would_block() if a send is
/// in flight: "readable" is reported when its result is known. The caller holds the lock.
std::error_code ring_connection::reset_of_send() noexcept {
    // The kernel reports a reset once, and may have reported it to a send. The ring of that send may belong to
    // another event loop, which has yet to dispatch the completion. (EPIPE is not a reset: the peer had closed before.)
    if (slot_ != nullptr && slot_->where == send_buffer::place::submitted && !slot_->has_failed) {
        set(reader_waits);
        slot_->sender->sources().wake();  // see await_slot()
        return would_block();
    }
    return send_error_ == EPIPE ? std::error_code() : take_send_error();
}

/// The caller holds the lock.
bool ring_connection::has_unsent() const noexcept { return slot_ != nullptr && !slot_->is_empty(); }

}  // namespace eddy::detail
