// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

namespace eddy::detail {

/// Large-transfer mode of a connection: the task calls recv(2) when the epoll reports bytes. A large chunk is cheaper
/// to read with recv(2) into a buffer that is in the processor's cache. The ring cycles through all of its buffers.
///
///              a streak of large chunks
///     ring  ------------------------------>  large-transfer mode
///           <------------------------------
///              a streak of small reads
class large_transfers {
public:
    [[nodiscard]] bool is_on() const noexcept { return is_on_; }
    /// Counts a chunk that the ring has received. Returns whether it starts the mode.
    [[nodiscard]] bool starts_with(std::size_t chunk) noexcept {
        if (is_on_ || !has_streak(chunk >= large_chunk, large_streak)) return false;
        return is_on_ = true;
    }
    /// Counts a read of the task. Returns whether it ends the mode.
    [[nodiscard]] bool ends_with(std::size_t read) noexcept {
        if (!is_on_ || !has_streak(read < small_read, small_streak)) return false;
        is_on_ = false;
        return true;
    }

private:
    // Sizes in bytes.
    static constexpr std::size_t large_chunk = 8 * 1024;
    static constexpr std::size_t small_read = 2 * 1024;
    static constexpr unsigned large_streak = 8;
    static constexpr unsigned small_streak = 16;

    /// Counts an event of a streak, or ends the streak if `one_more` is false. Returns whether this is the `length`-th
    /// event in a row.
    [[nodiscard]] bool has_streak(bool one_more, unsigned length) noexcept {
        const unsigned so_far = one_more ? streak_ + 1u : 0;
        streak_ = static_cast<std::uint8_t>(so_far % length);
        return so_far == length;
    }

    bool is_on_ = false;
    std::uint8_t streak_ = 0;  // large chunks in a row; in the mode, small reads
};

}  // namespace eddy::detail
