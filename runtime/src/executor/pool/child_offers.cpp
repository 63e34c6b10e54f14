// SPDX-License-Identifier: MIT
#include "executor/pool/child_offers.hpp"

#include <algorithm>

#include <eddy/task/scope_all.hpp>

#include "executor/pool/worker_set.hpp"

namespace eddy::detail {

bool child_offers::push(offered_child& child, worker_set& others) noexcept {
    if (!queue_.push(&child)) return false;
    if (to_skip_ != 0) {
        --to_skip_;
    } else if (others.notify_if_useful()) {
        in_vain_ = std::min(in_vain_ + 1, most_in_vain);
        to_skip_ = (1u << in_vain_) - 1;
    }
    return true;
}

void child_offers::start_all() noexcept {
    while (offered_child* const child = queue_.pop()) child->start(*child);
}

}  // namespace eddy::detail
