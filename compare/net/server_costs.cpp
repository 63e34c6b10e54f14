// SPDX-License-Identifier: MIT
#include "server_costs.hpp"

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

namespace bench {

namespace {

/// The tracepoint id of the entry of all system calls, for perf_event_open(2).
std::uint64_t tracepoint_of_all_calls() {
    std::uint64_t id = 0;
    for (const char* root : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"})
        if (std::ifstream(root + std::string("/events/raw_syscalls/sys_enter/id")) >> id) return id;
    throw std::runtime_error("the kernel's tracepoints cannot be read: run as root, and mount tracefs");
}

}  // namespace

server_costs::server_costs(pid_t pid, bool count_calls) {
    if (pid == 0) return;
    const auto folder = "/proc/" + std::to_string(pid);
    stat_ = folder + "/stat";
    if (const int error = ::clock_getcpuclockid(pid, &clock_); error != 0)
        throw std::system_error(error, std::generic_category(), "clock_getcpuclockid");
    if (!count_calls) return;
    const auto tracepoint = tracepoint_of_all_calls();
    for (const auto& thread : std::filesystem::directory_iterator(folder + "/task"))
        open_counter(std::stoi(thread.path().filename()), tracepoint);
}

void server_costs::open_counter(pid_t thread, std::uint64_t tracepoint) {
    perf_event_attr wanted{};
    wanted.size = sizeof wanted;
    wanted.type = PERF_TYPE_TRACEPOINT;
    wanted.config = tracepoint;
    wanted.inherit = 1;  // includes threads that are created later
    const auto fd = ::syscall(SYS_perf_event_open, &wanted, thread, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0) throw_errno("perf_event_open");
    counters_.push_back(static_cast<int>(fd));
}

server_costs::reading server_costs::read() const {
    reading seen;
    if (stat_.empty()) return seen;
    // proc_pid_stat(5): utime and stime are fields 14 and 15. Field 2, the name in parentheses, may contain spaces and
    // parentheses, so field 3 begins after the last closing parenthesis.
    std::ifstream file(stat_);
    const std::string text(std::istreambuf_iterator<char>(file), {});
    std::istringstream fields(text.substr(text.rfind(')') + 1));
    std::string skipped;
    for (int field = 3; field < 14; ++field) fields >> skipped;
    fields >> seen.user_ticks >> seen.system_ticks;

    for (const int counter : counters_) {
        std::uint64_t count = 0;
        if (::read(counter, &count, sizeof count) != sizeof count) throw_errno("read of a perf counter");
        seen.calls += count;
    }
    // The clock equals the sum over /proc/PID/task/*/schedstat, but includes ended threads and needs only one call.
    seen.cpu = read_clock(clock_);
    return seen;
}

}  // namespace bench
