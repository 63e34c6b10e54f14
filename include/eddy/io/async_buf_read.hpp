// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <span>

#include <eddy/future.hpp>
#include <eddy/io/async_read.hpp>
#include <eddy/result.hpp>

namespace eddy::io {

/// A reader with a buffer of its own, in which one can look for something.
///
///     poll_fill_buf(cx)   the bytes that are there; if there are none, it reads. Empty at the end. They stay where
///     they are
///                         until the reader is next used in another way.
///     consume(count)      takes the first `count` of them; no more than poll_fill_buf() gave
///
/// To make one of a reader: buf_reader.
template <class R>
concept async_buf_read = async_read<R> && requires(R& from, context& cx, std::size_t count) {
    { from.poll_fill_buf(cx) } -> std::same_as<poll_result<result<std::span<const std::byte>>>>;
    { from.consume(count) } -> std::same_as<void>;
};

}  // namespace eddy::io
