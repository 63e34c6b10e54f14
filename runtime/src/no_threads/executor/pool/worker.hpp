// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <eddy/future/waker.hpp>

#include "executor/task/run_task.hpp"

namespace eddy::detail {

class io_handle;
class pool;
class time_driver;
struct offered_child;

/// Replaces the worker of a pool in a build without threads; see pool.hpp. There is no worker.
class worker {
public:
    worker() = delete;

    /// Its parts, and what other code calls of them.
    struct no_parts {
        [[nodiscard]] bool offer(offered_child&) noexcept { std::unreachable(); }
        [[nodiscard]] bool has_enough_offers() const noexcept { std::unreachable(); }
        [[nodiscard]] bool take_back(offered_child&) noexcept { std::unreachable(); }
        [[nodiscard]] io_handle* io() const noexcept { std::unreachable(); }
        [[nodiscard]] time_driver& time() const noexcept { std::unreachable(); }
    };
    [[nodiscard]] no_parts& tasks() noexcept { std::unreachable(); }
    [[nodiscard]] no_parts& events() noexcept { std::unreachable(); }

    [[nodiscard]] pool& owner() const noexcept { std::unreachable(); }
    [[nodiscard]] bool has_others() const noexcept { std::unreachable(); }
    [[nodiscard]] bool is_ending() const noexcept { std::unreachable(); }
    [[nodiscard]] bool take_back() noexcept { std::unreachable(); }
    void enter_thread() noexcept { std::unreachable(); }
    void budget_used_up() noexcept { std::unreachable(); }
    static void leave_thread() noexcept { std::unreachable(); }
};

}  // namespace eddy::detail
