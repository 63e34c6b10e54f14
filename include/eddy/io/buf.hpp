// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <span>

namespace eddy::io {

/// Bytes that are taken from the front, in pieces: `bytes`, `bytes_mut`, or a class of one's own.
///     chunk()         some of them; empty only if none is left
///     advance(count)  takes the first `count` of them off
template <class B>
concept buf = requires(B& from, std::size_t count) {
    { from.chunk() } -> std::same_as<std::span<const std::byte>>;
    from.advance(count);
};

/// Room that is filled from the front, in pieces: `bytes_mut`, or a class of one's own.
///     chunk_mut()         some of it; empty only if none is left
///     advance_mut(count)  the first `count` bytes of it have been written
template <class B>
concept buf_mut = requires(B& into, std::size_t count) {
    { into.chunk_mut() } -> std::same_as<std::span<std::byte>>;
    into.advance_mut(count);
};

}  // namespace eddy::io
