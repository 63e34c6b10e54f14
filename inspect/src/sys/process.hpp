// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "inspect/target_memory.hpp"
#include "sys/mappings.hpp"

namespace eddy::inspect {

/// Returns a sentence: why the memory of a process cannot be read, and what to do. `error` comes from
/// process_vm_readv(2), and the file has the system's rule for it, see ptrace(2).
[[nodiscard]] std::string why_not_readable(pid_t id, int error,
                                           const char* scope_file = "/proc/sys/kernel/yama/ptrace_scope");

/// A process that runs. It is not stopped and gets no signal; nothing but its memory and its files in /proc are read.
class process {
public:
    /// Errors: a sentence that says what to do: there is no such process, or this one may not read its memory.
    [[nodiscard]] static std::expected<process, std::string> open(pid_t id);

    [[nodiscard]] target_memory& memory() noexcept { return *memory_; }
    [[nodiscard]] const std::vector<mapping>& mappings() const noexcept { return mappings_; }
    /// Returns a sentence if the process has ended since open(): what was read may be nothing, or another program's.
    [[nodiscard]] std::optional<std::string> why_incomplete() const;
    /// Returns what a descriptor refers to, as ss(8) or ls(1) print it: "10.0.0.1:80 -> 10.0.0.2:5123" or a path. Empty
    /// if unknown.
    [[nodiscard]] std::string describe(int fd);

private:
    process(pid_t id, std::uint64_t start, std::vector<mapping> mappings);

    pid_t id_;
    std::uint64_t start_;  // in clock ticks since the system's start
    std::unique_ptr<target_memory> memory_;
    std::vector<mapping> mappings_;
    std::vector<std::pair<std::uint64_t, std::string>> sockets_;  // by inode, sorted
    bool has_sockets_ = false;
};

}  // namespace eddy::inspect
