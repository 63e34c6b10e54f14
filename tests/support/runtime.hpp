// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/ready.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/runtime.hpp>
#include <eddy/task/task.hpp>

#include "gate.hpp"
#include "last_words.hpp"
#include "limit.hpp"
#include "sanitizers.hpp"

// Helpers of the tests of the work-stealing runtime.

namespace support {

[[nodiscard]] inline eddy::runtime make_runtime(unsigned workers) {
    return eddy::runtime::builder().worker_threads(workers).build().value();
}

/// A suite that is run with 1, 2 and 4 workers.
class on_workers : public testing::TestWithParam<unsigned> {
protected:
    [[nodiscard]] static unsigned workers() { return GetParam(); }
    [[nodiscard]] static eddy::runtime make() { return make_runtime(workers()); }
};

#define EDDY_ON_1_2_AND_4_WORKERS(suite) \
    INSTANTIATE_TEST_SUITE_P(Workers, suite, testing::Values(1u, 2u, 4u), testing::PrintToStringParamName())

/// Aborts the process with a message if the watchdog is not destroyed within `limit`, or within operation_limit() if
/// that is longer, as in a soak. Use it in tests that would otherwise hang.
class watchdog {
public:
    explicit watchdog(const char* what, std::chrono::seconds limit = operation_limit())
        : thread_([this, what, limit = std::max(limit, operation_limit())] {
              std::unique_lock guard(lock_);
              if (ended_.wait_for(guard, limit, [this] { return is_over_; })) return;
              std::fprintf(stderr, "watchdog: not finished after %lld s: %s\n", static_cast<long long>(limit.count()),
                           what);
              std::abort();
          }) {}
    watchdog(const watchdog&) = delete;
    watchdog& operator=(const watchdog&) = delete;
    ~watchdog() {
        {
            const std::lock_guard guard(lock_);
            is_over_ = true;
            ended_.notify_one();
        }
        thread_.join();
    }

private:
    std::mutex lock_;
    std::condition_variable ended_;
    bool is_over_ = false;
    std::thread thread_;
};

/// Holds a value and waits forever.
template <class T>
eddy::task<void> hold(T held) {
    co_await eddy::pending<void>();
    static_cast<void>(held);
}

// The following coroutines are defined in coroutines.cpp; net.hpp gives the reason.

[[nodiscard]] eddy::task<void> nothing();

/// Yields once and returns `value`.
[[nodiscard]] eddy::task<int> number(int value);

/// Counts its start and waits forever.
[[nodiscard]] eddy::task<void> begin_and_hold(tally& begun, last_words words);

/// Collects the ids of the threads that call add().
class thread_set {
public:
    void add() {
        const std::lock_guard guard(lock_);
        seen_.insert(std::this_thread::get_id());
    }
    [[nodiscard]] std::size_t size() const {
        const std::lock_guard guard(lock_);
        return seen_.size();
    }
    [[nodiscard]] bool has(std::thread::id id) const {
        const std::lock_guard guard(lock_);
        return seen_.contains(id);
    }

private:
    mutable std::mutex lock_;
    std::set<std::thread::id> seen_;
};

/// Waits until the runtime is being shut down: then a newly spawned task is cancelled immediately.
void wait_until_closing(const eddy::handle& handle);

/// Blocks its thread until `f` returns true, for at most operation_limit(). Real tasks must not do this.
template <class Fn>
bool spin_until(Fn f) {
    const auto limit = std::chrono::steady_clock::now() + operation_limit();
    while (!f()) {
        if (std::chrono::steady_clock::now() > limit) return false;
        std::this_thread::yield();
    }
    return true;
}

/// Threads that start at the same time.
class threads {
public:
    template <class Fn>
    threads(unsigned count, Fn f) {
        for (unsigned i = 0; i < count; ++i) {
            all_.emplace_back([this, f, i, count]() mutable {
                ready_.fetch_add(1);
                while (ready_.load() < count) std::this_thread::yield();
                f(i);
            });
        }
    }
    threads(const threads&) = delete;
    threads& operator=(const threads&) = delete;
    ~threads() { join(); }
    void join() {
        for (auto& each : all_) {
            if (each.joinable()) each.join();
        }
    }

private:
    std::atomic<unsigned> ready_{0};
    std::vector<std::thread> all_;
};

}  // namespace support
