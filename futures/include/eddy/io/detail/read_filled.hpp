// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include <eddy/detail/small_algorithms.hpp>
#include <eddy/future/future.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {

/// Implements poll_read() for a buffered reader with its poll_fill_buf() and consume().
template <class R>
poll_result<result<std::size_t>> poll_read_filled(R& from, context& cx, std::span<std::byte> into) {
    const auto there = from.poll_fill_buf(cx);
    if (!there) return not_ready;
    if (!*there) return result<std::size_t>(std::unexpect, there->error());
    const std::size_t count = lesser(into.size(), (*there)->size());
    copy_bytes((*there)->first(count), into.data());
    from.consume(count);
    return ok(count);
}

}  // namespace eddy::detail
