// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string_view>
#include <utility>

#include <eddy/bytes.hpp>
#include <eddy/detail/byte_block.hpp>
#include <eddy/detail/byte_numbers.hpp>
#include <eddy/detail/byte_window.hpp>
#include <eddy/detail/export.hpp>

namespace eddy {

/// A window of bytes that grows and can be split: what a decoder reads into. Windows that were split off have the same
/// memory, and no byte of it in common: so each may be written, on any thread. A copy copies the bytes.
///
///     |<------------------- the block ------------------>|
///     | split off, frozen | size() bytes | room          |
///                         |<------ capacity() ---------->|
///
/// Errors: what reaches beyond the window throws std::out_of_range, with both numbers in the text, and changes nothing.
/// Thread safety: as a value.
/// Cost: splitting and freezing: at most one atomic addition, no allocation. One allocation for a block, the count
/// included. When it is full: if no other window is left and the front half is free, the bytes are moved there; else a
/// block of twice the size.
class EDDY_API bytes_mut : public detail::byte_window,
                           public detail::takes_numbers<bytes_mut>,
                           public detail::puts_numbers<bytes_mut> {
public:
    /// No bytes, no room, no memory.
    bytes_mut() noexcept = default;
    explicit bytes_mut(std::size_t capacity) { reserve(capacity); }
    bytes_mut(const bytes_mut& other) : bytes_mut() { put(other.chunk()); }
    bytes_mut(bytes_mut&& other) noexcept
        : byte_window(other), capacity_(other.capacity_), share_(std::move(other.share_)) {
        other.forget();
    }
    bytes_mut& operator=(const bytes_mut& other) {
        if (this != &other) *this = bytes_mut(other);
        return *this;
    }
    bytes_mut& operator=(bytes_mut&& other) noexcept {
        if (this == &other) return *this;
        byte_window::operator=(other);
        capacity_ = other.capacity_;
        share_ = std::move(other.share_);
        other.forget();
        return *this;
    }
    ~bytes_mut() = default;

    /// The bytes of a window: its memory, if no other window has it, else a copy.
    explicit bytes_mut(bytes&& from);
    /// A copy of these.
    [[nodiscard]] static bytes_mut copy_of(std::span<const std::byte> from);
    [[nodiscard]] static bytes_mut copy_of(std::string_view from);

    using byte_window::data;
    [[nodiscard]] std::byte* data() noexcept { return data_; }
    [[nodiscard]] std::byte* begin() noexcept { return data_; }
    [[nodiscard]] std::byte* end() noexcept { return data_ + size_; }
    using byte_window::begin;
    using byte_window::end;
    std::byte& operator[](std::size_t index) noexcept { return data_[index]; }
    using byte_window::operator[];

    // ---- Room ----

    /// How many bytes this window can have without asking for memory.
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    /// Makes room for `additional` bytes behind those that are there. Errors: std::length_error, std::bad_alloc.
    void reserve(std::size_t additional) {
        if (capacity_ - size_ < additional) make_room(additional);
    }
    /// The same, if it needs no allocation. False, and nothing is changed, if it does.
    [[nodiscard]] bool try_reclaim(std::size_t additional);
    /// The room, for who fills it and says then how much: advance_mut(). Never empty: if there is none, 64 bytes are
    /// made. What is in it has no meaning.
    [[nodiscard]] std::span<std::byte> chunk_mut() {
        if (size_ == capacity_) make_room(64);
        return {data_ + size_, capacity_ - size_};
    }
    /// The first `count` bytes of the room have been written, and belong to the window now.
    void advance_mut(std::size_t count);

    // ---- Writing to the end ----

    /// Precondition: `from` does not lie in this window.
    void put(std::span<const std::byte> from);
    void put(std::string_view from);
    /// `count` times the same byte.
    void put_bytes(std::byte value, std::size_t count);
    /// Grows with `fill`, or is cut.
    void resize(std::size_t size, std::byte fill = std::byte{0});

    // ---- Parts ----

    /// Takes the first `count` bytes off, and returns them. The room stays here.
    [[nodiscard]] bytes_mut split_to(std::size_t count) {
        if (count > size_) detail::throw_out_of_window("bytes_mut::split_to", count, size_);
        bytes_mut front(share_.share(), data_, count, count);
        advance(count);
        return front;
    }
    /// Takes all bytes off, and returns them. The room stays here.
    [[nodiscard]] bytes_mut split() { return split_to(size_); }
    /// Takes off what follows the first `count` bytes, the room included, and returns it. `count` may be up to
    /// capacity().
    [[nodiscard]] bytes_mut split_off(std::size_t count);
    /// Puts `other` to the end. If it was split off here nothing is copied.
    void unsplit(bytes_mut other);

    /// Drops the first `count` bytes.
    void advance(std::size_t count) {
        if (count > size_) detail::throw_out_of_window("bytes_mut::advance", count, size_);
        data_ += count;
        size_ -= count;
        capacity_ -= count;
    }
    /// Drops what follows the first `count` bytes, if there is more. Their room stays.
    void truncate(std::size_t count) noexcept {
        if (count < size_) size_ = count;
    }
    void clear() noexcept { size_ = 0; }

    /// The bytes, which will not change from now on. Cost: nothing.
    [[nodiscard]] bytes freeze() &&;

private:
    friend class bytes;

    bytes_mut(detail::byte_share share, std::byte* data, std::size_t size, std::size_t capacity) noexcept
        : byte_window(data, size), capacity_(capacity), share_(std::move(share)) {}
    void forget() noexcept {
        forget_window();
        capacity_ = 0;
    }
    void make_room(std::size_t additional);

    std::size_t capacity_ = 0;  // from data_ on
    detail::byte_shares share_;
};

}  // namespace eddy

template <>
struct std::hash<eddy::bytes_mut> {
    std::size_t operator()(const eddy::bytes_mut& window) const noexcept {
        return std::hash<std::string_view>()(window.text());
    }
};
