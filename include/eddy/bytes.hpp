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

#include <eddy/detail/byte_block.hpp>
#include <eddy/detail/byte_numbers.hpp>
#include <eddy/detail/byte_window.hpp>
#include <eddy/detail/export.hpp>

namespace eddy {

class bytes_mut;

namespace detail {

template <class T>
inline constexpr bool is_byte_like =
    std::same_as<std::remove_cv_t<T>, std::byte> || std::same_as<std::remove_cv_t<T>, char> ||
    std::same_as<std::remove_cv_t<T>, unsigned char>;

/// What has bytes of some name behind `std::data` and `std::size`, and can be kept.
template <class T>
concept owner_of_bytes = std::is_object_v<T> && std::move_constructible<T> && requires(T& t) {
    { std::size(t) } -> std::convertible_to<std::size_t>;
    requires is_byte_like<std::remove_pointer_t<decltype(std::data(t))>>;
};

}  // namespace detail

/// A window of bytes that do not change. Copies and parts share the memory, which lives as long as one of them; to
/// write see bytes_mut.
///
/// Errors: what reaches beyond the window throws std::out_of_range, with both numbers in the text, and changes nothing.
/// Thread safety: as a value; windows of the same memory may be used on several threads.
/// Cost: copying, splitting and slicing: one atomic addition, no allocation. Four words.
class EDDY_API bytes : public detail::byte_window, public detail::takes_numbers<bytes> {
public:
    static constexpr std::size_t to_the_end = std::numeric_limits<std::size_t>::max();

    /// No bytes.
    bytes() noexcept = default;
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

    /// The bytes of a string or vector, which is moved in: they are not copied. Cost: one allocation, for the count.
    bytes(std::string&& owner) : bytes(from_owner(std::move(owner))) {}
    bytes(std::vector<std::byte>&& owner) : bytes(from_owner(std::move(owner))) {}
    bytes(std::vector<char>&& owner) : bytes(from_owner(std::move(owner))) {}
    bytes(std::vector<unsigned char>&& owner) : bytes(from_owner(std::move(owner))) {}

    /// The bytes of anything that has `data()` and `size()`, a leased_buffer say; it is kept until the last window has
    /// gone. Cost: one allocation.
    template <detail::owner_of_bytes Owner>
    [[nodiscard]] static bytes from_owner(Owner owner) {
        return whole(detail::byte_block::adopt(std::move(owner)));
    }

    /// Bytes that live as long as the program: a literal. Cost: nothing.
    [[nodiscard]] static bytes from_static(std::span<const std::byte> bytes) noexcept;
    [[nodiscard]] static bytes from_static(std::string_view text) noexcept;

    /// A copy. Cost: one allocation.
    [[nodiscard]] static bytes copy_of(std::span<const std::byte> from);
    [[nodiscard]] static bytes copy_of(std::string_view from);

    /// The bytes from `begin` up to `end`, which is not among them.
    [[nodiscard]] bytes slice(std::size_t begin, std::size_t end = to_the_end) const;
    /// The window of `part`, which lies within this one: of what a parser has found.
    [[nodiscard]] bytes slice_of(std::span<const std::byte> part) const;
    [[nodiscard]] bytes slice_of(std::string_view part) const;

    /// Takes the first `count` bytes off, and returns them.
    [[nodiscard]] bytes split_to(std::size_t count);
    /// Takes off what follows the first `count` bytes, and returns it.
    [[nodiscard]] bytes split_off(std::size_t count);
    /// Drops the first `count` bytes.
    void advance(std::size_t count);
    /// Drops what follows the first `count` bytes, if there is more.
    void truncate(std::size_t count) noexcept;
    /// Lets go of the memory.
    void clear() noexcept { *this = bytes(); }

    /// Whether no other window has the same memory. Of a literal that is never said.
    [[nodiscard]] bool is_unique() const noexcept { return share_.is_own(); }
    /// The same memory for writing, if no other window has it; else this window comes back. Cost: nothing.
    [[nodiscard]] std::expected<bytes_mut, bytes> try_into_mut() &&;

private:
    friend class bytes_mut;

    bytes(detail::byte_share share, std::byte* data, std::size_t size) noexcept
        : byte_window(data, size), share_(std::move(share)) {}
    static bytes whole(detail::byte_block* block) noexcept {
        return {detail::byte_share(block), block->begin(), block->capacity()};
    }

    detail::byte_share share_;  // none: a literal, or no bytes
};

}  // namespace eddy

template <>
struct std::hash<eddy::bytes> {
    std::size_t operator()(const eddy::bytes& window) const noexcept {
        return std::hash<std::string_view>()(window.text());
    }
};

#include <eddy/bytes_mut.hpp>  // IWYU pragma: keep
