// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <utility>

#include <eddy/stream.hpp>
#include <eddy/test/by_hand.hpp>

namespace support {

/// Takes one item of a stream, moves the stream, and takes the next item. `more` makes a further item available.
/// Returns whether the moved stream returned an item immediately or was woken for it.
template <class S>
bool continues_after_a_move(S items, const std::function<void()>& more) {
    const eddy::test::wake_counter counter;
    const eddy::waker waker = counter.waker();
    eddy::context cx(waker, 1000);
    if (auto first = items.poll_next(cx); !first || !first->has_value()) return false;
    auto rest = std::move(items).take(10);
    more();
    if (auto second = rest.poll_next(cx)) return second->has_value();
    const auto seen = counter.wakes();
    more();
    if (counter.wakes() == seen) return false;
    auto third = rest.poll_next(cx);
    return third && third->has_value();
}

}  // namespace support
