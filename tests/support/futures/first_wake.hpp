// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <eddy/test/by_hand.hpp>

#include "support/polling.hpp"

namespace support {

/// More waiters than are woken in one batch.
constexpr std::size_t more_than_a_batch = 100;

/// Owns waiting futures. The first wake-up destroys all of them and then calls `destroy_state`. An executor does the
/// same if a waker holds the last reference to a task.
template <class F>
class destroyed_at_first_wake {
public:
    template <class Make>
    destroyed_at_first_wake(Make make, std::function<void()> destroy_state)
        : destroy_state_(std::move(destroy_state)), waker_([this] { end(); }) {
        for (std::size_t i = 0; i < more_than_a_batch; ++i) {
            futures_.push_back(std::make_unique<F>(make()));
            eddy::test::assert_pending(poll_with(*futures_.back(), waker_.waker()));
        }
    }

private:
    void end() {
        if (futures_.empty()) return;
        std::exchange(futures_, {}).clear();
        destroy_state_();
    }

    std::function<void()> destroy_state_;
    calling_waker waker_;
    std::vector<std::unique_ptr<F>> futures_;
};

}  // namespace support
