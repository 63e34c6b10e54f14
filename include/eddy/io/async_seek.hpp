// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>

#include <eddy/future.hpp>
#include <eddy/result.hpp>

namespace eddy::io {

/// A place in something that has a beginning and an end: `seek_from::start(10)`, `seek_from::end(-1)`,
/// `seek_from::current(0)`.
class seek_from {
public:
    enum class origin : unsigned char { start, end, current };

    [[nodiscard]] static constexpr seek_from start(std::uint64_t offset) noexcept {
        return {origin::start, static_cast<std::int64_t>(offset)};
    }
    [[nodiscard]] static constexpr seek_from end(std::int64_t offset) noexcept { return {origin::end, offset}; }
    [[nodiscard]] static constexpr seek_from current(std::int64_t offset) noexcept { return {origin::current, offset}; }

    [[nodiscard]] constexpr origin from() const noexcept { return from_; }
    [[nodiscard]] constexpr std::int64_t offset() const noexcept { return offset_; }

    friend constexpr bool operator==(const seek_from&, const seek_from&) noexcept = default;

private:
    constexpr seek_from(origin from, std::int64_t offset) noexcept : offset_(offset), from_(from) {}

    std::int64_t offset_;
    origin from_;
};

/// What can go to another place.
///
///     start_seek(to)         begins it. Errors: invalid_argument for a place before the beginning; others are told
///     later. poll_seek_complete(cx) ready when all that was begun is done; answers the place, counted from the
///     beginning
///
/// In two parts, so that one who drops its future in between leaves no doubt which place will be reached.
template <class S>
concept async_seek = requires(S& object, context& cx, seek_from to) {
    { object.start_seek(to) } -> std::same_as<result<void>>;
    { object.poll_seek_complete(cx) } -> std::same_as<poll_result<result<std::uint64_t>>>;
};

}  // namespace eddy::io
