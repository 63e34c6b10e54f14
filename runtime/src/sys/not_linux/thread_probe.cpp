// SPDX-License-Identifier: MIT
#include "sys/thread_probe.hpp"

namespace eddy::sys {

int this_thread_number() noexcept { return 0; }
std::optional<thread_sample> sample_thread(int) noexcept { return std::nullopt; }
std::size_t ready_threads(std::span<ready_thread>) noexcept { return 0; }
std::optional<std::size_t> thread_count() noexcept { return std::nullopt; }
bool is_debugged() noexcept { return false; }
thread_snapshot interrupt_thread(int) noexcept { return {}; }
bool is_probe_signal(int) noexcept { return false; }

}  // namespace eddy::sys
