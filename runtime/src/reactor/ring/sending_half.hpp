// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <system_error>

#include <eddy/io/leased_buffer.hpp>
#include <eddy/result.hpp>

#include "reactor/ring/ring_source.hpp"

namespace eddy::detail {

class ring_reactor;
class uring;
struct send_buffer;

/// The bytes of a write: one span or several.
using send_list = std::span<const std::span<const std::byte>>;

/// The writing direction of a ring connection: a send buffer, while there are unsent bytes, and the error of a send.
/// send_buffer describes the states of the send buffer. "Writable" means that write() may accept bytes.
///
/// Lifetime: a send buffer in the queue of a ring has a reference to the connection.
class sending_half : public ring_source {
public:
    // ---- Writing: any thread, one at a time ----

    /// Accepts as many bytes as fit and returns their count. `ring` is this thread's ring, or null.
    /// Errors: operation_would_block; the error of an earlier send; what send(2) reports; what watch_more() reports,
    /// since the task would not be woken.
    [[nodiscard]] result<std::size_t> write(ring_reactor& owner, uring* ring, send_list from) noexcept;
    /// Like write(), for a part of a leased buffer. Takes over the lease if that saves a copy.
    [[nodiscard]] result<std::size_t> write_leased(ring_reactor& owner, uring* ring, io::leased_buffer& lease,
                                                   std::span<const std::byte> from) noexcept;
    /// Returns whether everything was passed to the kernel. If not, "writable" is reported once the rest was passed to
    /// it. Sends bytes that are queued for the next tick.
    /// Errors: the error of a send; what watch_more() reports, since the task would not be woken.
    [[nodiscard]] result<bool> flush(ring_reactor& owner) noexcept;
    /// Like flush(), but leaves the error of a send for take_error().
    [[nodiscard]] result<bool> finish_sending(ring_reactor& owner) noexcept;
    /// Ends writing. Returns true if everything was passed to the kernel: the caller then shuts the writing side down.
    /// Otherwise the stream does so after the pending send.
    [[nodiscard]] bool shut_down_when_sent() noexcept;

    // ---- The ring that sends ----

    /// Returns the bytes of a queued send buffer; empty if there are none. Sets `is_awaited` if a task waits for the
    /// send.
    [[nodiscard]] std::span<const std::byte> begin_send(send_buffer& slot, bool& is_awaited) noexcept;
    /// Processes the completion of a send that has failed, or has not sent everything.
    void send_completed(int result) noexcept;
    /// The outcomes of settle().
    enum class sent { all, rest, close };
    /// Processes the outcome of a send after the ring's enter(). `rest`: the caller must watch the descriptor for
    /// writing. `close`: the caller must close the stream. In both cases the caller gets a reference to
    /// `slot.owner`.
    [[nodiscard]] sent settle(send_buffer& slot) noexcept;

    // ---- The end of a connection with unsent bytes: after ring_connection::end() ----

    /// Sets the time at which the unsent rest is given up.
    void linger(std::chrono::steady_clock::time_point until) noexcept;
    /// If the time set by linger() is over, drops the unsent rest, resets the connection, and returns whether the
    /// caller must close the descriptor. Otherwise lowers `earliest` to that time, and returns false.
    [[nodiscard]] bool give_up(std::chrono::steady_clock::time_point now,
                               std::chrono::steady_clock::time_point& earliest) noexcept;
    /// Drops the unsent rest immediately, if the stream cannot be reported as writable. Returns false if a ring is
    /// still sending or receiving; its completion then closes the descriptor.
    [[nodiscard]] bool give_up_now() noexcept;

protected:
    using ring_source::ring_source;
    ~sending_half() override;

    // The caller of the following functions holds the lock.
    [[nodiscard]] bool has_unsent() const noexcept;
    /// Returns whether the descriptor was left to the driver, and the driver must close it now.
    [[nodiscard]] bool is_over() const noexcept { return wants_close_ && !is_gone_ && !receives_ && !has_unsent(); }
    /// Sends the bytes that are queued for the next tick, as far as the socket accepts them.
    void send_queued() noexcept;
    /// Makes the stream report "writable" once its send buffer is free.
    /// Preconditions: there is a send buffer.
    void await_slot() noexcept;
    /// Drops the unsent bytes if the application wants the connection to be reset when it is closed.
    void drop_if_reset_at_close() noexcept;
    /// Continues a blocked send after the epoll has reported `what`. Returns what to report to the tasks.
    [[nodiscard]] io::ready send_blocked(io::ready what) noexcept;
    /// Returns the io_handle's reactor if there is a send buffer, else null.
    [[nodiscard]] ring_reactor* owner_of_slot() const noexcept;
    /// Gives a send back that the lost ring of `sender` will not complete.
    void lose_send(const ring_reactor& sender) noexcept;
    /// Returns the error of a send that was not reported yet, if any.
    [[nodiscard]] std::error_code take_send_error() noexcept;
    /// Returns the error that a read at the end of the stream must report, if any. Returns would_block() if a send is
    /// in flight: "readable" is reported when its result is known.
    [[nodiscard]] std::error_code reset_of_send() noexcept;

private:
    static constexpr std::uint8_t was_shut_down = 255;  // not an errno

    [[nodiscard]] result<std::size_t> write_directly(ring_reactor& owner, send_list from) noexcept;
    [[nodiscard]] result<std::size_t> append(ring_reactor& owner, send_list from, std::size_t size,
                                             std::unique_lock<spin_lock>&& guard) noexcept;
    [[nodiscard]] result<std::size_t> send_behind_slot(send_list from) noexcept;
    void queue(uring& ring, send_buffer& slot, std::unique_lock<spin_lock>&& guard) noexcept;
    [[nodiscard]] result<void> await_slot(ring_reactor& owner, std::unique_lock<spin_lock>&& guard) noexcept;
    [[nodiscard]] result<bool> is_sent(ring_reactor& owner, std::unique_lock<spin_lock>&& guard) noexcept;
    void send_now() noexcept;
    void end_slot() noexcept;
    void reset_and_drop_rest() noexcept;

    std::uint8_t send_error_ = 0;  // an errno that the next write reports; or was_shut_down, which every write reports
    send_buffer* slot_ = nullptr;
};

}  // namespace eddy::detail
