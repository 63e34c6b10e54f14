// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string_view>
#include <utility>

#include <eddy/bytes/bytes.hpp>
#include <eddy/bytes/detail/byte_block.hpp>
#include <eddy/bytes/detail/byte_numbers.hpp>
#include <eddy/bytes/detail/byte_window.hpp>
#include <eddy/detail/export.hpp>

namespace eddy {

/// A growable byte buffer that can be split, for example the read buffer of a decoder. Buffers that were split off
/// share the memory block, but their ranges do not overlap. Therefore each may be written on a different thread. The
/// copy constructor copies the bytes.
///
///     |<--------------------- block -------------------->|
///     | split off, frozen | size() bytes | spare         |
///                         |<-------- capacity() -------->|
///
/// Errors: an index or count outside of the buffer throws std::out_of_range with both numbers in its text, and leaves
/// the buffer unchanged. Functions that grow the buffer throw std::length_error or std::bad_alloc.
/// Thread safety: not synchronized; use one object from one thread at a time. Buffers that share a block may be used on
/// different threads at the same time.
/// Cost: splitting and freezing take at most one atomic addition and no allocation. A block and its reference count are
/// one allocation. A full buffer moves its bytes to the front of its block if no other buffer shares the block and the
/// free part in front is large enough. Otherwise it moves them to a new block of at least twice the size.
class EDDY_API bytes_mut : public detail::byte_window,
                           public detail::takes_numbers<bytes_mut>,
                           public detail::puts_numbers<bytes_mut> {
public:
    /// Constructs an empty buffer without memory.
    bytes_mut() noexcept = default;
    /// Constructs an empty buffer with at least the given capacity, in bytes.
    explicit bytes_mut(std::size_t capacity) { reserve(capacity); }
    /// Copies the bytes into new memory.
    bytes_mut(const bytes_mut& other) : bytes_mut() { put(other.chunk()); }
    /// Takes ownership of the memory. `other` is empty afterwards and has no capacity.
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

    /// Takes ownership of the memory of `from` if no other view shares it; otherwise copies the bytes.
    explicit bytes_mut(bytes&& from);
    /// Copies `from` into new memory.
    [[nodiscard]] static bytes_mut copy_of(std::span<const std::byte> from);
    [[nodiscard]] static bytes_mut copy_of(std::string_view from);

    /// Access to the bytes, read-only or writable.
    /// Preconditions: for operator[], `index` < size().
    using byte_window::data;
    [[nodiscard]] std::byte* data() noexcept { return data_; }
    [[nodiscard]] std::byte* begin() noexcept { return data_; }
    [[nodiscard]] std::byte* end() noexcept { return data_ + size_; }
    using byte_window::begin;
    using byte_window::end;
    std::byte& operator[](std::size_t index) noexcept { return data_[index]; }
    using byte_window::operator[];

    // ---- Capacity ----

    /// Returns how many bytes this buffer can hold without an allocation.
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    /// Ensures spare capacity for at least `additional` bytes.
    void reserve(std::size_t additional) {
        if (capacity_ - size_ < additional) make_room(additional);
    }
    /// Ensures spare capacity for at least `additional` bytes if that needs no allocation. Otherwise returns false and
    /// changes nothing.
    [[nodiscard]] bool try_reclaim(std::size_t additional);
    /// Frees the memory if this buffer is empty and its block has more than `bytes` bytes. Other buffers that share the
    /// block keep it. Call it before a long wait, so that the memory of one large frame is not kept.
    void free_memory_above(std::size_t bytes) noexcept {
        if (empty() && share_.get() != nullptr && share_->capacity() > bytes) *this = bytes_mut();
    }
    /// Returns the spare capacity, whose content is indeterminate. Write to its start, then call advance_mut(). The
    /// span is never empty: if there is no spare capacity, this function first reserves 64 bytes.
    [[nodiscard]] std::span<std::byte> chunk_mut() {
        if (size_ == capacity_) make_room(64);
        return {data_ + size_, capacity_ - size_};
    }
    /// Appends the first `count` bytes of the spare capacity, which the caller has written.
    void advance_mut(std::size_t count);

    // ---- Appending ----

    /// Appends a copy of `from`.
    /// Preconditions: `from` does not overlap this buffer.
    void put(std::span<const std::byte> from);
    void put(std::string_view from);
    /// Appends `count` bytes of the same value.
    void put_bytes(std::byte value, std::size_t count);
    /// Changes the size: appends copies of `fill`, or removes bytes at the end.
    void resize(std::size_t size, std::byte fill = std::byte{0});

    // ---- Splitting ----

    /// Removes the first `count` bytes and returns them. The spare capacity stays with this buffer.
    [[nodiscard]] bytes_mut split_to(std::size_t count) {
        if (count > size_) detail::throw_out_of_window("bytes_mut::split_to", count, size_);
        bytes_mut front(share_.share(), data_, count, count);
        advance(count);
        return front;
    }
    /// Removes all bytes and returns them. The spare capacity stays with this buffer.
    [[nodiscard]] bytes_mut split() { return split_to(size_); }
    /// Removes everything after the first `count` bytes, including the spare capacity, and returns it. `count` may be
    /// up to capacity().
    [[nodiscard]] bytes_mut split_off(std::size_t count);
    /// Appends `other`. Copies nothing if this buffer is empty, or if `other` was split off directly behind it.
    void unsplit(bytes_mut other);

    /// Removes the first `count` bytes.
    void advance(std::size_t count) {
        if (count > size_) detail::throw_out_of_window("bytes_mut::advance", count, size_);
        data_ += count;
        size_ -= count;
        capacity_ -= count;
    }
    /// Removes all bytes after the first `count`. Does nothing if there are no more than `count`. Keeps the capacity.
    void truncate(std::size_t count) noexcept {
        if (count < size_) size_ = count;
    }
    /// Removes all bytes. Keeps the capacity.
    void clear() noexcept { size_ = 0; }

    /// Converts the buffer into immutable bytes without a copy. This buffer is empty afterwards.
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

    std::size_t capacity_ = 0;  // counted from data_
    detail::byte_shares share_;
};

}  // namespace eddy

/// Hashes the content, as std::string_view does.
template <>
struct std::hash<eddy::bytes_mut> {
    std::size_t operator()(const eddy::bytes_mut& window) const noexcept {
        return std::hash<std::string_view>()(window.text());
    }
};
