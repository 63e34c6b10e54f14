// SPDX-License-Identifier: MIT
#include "reactor/ring/receiving_half.hpp"

#include <cerrno>
#include <utility>

#include <eddy/error.hpp>

#include "io/buffer_owner.hpp"
#include "reactor/ring/accepted_connection.hpp"
#include "reactor/ring/ring_connection.hpp"
#include "reactor/ring/ring_reactor.hpp"
#include "reactor/ring/uring.hpp"
#include "sys/syscall.hpp"

namespace eddy::detail {
namespace {

// With this many unread chunks, the receive is stopped. The peer then waits, as it does when the receive buffer of a
// socket is full.
constexpr unsigned most_unread = 8;

}  // namespace

receiving_half::~receiving_half() {
    // end_receiving() has dropped the received data, except in a forked child. There an accepted connection is shared
    // with the parent and must not be reset.
    while (received_chunk* const left = queue_.pop()) {
        if (is_listener()) {
            sys::close(accepted_connection::take(*left).fd);
        } else {
            left->give_back();
        }
    }
}

// ---- Reading ----

receiving_half::taken receiving_half::take(ring_reactor& owner, std::size_t room) noexcept {
    std::unique_lock guard(lock_);
    if (received_chunk* const chunk = queue_.pop()) {
        const bool is_last = queue_.is_empty() && end_ == 0 && receives_;
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
        if (!is_temporary(error) && !is_listener()) end_ = end_of_stream;
        return {received::error, nullptr, error};
    }
    if (receives_) return {};
    if (reads_itself_ || more_wait_) {
        // Take the request back, so that the ring does not read as well. The wake-up of this task may be the only
        // report that the epoll gives of these bytes.
        wants_receive_ = false;
        return {received::read_it_yourself, nullptr, 0, large_.is_on()};
    }
    if (!wants_receive_) begin_or_request(owner, std::move(guard));
    return {};
}

/// Starts a receive if this thread owns the ring. Otherwise asks the owner to start it. Unlocks `guard`.
void receiving_half::begin_or_request(ring_reactor& owner, std::unique_lock<spin_lock>&& guard) noexcept {
    wants_receive_ = true;
    uring* const ring = is_left_to_reader() ? nullptr : owner.own_ring();
    if (ring == nullptr) return request_service(owner, std::move(guard));
    guard.unlock();
    if (ring->receive(whole())) return;
    guard.lock();
    if (wants_receive_) request_service(owner, std::move(guard));
}

void receiving_half::request_service(ring_reactor& owner, std::unique_lock<spin_lock>&& guard) noexcept {
    guard.unlock();
    owner.request_service(*this);
}

std::error_code receiving_half::has_read_end() noexcept {
    const std::lock_guard guard(lock_);
    return reset_of_send();
}

bool receiving_half::has_chunk() noexcept {
    const std::lock_guard guard(lock_);
    return !queue_.is_empty();
}

received_chunk* receiving_half::take_chunk() noexcept {
    const std::lock_guard guard(lock_);
    return queue_.pop();
}

void receiving_half::put_back(received_chunk& rest) noexcept {
    const std::lock_guard guard(lock_);
    queue_.put_back(rest);
}

std::size_t receiving_half::peek(std::span<std::byte> into) noexcept {
    const std::lock_guard guard(lock_);
    const std::size_t count = queue_.peek(into);
    // Further bytes of a stopped receive are in the socket. No receive starts meanwhile, since that takes the lock.
    if (count == into.size() || receives_ || end_ != 0) return count;
    const auto more = sys::peek(fd(), into.subspan(count));
    if (more) return count + *more;
    // The kernel reports an error once. Keep it for the next read that finds no bytes.
    if (!is_temporary(more.error().value())) end_ = static_cast<std::uint8_t>(more.error().value());
    return count;
}

void receiving_half::request_receive(ring_reactor& owner) noexcept {
    std::unique_lock guard(lock_);
    more_wait_ = false;
    if (receives_ || wants_receive_) return;
    if (large_.is_on() && reads_itself_) return;  // the epoll watches the stream
    begin_or_request(owner, std::move(guard));
}

void receiving_half::request_readiness(ring_reactor& owner) noexcept {
    // Load the readiness before the request, so that the readiness of a later event is not cleared.
    const auto seen = look(read_side);
    {
        const std::lock_guard guard(lock_);
        if (!queue_.is_empty() || end_ != 0 || receives_ || wants_receive_ || reads_itself_) return;
    }
    clear_blocked(seen);
    request_receive(owner);
}

void receiving_half::has_read(std::size_t count) noexcept {
    const std::lock_guard guard(lock_);
    if (is_listener() || large_.ends_with(count)) reads_itself_ = false;  // the next one uses the ring
}

// ---- A receive or accept of the ring ----

receiving_half::begun receiving_half::begin_receive() noexcept {
    const std::lock_guard guard(lock_);
    // If the request was taken back meanwhile, the task reads the socket itself.
    const bool is_wanted = wants_receive_ && !receives_ && !is_closing_;
    wants_receive_ = false;
    if (!is_wanted) return {false, false};
    reads_itself_ = false;
    receives_ = true;
    retain();  // the operation's reference
    missed_ = false;
    const bool was_watched = is_watched_;
    is_watched_ = false;
    return {true, was_watched};
}

bool receiving_half::deliver(received_chunk& chunk) noexcept {
    std::unique_lock guard(lock_);
    if (is_closing_) {
        guard.unlock();
        chunk.give_back();
        return false;
    }
    queue_.push(chunk);
    const bool is_enough = (large_.starts_with(chunk.size()) || queue_.has_at_least(most_unread)) && !stops_;
    // A reference for the caller, because a waker may destroy the stream. A waker may also destroy a listener of this
    // ring. stop_now() then dispatches all completions, which may include the last one of this receive.
    if (is_enough) retain();
    set_readiness(io::ready::readable);
    wake_unlocked(std::move(guard), io::ready::readable);
    return is_enough;
}

operation_end receiving_half::receive_ended(int result) noexcept {
    io::ready now = io::ready::readable;
    std::unique_lock guard(lock_);
    const bool was_cancelled = end_operation();
    if (result == 0) {
        end_ = end_of_stream;
        now |= io::ready::read_closed;
    } else if (result == -ENOBUFS) {
        if (!large_.is_on()) reads_itself_ = true;  // else read_itself() sets it, once the epoll watches the stream
    } else if (result < 0 && !is_temporary(-result)) {
        end_ = static_cast<std::uint8_t>(-result);
        now |= io::ready::read_closed | io::ready::error;
    }
    const bool closes = is_over();
    set_readiness(now);
    wake_unlocked(std::move(guard), now);
    return {closes, was_cancelled};
}

operation_end receiving_half::accept_ended(received_chunk* connection, int result, bool others_wait) noexcept {
    std::unique_lock guard(lock_);
    const bool was_cancelled = end_operation();
    if (others_wait) more_wait_ = true;
    // accept(2) will report the error.
    if (result < 0 && result != -ECANCELED) reads_itself_ = true;
    const bool is_too_late = is_closing_;
    if (connection != nullptr && !is_too_late) queue_.push(*connection);
    const bool closes = is_over();
    set_readiness(io::ready::readable);
    wake_unlocked(std::move(guard), io::ready::readable);
    if (connection != nullptr && is_too_late) connection->give_back();
    return {closes, was_cancelled};
}

bool receiving_half::end_operation() noexcept {
    const bool was_cancelled = stops_;
    receives_ = stops_ = false;
    return was_cancelled;
}

bool receiving_half::stop_receiving(ring_reactor& owner) noexcept {
    std::unique_lock guard(lock_);
    wants_receive_ = false;
    if (!receives_) return true;
    wants_stop_ = true;
    request_service(owner, std::move(guard));
    return false;
}

bool receiving_half::begin_stop() noexcept {
    const std::lock_guard guard(lock_);
    if (!receives_ || stops_) return false;
    return stops_ = true;
}

void receiving_half::stop_failed() noexcept {
    const std::lock_guard guard(lock_);
    stops_ = false;
}

bool receiving_half::wants_stop_again() noexcept {
    const std::lock_guard guard(lock_);
    if (receives_) wants_stop_ = true;
    return receives_;
}

// ---- Without the ring ----

bool receiving_half::read_itself() noexcept {
    const std::lock_guard guard(lock_);
    const bool must_look = missed_ || !reads_itself_;
    missed_ = wants_receive_ = false;
    reads_itself_ = is_watched_ = true;
    return must_look;
}

void receiving_half::fail(const std::error_code& error) noexcept {
    if (is_runtime_shutdown(error)) return shut_down();
    std::unique_lock guard(lock_);
    end_ = static_cast<std::uint8_t>(error.value());
    reads_itself_ = is_watched_ = false;  // the next request tries to watch it again
    set_readiness(io::ready::readable);
    wake_unlocked(std::move(guard), io::ready::readable);
}

io::ready receiving_half::without_received(io::ready what) noexcept {
    if (!receives_ || !what.intersects(read_side)) return what;
    missed_ = true;
    return what - read_side;
}

// ---- The end ----

int receiving_half::take_read_error() noexcept {
    const int error = std::exchange(end_, std::uint8_t{0});
    // The end of the stream is not reported: the descriptor reports it again.
    return error == end_of_stream || is_temporary(error) ? 0 : error;
}

void receiving_half::end_receiving() noexcept {
    wants_receive_ = false;
    while (received_chunk* const chunk = queue_.pop()) chunk->give_back();
}

void received_chunk::give_back() noexcept {
    if (from != nullptr) return from->give_back(buffer);
    reset_connection(accepted_connection::take(*this).fd);
}

}  // namespace eddy::detail
