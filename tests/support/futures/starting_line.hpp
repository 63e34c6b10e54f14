// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <thread>

namespace support {

/// Lets threads start at the same time: each waits until all have arrived.
class starting_line {
public:
    explicit starting_line(int threads) noexcept : missing_(threads) {}

    void arrive_and_wait() noexcept {
        missing_.fetch_sub(1);
        while (missing_.load() > 0) std::this_thread::yield();
    }

private:
    std::atomic<int> missing_;
};

}  // namespace support
