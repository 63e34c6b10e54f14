// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

namespace eddy::detail {

class buffer_owner;

/// An element of a socket's receive queue: the bytes that one receive has put into a provided buffer (each buffer has
/// one chunk), or an accepted connection.
struct received_chunk {
    received_chunk* next = nullptr;
    buffer_owner* from = nullptr;  ///< the buffer's owner; null for a connection
    std::byte* buffer = nullptr;
    std::uint32_t begin = 0;  ///< the bytes before this were read
    std::uint32_t end = 0;

    [[nodiscard]] std::size_t size() const noexcept { return end - begin; }
    [[nodiscard]] std::byte* data() const noexcept { return buffer + begin; }
    /// Returns the buffer to its owner, or resets the connection.
    void give_back() noexcept;
};

/// The chunks that have arrived and were not read: an intrusive FIFO list, circular, so that it takes one pointer. It
/// owns the chunks.
/// Thread safety: external; all calls are under one lock.
/// Cost: O(1), unless stated otherwise.
class chunk_queue {
public:
    [[nodiscard]] bool is_empty() const noexcept { return newest_ == nullptr; }
    /// Returns whether there are at least `count` chunks.
    /// Cost: O(count).
    [[nodiscard]] bool has_at_least(unsigned count) const noexcept {
        if (newest_ == nullptr) return count == 0;
        const received_chunk* each = newest_;
        while (--count != 0 && each->next != newest_) each = each->next;
        return count == 0;
    }

    void push(received_chunk& chunk) noexcept {
        put_back(chunk);
        newest_ = &chunk;
    }
    /// Puts a chunk to the front of the queue.
    void put_back(received_chunk& chunk) noexcept {
        if (newest_ == nullptr) {
            newest_ = chunk.next = &chunk;
        } else {
            chunk.next = std::exchange(newest_->next, &chunk);
        }
    }
    /// Removes the oldest chunk; null if there is none.
    [[nodiscard]] received_chunk* pop() noexcept {
        if (newest_ == nullptr) return nullptr;
        received_chunk* const oldest = newest_->next;
        if (oldest == newest_) {
            newest_ = nullptr;
        } else {
            newest_->next = oldest->next;
        }
        return oldest;
    }

    /// Copies the bytes of the chunks until `into` is full. Returns the count.
    [[nodiscard]] std::size_t peek(std::span<std::byte> into) const noexcept {
        std::size_t count = 0;
        const received_chunk* each = newest_;
        while (each != nullptr) {
            each = each->next;  // the oldest chunk first
            const std::size_t size = std::min(each->size(), into.size() - count);
            std::memcpy(into.data() + count, each->data(), size);
            count += size;
            if (each == newest_) break;
        }
        return count;
    }

private:
    received_chunk* newest_ = nullptr;  // its `next` is the oldest chunk
};

}  // namespace eddy::detail
