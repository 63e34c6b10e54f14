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

class io_handle;
class stream_source;

/// What a stream has written and the system has not taken yet: at most one of them a stream, and none for an idle one.
/// A block of the frame pool, with the bytes behind this; or in a block of their own, when they have become more; or
/// with a lease that has them.
struct send_slot {
    /// So many bytes at most, so that the block is of the pool's sizes. More than that is sent by the caller himself.
    static constexpr std::size_t most = largest_pooled - 160;
    /// Of a lease: more than that is better sent while the processor's cache has it.
    static constexpr std::size_t most_leased = 8192;
    /// Less than that is copied, and the buffer is free at once.
    static constexpr std::size_t least_leased = 512;

    enum class place : std::uint8_t {
        queued,     ///< in a ring's queue; may grow
        submitted,  ///< an entry of that ring refers to it
        blocked,    ///< the socket is full: sent on when that changes
    };

    send_slot* next = nullptr;  ///< in the queue
    stream_source* stream;
    io_handle* home;              ///< the stream's
    io_handle* sender = nullptr;  ///< whose ring has it
    /// Of a stream that was destroyed; never, until whoever does that has said when.
    std::chrono::steady_clock::time_point linger_until = std::chrono::steady_clock::time_point::max();
    io::leased_buffer lease;
    std::byte* bytes;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    std::uint32_t capacity;   ///< of `bytes`
    unsigned position = 0;    ///< of the entry
    std::int32_t result = 0;  ///< of a send that did not send all
    place where = place::queued;
    bool has_failed = false;  ///< there is such a result

    send_slot(stream_source& of, io_handle& at, std::uint32_t room) noexcept
        : stream(&of), home(&at), bytes(behind()), capacity(room), room_behind_(room) {}

    /// Null if there is no memory.
    [[nodiscard]] static send_slot* make(stream_source& of, io_handle& at, std::size_t size) noexcept {
        // Room for what a task may write next in the same poll: a small body behind a head, say.
        return allocate(of, at, std::max<std::size_t>(size, 512 - sizeof(send_slot)));
    }
    /// `from` is part of the lease, which is taken over unless there is no memory.
    [[nodiscard]] static send_slot* make(stream_source& of, io_handle& at, io::leased_buffer& lease,
                                         std::span<const std::byte> from) noexcept {
        send_slot* const made = allocate(of, at, 0);
        if (made == nullptr) return nullptr;
        made->bytes = lease.data();
        made->begin = static_cast<std::uint32_t>(from.data() - lease.data());
        made->end = made->begin + static_cast<std::uint32_t>(from.size());
        made->lease = std::move(lease);
        return made;
    }
    void free() noexcept {
        const std::size_t size = sizeof(send_slot) + room_behind_;
        if (has_grown()) free_block_of(bytes, capacity);
        std::destroy_at(this);
        free_block_of(this, size);
    }

    [[nodiscard]] std::span<const std::byte> rest() noexcept { return {bytes + begin, end - begin}; }
    [[nodiscard]] bool is_empty() const noexcept { return begin == end; }

    /// Whether there is room for so many bytes more, or has been made. While it is `queued`.
    [[nodiscard]] bool make_room(std::size_t size) noexcept {
        if (!lease.empty()) return size == 0;
        return size <= capacity - end || (end - begin + size <= most && grow());
    }
    /// Takes them over. Precondition: there is room for them.
    void append(std::span<const std::byte> from) noexcept {
        if (!from.empty()) std::memcpy(bytes + end, from.data(), from.size());
        end += static_cast<std::uint32_t>(from.size());
    }
    /// Leaves `count` bytes behind, which were sent.
    void drop_front(std::size_t count) noexcept {
        begin += static_cast<std::uint32_t>(count);
        if (is_empty() && lease.empty()) begin = end = 0;
    }

private:
    [[nodiscard]] std::byte* behind() noexcept { return reinterpret_cast<std::byte*>(this + 1); }
    [[nodiscard]] bool has_grown() noexcept { return capacity > room_behind_; }
    /// To the most that there may be, and what was sent makes room. False for want of memory.
    [[nodiscard]] bool grow() noexcept try {
        if (capacity == most) {
            std::memmove(bytes, bytes + begin, end - begin);
        } else {
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
    [[nodiscard]] static send_slot* allocate(stream_source& of, io_handle& at, std::size_t room) noexcept try {
        return ::new (allocate_block(sizeof(send_slot) + room)) send_slot(of, at, static_cast<std::uint32_t>(room));
    } catch (const std::bad_alloc&) {
        return nullptr;
    }

    const std::uint32_t room_behind_;
};

static_assert(sizeof(send_slot) + send_slot::most <= largest_pooled);

}  // namespace eddy::detail
