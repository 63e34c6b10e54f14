// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string>

#include <eddy/process/command.hpp>
#include <eddy/result.hpp>

#include "sys/processes.hpp"

/// Processes with other rights than this one's, which posix_spawn(3) cannot start.
namespace eddy::sys {

/// Whether start_with_rights() works on this system.
extern const bool has_rights;

/// Finds a user in the system's database. Blocks.
/// Errors: process::errc::no_user; what the database reports.
[[nodiscard]] result<process::detail::process_rights::identity> find_user(const std::string& name);

/// A program that a process is to execute; see execve(2).
struct program_file {
    const char* path;
    char* const* arguments;
    char* const* environment;
};

/// A value of `streams` below: the descriptor is closed, if it is open.
inline constexpr int closed_stream = -4;

/// Starts a process as `what` says, whose standard streams are `streams`. Returns an error number, or 0 and the number
/// of the process; sets `what.failed_step`. Blocks until the process executes the program.
[[nodiscard]] int start_with_rights(int& id, start_request& what, const std::array<int, 3>& streams,
                                    const program_file& program);

}  // namespace eddy::sys
