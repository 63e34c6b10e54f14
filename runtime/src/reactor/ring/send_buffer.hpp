// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <utility>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/io/leased_buffer.hpp>

namespace eddy::detail {

class ring_reactor;
class ring_connection;

/// The send buffer of a stream: bytes that write() has accepted and that the kernel has not taken yet. A stream has at
/// most one send buffer; an idle stream has none. The send buffer is a memory block of the frame pool. Its bytes are
/// stored after the header in the same block, in a larger block after they have grown, or in a leased buffer.
/// Thread safety: guarded by the stream's lock. `next` and `position` belong to the ring that sends the buffer.
/// `stream` and `owner` do not change.
struct send_buffer {
    /// The largest number of bytes in a send buffer, so that the block has one of the pool's sizes. The writing thread
    /// sends larger writes itself.
    static constexpr std::size_t most = largest_pooled - 160;
    /// The largest write, in bytes, that keeps a leased buffer in the slot. Larger writes are sent immediately,
    /// while the processor's cache contains the bytes.
    static constexpr std::size_t most_leased = 8192;
    /// The smallest write, in bytes, that keeps a leased buffer in the slot. Smaller ones are copied, so that the
    /// buffer is free immediately.
    static constexpr std::size_t least_leased = 512;

    /// The state of a slot.
    enum class place : std::uint8_t {
        queued,     ///< in a ring's queue; may grow
        submitted,  ///< submitted to that ring; an entry refers to the bytes
        blocked,    ///< the socket is full; sent when it becomes writable
    };

    send_buffer* next = nullptr;  ///< in the queue
    ring_connection* stream;
    ring_reactor* owner;             ///< the owner of the stream
    ring_reactor* sender = nullptr;  ///< the one whose ring sends the send buffer
    /// The time at which a destroyed stream is given up. time_point::max() until the stream is destroyed.
    std::chrono::steady_clock::time_point linger_until = std::chrono::steady_clock::time_point::max();
    io::leased_buffer lease;
    std::byte* bytes;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    std::uint32_t capacity;   ///< of `bytes`
    unsigned position = 0;    ///< the position of its entry in the submission queue
    std::int32_t result = 0;  ///< the result of a send that did not send everything
    place where = place::queued;
    bool has_failed = false;    ///< whether `result` is set
    bool writer_waits = false;  ///< for "writable", which is reported when the send buffer is free
    bool reader_waits = false;  ///< at the end of the stream, for the outcome of the send
    bool shuts_down = false;    ///< whether the writing side is to be shut down when everything was sent

    send_buffer(ring_connection& of, ring_reactor& at, std::uint32_t size) noexcept
        : stream(&of), owner(&at), bytes(inline_bytes()), capacity(size), inline_capacity_(size) {}

    /// Creates an empty send buffer for at least `size` bytes. Returns null if there is no memory.
    [[nodiscard]] static send_buffer* make(ring_connection& of, ring_reactor& at, std::size_t size) noexcept {
        // Leaves capacity for what a task may write next in the same poll, for example a small body after a header.
        return allocate(of, at, std::max<std::size_t>(size, 512 - sizeof(send_buffer)));
    }
    /// Creates a send buffer for `from`, which is a part of `lease`. Takes over the lease. Returns null, and leaves the
    /// lease, if there is no memory.
    [[nodiscard]] static send_buffer* make(ring_connection& of, ring_reactor& at, io::leased_buffer& lease,
                                           std::span<const std::byte> from) noexcept {
        send_buffer* const made = allocate(of, at, 0);
        if (made == nullptr) return nullptr;
        made->bytes = lease.data();
        made->begin = static_cast<std::uint32_t>(from.data() - lease.data());
        made->end = made->begin + static_cast<std::uint32_t>(from.size());
        made->lease = std::move(lease);
        return made;
    }
    /// Destroys the send buffer and frees its memory.
    void free() noexcept {
        const std::size_t size = sizeof(send_buffer) + inline_capacity_;
        if (has_grown()) free_block_of(bytes, capacity);
        std::destroy_at(this);
        free_block_of(this, size);
    }

    /// The bytes that are not sent yet.
    [[nodiscard]] std::span<const std::byte> rest() noexcept { return {bytes + begin, end - begin}; }
    [[nodiscard]] bool is_empty() const noexcept { return begin == end; }

    /// Returns whether `size` more bytes fit; grows the block if necessary.
    /// Preconditions: the send buffer is `queued`.
    [[nodiscard]] bool make_room(std::size_t size) noexcept {
        if (!lease.empty()) return size == 0;
        return size <= capacity - end || (end - begin + size <= most && grow());
    }
    /// Appends a copy of the bytes.
    /// Preconditions: the bytes fit.
    void append(std::span<const std::byte> from) noexcept {
        if (!from.empty()) std::memcpy(bytes + end, from.data(), from.size());
        end += static_cast<std::uint32_t>(from.size());
    }
    /// Removes the first `count` bytes, which were sent.
    void drop_front(std::size_t count) noexcept {
        begin += static_cast<std::uint32_t>(count);
        if (is_empty() && lease.empty()) begin = end = 0;
    }

private:
    // SAFETY: allocate() has allocated inline_capacity_ bytes directly after this object.
    [[nodiscard]] std::byte* inline_bytes() noexcept { return reinterpret_cast<std::byte*>(this + 1); }
    [[nodiscard]] bool has_grown() noexcept { return capacity > inline_capacity_; }
    /// Grows to the maximum size and reuses the capacity of the bytes that were sent. Returns false if there is no
    /// memory.
    [[nodiscard]] bool grow() noexcept try {
        if (capacity == most) {
            std::memmove(bytes, bytes + begin, end - begin);
        } else {
            // SAFETY: a fresh memory block, which free() returns to the pool.
            auto* const larger = static_cast<std::byte*>(allocate_block(most));
            std::memcpy(larger, bytes + begin, end - begin);
            bytes = larger;
            capacity = most;
        }
        end -= std::exchange(begin, 0);
        return true;
    } catch (const std::bad_alloc&) {
        return false;
    }
    [[nodiscard]] static send_buffer* allocate(ring_connection& of, ring_reactor& at, std::size_t size) noexcept try {
        return ::new (allocate_block(sizeof(send_buffer) + size)) send_buffer(of, at, static_cast<std::uint32_t>(size));
    } catch (const std::bad_alloc&) {
        return nullptr;
    }

    const std::uint32_t inline_capacity_;
};

static_assert(sizeof(send_buffer) + send_buffer::most <= largest_pooled);

}  // namespace eddy::detail
