// SPDX-License-Identifier: MIT
#pragma once

#include "explore/explore.hpp"

namespace explore {

/// An item of a queue, which the queue must pass to exactly one thread. The members are plain on purpose: the queue
/// must order all accesses.
struct queued_item {
    bool is_written = false;  ///< set before the push
    bool is_taken = false;

    void take() {
        check(is_written, "writes before the push are visible");
        check(!is_taken, "each item is taken once");
        is_taken = true;
    }
};

}  // namespace explore
