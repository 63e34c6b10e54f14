// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>

#include <eddy/future/future.hpp>
#include <eddy/result.hpp>

namespace eddy::io {

/// A position relative to the start, the end or the current position of an object: `seek_from::start(10)`,
/// `seek_from::end(-1)`, `seek_from::current(0)`.
/// Thread safety: a plain value.
class seek_from {
public:
    /// The position that an offset is relative to.
    enum class origin : unsigned char {
        start,   ///< the first byte
        end,     ///< the byte after the last one
        current  ///< the current position
    };

    /// Makes a position from an offset in bytes. A negative offset points backwards.
    [[nodiscard]] static constexpr seek_from start(std::uint64_t offset) noexcept {
        return {origin::start, static_cast<std::int64_t>(offset)};
    }
    [[nodiscard]] static constexpr seek_from end(std::int64_t offset) noexcept { return {origin::end, offset}; }
    [[nodiscard]] static constexpr seek_from current(std::int64_t offset) noexcept { return {origin::current, offset}; }

    /// Returns the two parts. The offset is in bytes.
    [[nodiscard]] constexpr origin from() const noexcept { return from_; }
    [[nodiscard]] constexpr std::int64_t offset() const noexcept { return offset_; }

    /// Compares both parts.
    friend constexpr bool operator==(const seek_from&, const seek_from&) noexcept = default;

private:
    constexpr seek_from(origin from, std::int64_t offset) noexcept : offset_(offset), from_(from) {}

    std::int64_t offset_;
    origin from_;
};

/// An object with a position that can be changed.
///
///     start_seek(to)           Begins a seek. Errors: invalid_argument for a position before the start. Other errors
///                              may be reported by poll_seek_complete().
///     poll_seek_complete(cx)   Becomes ready when no seek is in progress. Returns the position, in bytes from the
///                              start.
///
/// A seek has two parts so that its target stays known if the future is dropped between them.
template <class S>
concept async_seek = requires(S& object, context& cx, seek_from to) {
    { object.start_seek(to) } -> std::same_as<result<void>>;
    { object.poll_seek_complete(cx) } -> std::same_as<poll_result<result<std::uint64_t>>>;
};

}  // namespace eddy::io
