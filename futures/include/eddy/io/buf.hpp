// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <span>

namespace eddy::io {

/// A sequence of bytes that is consumed from the front: `bytes`, `bytes_mut`, or a class of the user.
///     chunk()         Returns the first contiguous bytes. The span is empty only if no byte is left.
///     advance(count)  Removes the first `count` bytes.
template <class B>
concept buf = requires(B& from, std::size_t count) {
    { from.chunk() } -> std::same_as<std::span<const std::byte>>;
    from.advance(count);
};

/// Spare capacity that is filled from the front: `bytes_mut`, or a class of the user.
///     chunk_mut()         Returns contiguous spare capacity. The span is empty only if there is none.
///     advance_mut(count)  Marks the first `count` bytes of it as written.
template <class B>
concept buf_mut = requires(B& into, std::size_t count) {
    { into.chunk_mut() } -> std::same_as<std::span<std::byte>>;
    into.advance_mut(count);
};

}  // namespace eddy::io
