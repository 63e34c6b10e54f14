// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/drop.hpp>
#include <eddy/test/by_hand.hpp>

namespace support {

using eddy::drop;

/// Polls recv() once and returns its output. Fails the test if the poll is pending.
template <class Receiver>
auto receive(Receiver& rx) {
    eddy::test::by_hand hand(rx.recv());
    return eddy::test::assert_ready(hand.poll());
}

}  // namespace support
