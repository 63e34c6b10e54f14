// SPDX-License-Identifier: MIT
#pragma once

#include <compare>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

#include <eddy/detail/export.hpp>

namespace eddy::detail {

/// Throws std::out_of_range: the function `what` (for example "bytes::split_to") needs `wanted` bytes, but the window
/// has only `there`.
[[noreturn]] EDDY_API void throw_out_of_window(const char* what, std::size_t wanted, std::size_t there);

/// Returns `value`, but hides from the compiler that it is stored next to another word. Otherwise GCC copies both words
/// with one wide load, which stalls if they were just written one by one (by_parts.hpp).
template <class T>
[[nodiscard]] inline T* by_itself(T* value) noexcept {
    asm("" : "+r"(value));
    return value;
}

/// A contiguous sequence of bytes: the common base of `bytes` and `bytes_mut`.
/// Thread safety: not synchronized; distinct objects may be used on different threads.
/// Lifetime: does not own the bytes; the derived class keeps them alive.
class byte_window {
public:
    [[nodiscard]] const std::byte* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

    [[nodiscard]] const std::byte* begin() const noexcept { return data_; }
    [[nodiscard]] const std::byte* end() const noexcept { return data_ + size_; }
    /// Preconditions: `index` < size().
    const std::byte& operator[](std::size_t index) const noexcept { return data_[index]; }

    /// All bytes as one chunk, for functions that accept any `buf` (eddy/io/buf.hpp).
    [[nodiscard]] std::span<const std::byte> chunk() const noexcept { return {data_, size_}; }
    /// Returns the bytes as characters. The encoding is not checked.
    explicit operator std::string_view() const noexcept { return text(); }
    [[nodiscard]] std::string_view text() const noexcept {
        // SAFETY: any object may be read as characters.
        return {reinterpret_cast<const char*>(data_), size_};
    }

    /// Compares the bytes.
    friend bool operator==(const byte_window& a, const byte_window& b) noexcept { return a.text() == b.text(); }
    friend bool operator==(const byte_window& a, std::span<const std::byte> b) noexcept {
        return a.size_ == b.size() && (b.empty() || std::memcmp(a.data_, b.data(), b.size()) == 0);
    }
    friend bool operator==(const byte_window& a, std::string_view b) noexcept { return a.text() == b; }
    /// Compares lexicographically; bytes are unsigned.
    friend std::strong_ordering operator<=>(const byte_window& a, const byte_window& b) noexcept {
        return a.text() <=> b.text();
    }

protected:
    byte_window() noexcept = default;
    byte_window(std::byte* data, std::size_t size) noexcept : data_(data), size_(size) {}
    byte_window(const byte_window& other) noexcept : data_(by_itself(other.data_)), size_(other.size_) {}
    byte_window& operator=(const byte_window&) noexcept = default;
    ~byte_window() = default;

    void forget_window() noexcept {
        data_ = nullptr;
        size_ = 0;
    }

    // Only bytes_mut writes through this pointer: a `bytes` may refer to constant data.
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace eddy::detail
