// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "reactor/ring/ring_connection.hpp"

namespace eddy::detail {

/// The kind of an operation that the kernel completes.
enum class ring_operation : std::uintptr_t { none = 0, receive = 1, send = 2, watch_epoll = 3, watch_waker = 4 };

/// The user_data of an operation: the address of its stream, if it has one, and its kind in the low bits. 0 means none.
struct operation_tag {
    static constexpr std::uint64_t kind_mask = 127;  // streams are aligned to 128 bytes

    // SAFETY: the kernel only returns the value.
    explicit operation_tag(ring_operation what, ring_connection* stream = nullptr) noexcept
        : value(reinterpret_cast<std::uintptr_t>(stream) | static_cast<std::uintptr_t>(what)) {}
    explicit operation_tag(std::uint64_t user_data) noexcept : value(user_data) {}

    [[nodiscard]] ring_operation what() const noexcept { return static_cast<ring_operation>(value & kind_mask); }
    /// SAFETY: a receive, an accept and a send hold a reference to the stream until their last completion.
    [[nodiscard]] ring_connection& stream() const noexcept {
        return *reinterpret_cast<ring_connection*>(static_cast<std::uintptr_t>(value & ~kind_mask));
    }

    std::uint64_t value;
};

}  // namespace eddy::detail
