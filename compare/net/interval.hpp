// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>

#include "clock.hpp"
#include "histogram.hpp"
#include "server_costs.hpp"

namespace bench {

/// The measured part of a run, after the warm-up: number of requests, their latencies, and their cost.
class interval {
public:
    explicit interval(server_costs costs) : costs_(std::move(costs)) {}

    void begin() {
        running_ = true;
        first_ = read();
    }

    void end() {
        last_ = read();
        running_ = false;
    }

    [[nodiscard]] bool has_begun() const noexcept { return running_ || is_over(); }
    [[nodiscard]] bool is_over() const noexcept { return last_.time != 0; }
    [[nodiscard]] nanoseconds begun() const noexcept { return first_.time; }

    /// Counts an answer, if the interval is running.
    void count() noexcept { requests_ += running_; }
    /// Records a latency. The caller decides whether it counts: a request of the interval may be answered after its
    /// end.
    void record(nanoseconds latency) noexcept { latencies_.record(latency); }

    [[nodiscard]] std::uint64_t requests() const noexcept { return requests_; }
    [[nodiscard]] const histogram& latencies() const noexcept { return latencies_; }
    [[nodiscard]] nanoseconds elapsed() const noexcept { return last_.time - first_.time; }
    /// The processor time of this program. If it is close to elapsed(), the load generator limited the rate.
    [[nodiscard]] nanoseconds own_cpu() const noexcept { return last_.own_cpu - first_.own_cpu; }

    [[nodiscard]] server_costs::reading server() const noexcept {
        const auto &from = first_.server, &to = last_.server;
        return {to.cpu - from.cpu, to.user_ticks - from.user_ticks, to.system_ticks - from.system_ticks,
                to.calls - from.calls};
    }

private:
    struct edge {
        server_costs::reading server;
        nanoseconds own_cpu = 0;
        nanoseconds time = 0;
    };

    [[nodiscard]] edge read() const { return {costs_.read(), read_clock(CLOCK_PROCESS_CPUTIME_ID), now()}; }

    server_costs costs_;
    edge first_, last_;
    bool running_ = false;
    std::uint64_t requests_ = 0;
    histogram latencies_;
};

}  // namespace bench
