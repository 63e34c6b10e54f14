// SPDX-License-Identifier: MIT
#include "reactor/ring/sending_half.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <eddy/error.hpp>

#include "reactor/ring/ring_connection.hpp"
#include "reactor/ring/ring_reactor.hpp"
#include "reactor/ring/send_buffer.hpp"
#include "reactor/ring/uring.hpp"
#include "sys/iovec_list.hpp"
#include "sys/linger.hpp"
#include "sys/syscall.hpp"

namespace eddy::detail {
namespace {

// The time until the next check of a lingering stream whose time is over, but whose send buffer a ring is sending.
constexpr auto look_again = std::chrono::milliseconds(100);

}  // namespace

sending_half::~sending_half() {
    if (slot_ != nullptr) slot_->free();
}

// ---- Writing ----

result<std::size_t> sending_half::write(ring_reactor& owner, uring* ring, send_list from) noexcept {
    std::size_t size = 0;
    for (const auto& each : from) size += each.size();
    std::unique_lock guard(lock_);
    if (send_error_ != 0 || slot_ != nullptr) return append(owner, from, size, std::move(guard));
    // Allocates under the lock. Only the reader and the ring's owner also take it, which usually run on this thread.
    send_buffer* const slot =
        ring != nullptr && size <= send_buffer::most ? send_buffer::make(whole(), owner, size) : nullptr;
    if (slot == nullptr) {
        guard.unlock();
        return write_directly(owner, from);
    }
    for (const auto& each : from) slot->append(each);
    queue(*ring, *slot, std::move(guard));
    return size;
}

result<std::size_t> sending_half::write_leased(ring_reactor& owner, uring* ring, io::leased_buffer& lease,
                                               std::span<const std::byte> from) noexcept {
    if (ring == nullptr || from.size() < send_buffer::least_leased || from.size() > send_buffer::most_leased) {
        return write(owner, ring, std::span(&from, 1));
    }
    std::unique_lock guard(lock_);
    if (send_error_ != 0 || slot_ != nullptr) return append(owner, std::span(&from, 1), from.size(), std::move(guard));
    send_buffer* const slot = send_buffer::make(whole(), owner, lease, from);
    if (slot == nullptr) {
        guard.unlock();
        return write_directly(owner, std::span(&from, 1));
    }
    queue(*ring, *slot, std::move(guard));
    return from.size();
}

/// Appends to the send buffer, or reports an error. Unlocks `guard`.
/// Preconditions: there is a send buffer or an error.
result<std::size_t> sending_half::append(ring_reactor& owner, send_list from, std::size_t size,
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
result<std::size_t> sending_half::send_behind_slot(send_list from) noexcept {
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

/// Passes the send buffer to the ring. Unlocks `guard`.
void sending_half::queue(uring& ring, send_buffer& slot, std::unique_lock<spin_lock>&& guard) noexcept {
    slot.sender = &ring.owner();  // under the lock, as everything that other threads access: see lose_send()
    slot_ = &slot;
    retain();  // the queue's reference
    guard.unlock();
    ring.queue(slot);
}

result<std::size_t> sending_half::write_directly(ring_reactor& owner, send_list from) noexcept {
    const iovec_list list(from);
    auto count = list.get().size() == 1 ? sys::send(fd(), iovec_list::bytes_of(list.get()[0]))
                                        : sys::send_vectored(fd(), list.get());
    if (count || count.error() != would_block()) return count;
    // From here on the epoll reports writability, also if the socket already is writable.
    if (auto added = owner.sources().watch_more(*this, io::interest::writable); !added)
        return std::unexpected(added.error());
    return count;
}

result<bool> sending_half::flush(ring_reactor& owner) noexcept {
    std::unique_lock guard(lock_);
    send_queued();
    if (const auto error = take_send_error()) return std::unexpected(error);
    return is_sent(owner, std::move(guard));
}

result<bool> sending_half::finish_sending(ring_reactor& owner) noexcept {
    std::unique_lock guard(lock_);
    send_queued();
    return is_sent(owner, std::move(guard));
}

/// Returns whether everything was sent. If not, "writable" is reported once the rest was sent. Unlocks `guard`.
result<bool> sending_half::is_sent(ring_reactor& owner, std::unique_lock<spin_lock>&& guard) noexcept {
    if (!has_unsent()) return true;
    if (const auto awaited = await_slot(owner, std::move(guard)); !awaited) return std::unexpected(awaited.error());
    return false;
}

bool sending_half::shut_down_when_sent() noexcept {
    const std::lock_guard guard(lock_);
    if (send_error_ == 0) send_error_ = was_shut_down;
    send_queued();
    if (!has_unsent()) return true;
    slot_->shuts_down = true;
    await_slot();
    return false;
}

void sending_half::await_slot() noexcept {
    slot_->writer_waits = true;
    // The thread that owns the ring may still be sleeping in the system call that has sent the buffer. It would process
    // the result only after that call. Wake it under the lock: after the unlock, that thread may have processed the
    // result and destroyed the io_handle.
    if (slot_->where == send_buffer::place::submitted) slot_->sender->sources().wake();
}

/// Like await_slot(), for a task that is about to wait. Unlocks `guard`.
/// Errors: what watch_more() reports, since the task would not be woken.
result<void> sending_half::await_slot(ring_reactor& owner, std::unique_lock<spin_lock>&& guard) noexcept {
    await_slot();
    if (slot_->where != send_buffer::place::blocked) return ok();
    guard.unlock();
    // The socket is already watched, unless watch_more() failed when the socket was found full.
    if (const auto added = owner.sources().watch_more(*this, io::interest::writable); !added)
        return std::unexpected(added.error());
    return ok();
}

bool sending_half::has_unsent() const noexcept { return slot_ != nullptr && !slot_->is_empty(); }

std::error_code sending_half::take_send_error() noexcept {
    if (send_error_ == 0 || send_error_ == was_shut_down) return {};
    return system_error(std::exchange(send_error_, std::uint8_t{0}));
}

std::error_code sending_half::reset_of_send() noexcept {
    // The kernel reports a reset once, and may have reported it to a send. The ring of that send may belong to
    // another event loop, which has yet to dispatch the completion. (EPIPE is not a reset: the peer had closed before.)
    if (slot_ != nullptr && slot_->where == send_buffer::place::submitted && !slot_->has_failed) {
        slot_->reader_waits = true;
        slot_->sender->sources().wake();  // see await_slot()
        return would_block();
    }
    return send_error_ == EPIPE ? std::error_code() : take_send_error();
}

// ---- Sending ----

void sending_half::send_queued() noexcept {
    if (slot_ != nullptr && slot_->where == send_buffer::place::queued) send_now();
}

/// Sends the rest of the send buffer as far as the socket accepts it. The caller holds the lock.
void sending_half::send_now() noexcept {
    while (!slot_->is_empty()) {
        const auto count = sys::send_without_waiting(fd(), slot_->rest());
        if (!count && is_temporary(count.error().value())) return;
        if (!count) send_error_ = static_cast<std::uint8_t>(count.error().value());
        slot_->drop_front(count ? *count : slot_->rest().size());
    }
}

std::span<const std::byte> sending_half::begin_send(send_buffer& slot, bool& is_awaited) noexcept {
    const std::lock_guard guard(lock_);
    if (slot.writer_waits) is_awaited = true;
    if (is_gone_) slot.begin = slot.end;  // the descriptor's number may belong to another file
    slot.where = send_buffer::place::submitted;
    slot.has_failed = false;
    return slot.rest();
}

void sending_half::send_completed(int result) noexcept {
    const std::lock_guard guard(lock_);
    EDDY_ASSERT(slot_ != nullptr, "a send has completed without a slot");
    slot_->result = result;
    slot_->has_failed = true;
    // Sets the error here and not in settle(). The completion of the receive may follow, and a reader that it wakes
    // must see the error.
    if (result < 0 && !is_temporary(-result)) send_error_ = static_cast<std::uint8_t>(-result);
}

sending_half::sent sending_half::settle(send_buffer& slot) noexcept {
    std::unique_lock guard(lock_);
    if (!slot.has_failed || is_gone_) {
        slot.begin = slot.end;
    } else if (slot.result > 0) {
        slot.begin += static_cast<std::uint32_t>(slot.result);
    } else if (!is_temporary(-slot.result)) {
        slot.begin = slot.end;
    }
    // The stream was destroyed during the send. Drop what end() could not drop.
    if (!slot.is_empty() && is_closing_ && sys::is_reset_at_close(fd())) slot.begin = slot.end;
    const bool is_sent = slot.is_empty();
    const sent outcome = !is_sent ? sent::rest : is_over() ? sent::close : sent::all;
    // `slot.owner` is alive while the stream is not gone. The caller uses `slot.owner` after the unlock, so the caller
    // gets a reference to it.
    if (outcome != sent::all) slot.owner->sources().retain();
    io::ready now;
    if (std::exchange(slot.reader_waits, false)) now |= read_side;
    if (is_sent && slot.writer_waits) now |= io::ready::writable;
    if (is_sent) {
        end_slot();
    } else {
        slot.where = send_buffer::place::blocked;
    }
    if (now.is_empty()) return outcome;
    set_readiness(now);
    wake_unlocked(std::move(guard), now);
    return outcome;
}

io::ready sending_half::send_blocked(io::ready what) noexcept {
    if (slot_ == nullptr) return what;
    if (slot_->where == send_buffer::place::blocked) {
        send_now();
        if (slot_->is_empty()) {
            end_slot();
            return what | io::ready::writable;
        }
    }
    if (!what.intersects(io::ready::writable)) return what;
    slot_->writer_waits = true;  // reported when the send buffer is free
    return what - io::ready::writable;
}

/// Frees the send buffer after its last byte was sent or dropped. Shuts the writing side down if that was requested.
/// The caller holds the lock.
void sending_half::end_slot() noexcept {
    // After is_gone_, the descriptor's number may belong to another file.
    if (slot_->shuts_down && !is_gone_) static_cast<void>(sys::shutdown(fd(), sys::half::sending));
    std::exchange(slot_, nullptr)->free();
}

// ---- The end ----

ring_reactor* sending_half::owner_of_slot() const noexcept { return slot_ != nullptr ? slot_->owner : nullptr; }

void sending_half::lose_send(const ring_reactor& sender) noexcept {
    if (slot_ != nullptr && slot_->sender == &sender) slot_->where = send_buffer::place::blocked;
}

void sending_half::drop_if_reset_at_close() noexcept {
    if (has_unsent() && slot_->where != send_buffer::place::submitted && sys::is_reset_at_close(fd()))
        reset_and_drop_rest();
}

void sending_half::linger(std::chrono::steady_clock::time_point until) noexcept {
    const std::lock_guard guard(lock_);
    if (slot_ != nullptr) slot_->linger_until = until;
}

bool sending_half::give_up(std::chrono::steady_clock::time_point now,
                           std::chrono::steady_clock::time_point& earliest) noexcept {
    const std::lock_guard guard(lock_);
    if (!wants_close_ || is_gone_ || slot_ == nullptr) return false;
    if (slot_->linger_until > now) {
        earliest = std::min(earliest, slot_->linger_until);
        return false;
    }
    if (slot_->where != send_buffer::place::blocked) {  // being sent: the outcome is processed soon
        earliest = std::min(earliest, now + look_again);
        return false;
    }
    reset_and_drop_rest();
    return !receives_;
}

bool sending_half::give_up_now() noexcept {
    const std::lock_guard guard(lock_);
    if (has_unsent()) {
        if (slot_->where == send_buffer::place::submitted) {
            await_slot();
            return false;
        }
        reset_and_drop_rest();
    }
    return !receives_;
}

/// Makes the close reset the connection, and drops the unsent bytes. The caller holds the lock.
void sending_half::reset_and_drop_rest() noexcept {
    // Otherwise the peer would take the part that it has received for the whole data.
    sys::reset_at_close(fd());
    slot_->begin = slot_->end;
    if (slot_->where == send_buffer::place::blocked) std::exchange(slot_, nullptr)->free();
}

}  // namespace eddy::detail
