// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <expected>
#include <functional>
#include <iterator>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/bytes/detail/byte_block.hpp>
#include <eddy/bytes/detail/byte_numbers.hpp>
#include <eddy/bytes/detail/byte_window.hpp>
#include <eddy/detail/export.hpp>

namespace eddy {

class bytes_mut;

namespace detail {

template <class T>
inline constexpr bool is_byte_like =
    std::same_as<std::remove_cv_t<T>, std::byte> || std::same_as<std::remove_cv_t<T>, char> ||
    std::same_as<std::remove_cv_t<T>, unsigned char>;

/// An object type that can be moved and whose `std::data()` and `std::size()` give a range of byte-like elements.
template <class T>
concept owner_of_bytes = std::is_object_v<T> && std::move_constructible<T> && requires(T& t) {
    { std::size(t) } -> std::convertible_to<std::size_t>;
    requires is_byte_like<std::remove_pointer_t<decltype(std::data(t))>>;
};

}  // namespace detail

/// A view of immutable, reference-counted bytes. Copies and slices share the memory, which is freed with the last of
/// them. To write bytes, use bytes_mut. The functions to inspect and compare the bytes come from detail::byte_window;
/// get_u8(), get_u32() etc. from detail::takes_numbers.
///
/// Errors: an index or count outside of the view throws std::out_of_range with both numbers in its text, and leaves the
/// view unchanged.
/// Thread safety: not synchronized; use one object from one thread at a time. Views that share memory may be used on
/// different threads at the same time.
/// Cost: copying, splitting and slicing take one atomic addition and no allocation. The object has four words.
class EDDY_API bytes : public detail::byte_window, public detail::takes_numbers<bytes> {
public:
    /// Default `end` of slice(): the end of the view.
    static constexpr std::size_t to_the_end = std::numeric_limits<std::size_t>::max();

    /// Constructs an empty view without memory.
    bytes() noexcept = default;
    /// A copy shares the memory. A move leaves `other` empty.
    bytes(const bytes&) noexcept = default;
    bytes(bytes&& other) noexcept : byte_window(other), share_(std::move(other.share_)) { other.forget_window(); }
    bytes& operator=(const bytes&) noexcept = default;
    bytes& operator=(bytes&& other) noexcept {
        if (this == &other) return *this;
        byte_window::operator=(other);
        share_ = std::move(other.share_);
        other.forget_window();
        return *this;
    }
    ~bytes() = default;

    /// Takes ownership of a string or a vector; its bytes are not copied.
    /// Cost: one allocation, for the reference count.
    bytes(std::string&& owner);
    bytes(std::vector<std::byte>&& owner);
    bytes(std::vector<char>&& owner);
    bytes(std::vector<unsigned char>&& owner);

    /// Takes ownership of any object that has `data()` and `size()`, for example a leased_buffer. The object is
    /// destroyed together with the last view of it.
    /// Cost: one allocation.
    template <detail::owner_of_bytes Owner>
    [[nodiscard]] static bytes from_owner(Owner owner) {
        return whole(detail::byte_block::adopt(std::move(owner)));
    }

    /// Refers to bytes of static storage duration, for example a string literal.
    /// Lifetime: the bytes must exist until the program ends.
    /// Cost: no allocation and no reference count.
    [[nodiscard]] static bytes from_static(std::span<const std::byte> bytes) noexcept;
    [[nodiscard]] static bytes from_static(std::string_view text) noexcept;

    /// Copies `from` into new memory.
    /// Cost: one allocation; none if `from` is empty.
    [[nodiscard]] static bytes copy_of(std::span<const std::byte> from);
    [[nodiscard]] static bytes copy_of(std::string_view from);

    /// Returns the bytes in the range [`begin`, `end`).
    [[nodiscard]] bytes slice(std::size_t begin, std::size_t end = to_the_end) const;
    /// Returns a view of `part`, which must be a subrange of this view, for example a field that a parser found.
    [[nodiscard]] bytes slice_of(std::span<const std::byte> part) const;
    [[nodiscard]] bytes slice_of(std::string_view part) const;

    /// Removes the first `count` bytes and returns them.
    [[nodiscard]] bytes split_to(std::size_t count);
    /// Removes all bytes after the first `count` and returns them.
    [[nodiscard]] bytes split_off(std::size_t count);
    /// Removes the first `count` bytes.
    void advance(std::size_t count);
    /// Removes all bytes after the first `count`. Does nothing if there are no more than `count`.
    void truncate(std::size_t count) noexcept;
    /// Makes this view empty and releases its reference of the memory.
    void clear() noexcept { *this = bytes(); }

    /// Returns whether the memory is writable and no other view shares it. Returns false for from_static(), for an
    /// owner that gives read-only access, and for a view without memory.
    [[nodiscard]] bool is_unique() const noexcept { return share_.get() != nullptr && share_->is_own(); }
    /// Returns the same memory as a writable buffer if is_unique(); otherwise returns this view as the error.
    /// Cost: no allocation and no copy.
    [[nodiscard]] std::expected<bytes_mut, bytes> try_into_mut() &&;

private:
    friend class bytes_mut;

    bytes(detail::byte_share share, std::byte* data, std::size_t size) noexcept
        : byte_window(data, size), share_(std::move(share)) {}
    static bytes whole(detail::byte_block* block) noexcept {
        return {detail::byte_share(block), block->begin(), block->capacity()};
    }

    detail::byte_share share_;  // empty for from_static() and for an empty view
};

}  // namespace eddy

/// Hashes the content, as std::string_view does.
template <>
struct std::hash<eddy::bytes> {
    std::size_t operator()(const eddy::bytes& window) const noexcept {
        return std::hash<std::string_view>()(window.text());
    }
};

#include <eddy/bytes/bytes_mut.hpp>  // IWYU pragma: keep
