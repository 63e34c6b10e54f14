// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include <eddy/runtime.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/task/task.hpp>

#include "plan.hpp"

namespace soak {

/// A runtime, or an event loop on a thread of its own, that can end in each way.
/// Thread safety: one thread at a time, outside of its tasks.
class host {
public:
    /// With 0 workers, it is an event loop.
    host(unsigned workers, eddy::driver_kind driver);
    host(const host&) = delete;
    host& operator=(const host&) = delete;
    ~host();

    /// Calls `work` on the runtime or event loop, and spawns its task.
    void add(std::function<eddy::task<void>()> work);
    /// Returns the number of tasks that were added, or that these have spawned, and that have not ended.
    [[nodiscard]] std::size_t alive_tasks() const;
    /// Ends the runtime or event loop. Tasks that are left are dropped.
    void stop(stop_kind how);

private:
    [[nodiscard]] std::size_t count_tasks() const;
    void run_loop(const std::function<void(eddy::core_remote)>& started, eddy::driver_kind driver);

    std::optional<eddy::runtime> pool_;
    std::thread thread_;
    std::optional<eddy::core_remote> loop_;
    eddy::sync::cancellation_token ends_;
    std::size_t own_tasks_ = 0;  // of an event loop: its main task, and the one that counts
    std::atomic<stop_kind> end_{stop_kind::destroyed};
};

}  // namespace soak
