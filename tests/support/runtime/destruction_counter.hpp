// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <eddy/future/ready.hpp>
#include <eddy/task/task.hpp>

namespace support {

/// An object that adds one to a counter in its destructor. Not thread-safe; use `census` for several threads.
class destruction_counter {
public:
    explicit destruction_counter(int& destroyed) noexcept : destroyed_(&destroyed) {}
    destruction_counter(destruction_counter&& other) noexcept : destroyed_(std::exchange(other.destroyed_, nullptr)) {}
    destruction_counter& operator=(destruction_counter&&) = delete;
    ~destruction_counter() {
        if (destroyed_ != nullptr) ++*destroyed_;
    }

private:
    int* destroyed_;
};

/// A task that never completes, and that adds one to the counter when the task is destroyed.
inline eddy::task<> wait_forever(destruction_counter) { co_await eddy::pending<void>(); }

}  // namespace support
