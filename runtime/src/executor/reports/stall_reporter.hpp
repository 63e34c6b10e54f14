// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include <eddy/runtime/stall_report.hpp>

#include "executor/reports/poll_reader.hpp"

namespace eddy::detail {

/// A poll that is a stall.
struct stalled_poll {
    int thread = 0;  ///< sys::this_thread_number()
    const runtime_context* context = nullptr;
    std::uint64_t executor = 0;
    std::uintptr_t task = 0;
    std::chrono::nanoseconds lasted{0};
    std::chrono::nanoseconds limit{0};
    bool is_blocked = false;
};

/// Reports stalls: each place of an executor once, and then at most once a minute, with the number of stalls since the
/// start.
/// Thread safety: one thread.
class stall_reporter {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// Passes a report to `handler`, or prints it if that is null. `is_same` returns whether the poll still lasts: if
    /// it has ended while it was read, the report says less, or there is none.
    void report(const stalled_poll& poll, const stall_handler& handler, const std::function<bool()>& is_same);

private:
    struct counted_place {
        std::uint64_t executor = 0;
        poll_place where;
        std::uint64_t stalls = 0;
        time_point reported_at{};
    };

    [[nodiscard]] counted_place* due_place(std::uint64_t executor, const poll_place& where, time_point now);
    [[nodiscard]] bool may_print(time_point now) noexcept;

    std::vector<counted_place> places_;
    unsigned printed_ = 0;  // in the period
    time_point period_began_{};
};

}  // namespace eddy::detail
