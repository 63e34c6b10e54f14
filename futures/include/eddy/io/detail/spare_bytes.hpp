// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <eddy/bytes/bytes_mut.hpp>

namespace eddy::detail {

/// The containers that read functions may append to.
template <class C>
inline constexpr bool is_growing =
    std::same_as<C, std::string> || std::same_as<C, std::vector<std::byte>> || std::same_as<C, std::vector<char>> ||
    std::same_as<C, std::vector<unsigned char>> || std::same_as<C, bytes_mut>;

/// Rejects, with a static_assert, a container to which read functions cannot append.
template <class C>
constexpr bool check_growing() {
    static_assert(
        is_growing<C>,
        "eddy: this reads into a container that grows: a std::string, std::vector<std::byte> or eddy::bytes_mut");
    return is_growing<C>;
}

/// Spare capacity at the end of a container, made accessible for a read. The destructor removes the bytes that were not
/// kept with keep().
/// Lifetime: refers to the container, which must not be changed otherwise meanwhile.
template <class C>
class spare_bytes : immovable {
public:
    /// Appends `size` zero bytes to the container.
    spare_bytes(C& into, std::size_t size) : into_(into), size_(into.size()) { into.resize(size_ + size); }
    ~spare_bytes() { into_.resize(size_); }  // never grows the container, so it does not throw

    /// Returns the bytes that are not kept yet.
    [[nodiscard]] std::span<std::byte> get() noexcept {
        return std::as_writable_bytes(std::span(into_.data(), into_.size())).subspan(size_);
    }
    /// Keeps the first `count` bytes of get().
    void keep(std::size_t count) noexcept { size_ += count; }

private:
    C& into_;
    std::size_t size_;
};

/// For bytes_mut: the spare capacity is not initialized before it is read into.
template <>
class spare_bytes<bytes_mut> {
public:
    spare_bytes(bytes_mut& into, std::size_t size) : into_(into) {
        into.reserve(size);
        spare_ = into.chunk_mut();
    }

    [[nodiscard]] std::span<std::byte> get() const noexcept { return spare_; }
    void keep(std::size_t count) { into_.advance_mut(count); }

private:
    bytes_mut& into_;
    std::span<std::byte> spare_;
};

/// Appends a copy of `from`.
template <class C>
void append_bytes(C& into, std::span<const std::byte> from) {
    if constexpr (std::same_as<C, bytes_mut>) {
        into.put(from);
    } else {
        // SAFETY: value_type is char, unsigned char or std::byte, and any object may be read through those.
        const auto* const first = reinterpret_cast<const typename C::value_type*>(from.data());
        into.insert(into.end(), first, first + from.size());
    }
}

}  // namespace eddy::detail
