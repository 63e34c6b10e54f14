// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/detail/ref_count.hpp>

namespace eddy::detail {

/// The reference-counted memory behind `bytes` and `bytes_mut`. The bytes follow this header in the same allocation, or
/// belong to an adopted object.
/// Thread safety: the reference count is atomic. Access to the bytes is coordinated by the windows: `bytes` only reads,
/// and no two `bytes_mut` share a byte.
class EDDY_API byte_block : immovable {
public:
    /// Returns a block of `capacity` bytes with one reference.
    /// Errors: throws std::bad_alloc or std::length_error.
    /// Cost: one allocation.
    [[nodiscard]] static byte_block* make(std::size_t capacity);

    /// Returns a block with one reference and the bytes of `owner`. The last reference destroys `owner`.
    template <class Owner>
    [[nodiscard]] static byte_block* adopt(Owner owner);

    [[nodiscard]] std::byte* begin() const noexcept { return begin_; }
    [[nodiscard]] std::byte* end() const noexcept { return begin_ + capacity_; }
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    /// Returns whether a window that holds the only reference may write to the bytes.
    [[nodiscard]] bool is_writable() const noexcept { return is_writable_; }

    void retain(std::size_t count = 1) noexcept { references_.add(count); }
    void release(std::size_t count = 1) noexcept {
        if (!references_.drop(count)) return;
        // Calls the usual function directly, because the target of an indirect call is often mispredicted here.
        if (destroy_ == &free_with_bytes) return free_with_bytes(this);
        destroy_(this);
    }

    /// Returns whether the bytes are writable and the caller's `count` references are the only ones. If so, the
    /// accesses of all other windows happened before this call.
    [[nodiscard]] bool is_own(std::size_t count = 1) const noexcept {
        return is_writable_ && references_.count() == count;
    }

protected:
    using destroy_function = void (*)(byte_block*) noexcept;

    byte_block(std::byte* begin, std::size_t capacity, bool is_writable, destroy_function destroy) noexcept
        : begin_(begin), capacity_(capacity), destroy_(destroy), is_writable_(is_writable) {}
    ~byte_block() = default;

    void set_bytes(std::byte* begin, std::size_t capacity) noexcept {
        begin_ = begin;
        capacity_ = capacity;
    }

private:
    static void free_with_bytes(byte_block* block) noexcept;

    ref_count<std::size_t> references_;
    std::byte* begin_;
    std::size_t capacity_;
    destroy_function destroy_;
    bool is_writable_;
};

/// Whether std::data() of an `Owner` points to mutable bytes.
template <class Owner>
inline constexpr bool gives_writable_bytes =
    !std::is_const_v<std::remove_pointer_t<decltype(std::data(std::declval<Owner&>()))>>;

/// A block that owns an object with contiguous bytes, for example a std::string.
template <class Owner>
class adopting_block final : public byte_block {
public:
    explicit adopting_block(Owner&& owner)
        : byte_block(nullptr, 0, gives_writable_bytes<Owner>, &destroy), owner_(std::move(owner)) {
        // SAFETY: the elements are std::byte, char or unsigned char (checked in `bytes`). Const elements are never
        // written, because is_writable() is false then. owner_ keeps the elements alive as long as the block exists.
        auto* const data = const_cast<void*>(static_cast<const void*>(std::data(owner_)));
        set_bytes(static_cast<std::byte*>(data), std::size(owner_));
    }

private:
    ~adopting_block() = default;
    // SAFETY: only this class's constructor installs this function. No reference to the block is left.
    static void destroy(byte_block* block) noexcept { delete static_cast<adopting_block*>(block); }

    Owner owner_;
};

template <class Owner>
byte_block* byte_block::adopt(Owner owner) {
    return new adopting_block<Owner>(std::move(owner));
}

/// A reference to a block, or null.
using byte_share = ref_ptr<byte_block>;

/// A counted reference from which many shares are made. It acquires references from the block in batches, so that most
/// calls of share() need no atomic operation.
/// Thread safety: not synchronized; distinct objects may be used on different threads.
class byte_shares {
public:
    byte_shares() noexcept = default;
    explicit byte_shares(byte_share&& first) noexcept : own_(std::move(first)) {}
    byte_shares(byte_shares&& other) noexcept
        : own_(std::move(other.own_)), in_advance_(std::exchange(other.in_advance_, 0)) {}
    byte_shares& operator=(byte_shares&& other) noexcept {
        if (this == &other) return *this;
        give_back();
        own_ = std::move(other.own_);
        in_advance_ = std::exchange(other.in_advance_, 0);
        return *this;
    }
    ~byte_shares() { give_back(); }

    /// Returns a new share of the block.
    [[nodiscard]] byte_share share() noexcept {
        byte_block* const block = own_.get();
        if (block == nullptr) return {};
        if (in_advance_ == 0) {
            block->retain(at_once);
            in_advance_ = at_once;
        }
        --in_advance_;
        return byte_share(block);
    }
    /// Returns this object's own reference and drops the prefetched ones.
    [[nodiscard]] byte_share take() && noexcept {
        give_back();
        return std::move(own_);
    }

    [[nodiscard]] byte_block* get() const noexcept { return own_.get(); }
    byte_block* operator->() const noexcept { return own_.get(); }
    /// Returns whether the bytes are writable and no other window refers to the block.
    [[nodiscard]] bool is_own() const noexcept { return own_.get() != nullptr && own_->is_own(1 + in_advance_); }

private:
    // References per batch.
    static constexpr std::size_t at_once = 64;

    void give_back() noexcept {
        if (in_advance_ != 0) own_->release(std::exchange(in_advance_, 0));  // never the last: own_ holds one more
    }

    byte_share own_;
    std::size_t in_advance_ = 0;  // references acquired from the block and not yet passed to a share
};

}  // namespace eddy::detail
