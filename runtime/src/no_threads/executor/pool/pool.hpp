// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <exception>
#include <source_location>
#include <string_view>
#include <utility>

#include <eddy/detail/runtime_context.hpp>
#include <eddy/runtime/runtime_metrics.hpp>
#include <eddy/task/detail/executor.hpp>

#include "executor/blocking/blocking.hpp"
#include "executor/pool/worker.hpp"
#include "executor/task/run_task.hpp"
#include "executor/task/task_list.hpp"

namespace eddy::detail {

/// Replaces the pool in a build without threads (EDDY_NO_THREADS). Code that serves both executors calls these
/// functions if its executor is a pool. There is no pool, so they are never called.
class pool final : public executor {
public:
    pool() = delete;

    void retain() noexcept override { std::unreachable(); }
    void release() noexcept override { std::unreachable(); }

    void adopt(spawned_task&) noexcept override { std::unreachable(); }
    void prepare(spawned_task&) noexcept override { std::unreachable(); }
    [[nodiscard]] bool enlist(spawned_task&) noexcept override { std::unreachable(); }
    void launch_child(spawned_task&, bool) noexcept override { std::unreachable(); }
    void wake_scope_parent(waker&&) noexcept override { std::unreachable(); }
    void schedule(spawned_task&) noexcept override { std::unreachable(); }
    [[nodiscard]] bool may_destroy_here() const noexcept override { std::unreachable(); }
    void destroy(spawned_task&, std::uint64_t) noexcept override { std::unreachable(); }
    void report(unread_failure, const std::source_location&, std::string_view) noexcept override { std::unreachable(); }

    [[nodiscard]] io_handle* io_for_new_source() noexcept override { std::unreachable(); }
    [[nodiscard]] io_handle* io_here() const noexcept override { std::unreachable(); }
    [[nodiscard]] io_handle* any_io() const noexcept override { std::unreachable(); }

    /// Its parts, and what other code calls of them.
    struct no_parts {
        [[nodiscard]] result<void> submit(blocking_job&) noexcept { std::unreachable(); }
        void add_blocking(spawned_task&) noexcept { std::unreachable(); }
        [[nodiscard]] bool remove_blocking(spawned_task&) noexcept { std::unreachable(); }
        void count_blocking(bool) noexcept { std::unreachable(); }
        [[nodiscard]] unsigned size() const noexcept { std::unreachable(); }
        [[nodiscard]] time_driver& any_time_driver() noexcept { std::unreachable(); }
        [[nodiscard]] bool hand_over(worker&) noexcept { std::unreachable(); }
        void end_in_place(worker* = nullptr) noexcept { std::unreachable(); }
    };
    [[nodiscard]] no_parts& blocking() noexcept { std::unreachable(); }
    [[nodiscard]] no_parts& tasks() noexcept { std::unreachable(); }
    [[nodiscard]] no_parts& idleness() noexcept { std::unreachable(); }
    [[nodiscard]] no_parts& workers() noexcept { std::unreachable(); }
    [[nodiscard]] no_parts& threads() noexcept { std::unreachable(); }
    [[nodiscard]] bool is_in_child() const noexcept { std::unreachable(); }

    void add_metrics_to(all_metrics&) const override { std::unreachable(); }
    [[nodiscard]] const observer* observed_by() const noexcept override { std::unreachable(); }

    [[nodiscard]] runtime_metrics metrics() const { std::unreachable(); }
    [[nodiscard]] std::uint64_t id() const noexcept { std::unreachable(); }
};

/// Replaces the guard of threads that wait for other polls.
class held_up : immovable {
public:
    held_up(pool&, bool (*)(void*) noexcept, void*) noexcept { std::unreachable(); }
    ~held_up() {}  // not trivial: a guard
};

[[nodiscard]] inline worker* worker_of(const pool&) noexcept { std::unreachable(); }

}  // namespace eddy::detail
