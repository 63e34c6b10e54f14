// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include <eddy/result.hpp>

#include "sys/fd.hpp"

/// What a process receives from another one that it has started, and passes to it. Errors come from the system call.
namespace eddy::sys {

/// Creates a socket that receives the messages of sd_notify(3), with a name that the system chooses.
[[nodiscard]] result<unique_fd> make_notice_socket() noexcept;
/// Returns its name as NOTIFY_SOCKET has it: "@0001f".
[[nodiscard]] result<std::string> name_of_notice_socket(int fd);
/// Receives a message. Returns "" for a message that is neither of the process nor of another one of this user: any
/// process may send to the socket.
/// Errors: operation_would_block.
[[nodiscard]] result<std::string> receive_notice(int fd, int process);

/// Creates a file without a name in memory, with these contents.
[[nodiscard]] result<unique_fd> make_memory_file(const std::string& contents) noexcept;
/// Returns the contents of a file.
[[nodiscard]] result<std::string> read_whole_file(int fd);

}  // namespace eddy::sys
