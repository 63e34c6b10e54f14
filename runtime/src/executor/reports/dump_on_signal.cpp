// SPDX-License-Identifier: MIT
#include "executor/reports/dump_on_signal.hpp"

#include <atomic>
#include <charconv>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <eddy/result.hpp>
#include <eddy/signal/detail/blocked_signals.hpp>
#include <eddy/task/dump_tasks.hpp>

#include "executor/reports/endless_wait.hpp"
#include "executor/reports/flight_recorder.hpp"
#include "sys/print_report.hpp"
#include "sys/signals.hpp"
#include "sys/this_process.hpp"
#include "sys/thread.hpp"

namespace eddy::detail {
namespace {

/// Parses "SIGQUIT", "QUIT" or a number.
std::optional<int> signal_of(std::string_view text) noexcept {
    if (text.starts_with("SIG")) text.remove_prefix(3);
    if (const auto named = sys::signal_named(text)) return named;
    int number = 0;
    const auto* const end = std::to_address(text.end());
    const auto parsed = std::from_chars(std::to_address(text.begin()), end, number);
    return parsed.ec == std::errc() && parsed.ptr == end ? std::optional(number) : std::nullopt;
}

void print_tasks() noexcept {
    try {
        sys::print_report("eddy: all tasks, because of the signal of EDDY_DUMP:\n" + dump_tasks());
    } catch (const std::exception&) {
        sys::print_report("eddy: there is not enough memory to print the tasks\n");
    }
}

result<void> start(int number) noexcept {
    if (auto counted = sys::count_signal(number); !counted) return counted;
    const auto bell = sys::open_bell(number);
    if (!bell) return std::unexpected(bell.error());
    const auto wait_and_print = [&rings = **bell, number]() noexcept {
        const endless_wait::observer_thread here;
        sys::unblock_signal(number);
        while (sys::wait_for_ring(rings)) {
            print_tasks();
            write_recorded_file();
        }
    };
    const blocked_signals in_new_thread;
    auto thread = sys::start_thread("eddy-dump", 0, wait_and_print);
    if (thread) {
        thread->detach();  // it ends with the process
        return {};
    }
    sys::close_bell(**bell);
    return std::unexpected(thread.error());
}

}  // namespace

void start_dumps_on_signal() noexcept {
    static constinit std::atomic<bool> is_started{false};
    // relaxed, both: nothing else depends on it. No local static, whose guard another thread may hold during a fork.
    if (is_started.load(std::memory_order_relaxed) || is_started.exchange(true, std::memory_order_relaxed)) return;
    const char* const chosen = sys::environment("EDDY_DUMP");
    if (*chosen == '\0') return;
    const auto number = signal_of(chosen);
    if (!number) {
        std::fprintf(stderr, "eddy: EDDY_DUMP=%s is no signal: write SIGQUIT, SIGUSR1, SIGUSR2, SIGHUP, or a number\n",
                     chosen);
        return;
    }
    if (const auto started = start(*number); !started)
        std::fprintf(stderr, "eddy: EDDY_DUMP=%s prints nothing: %s\n", chosen, started.error().message().c_str());
}

}  // namespace eddy::detail
