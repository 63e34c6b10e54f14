// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include <eddy/process/terminal.hpp>
#include <eddy/result.hpp>

#include "sys/fd.hpp"

namespace eddy::process::detail {

/// The end of a terminal that its processes have.
struct terminal_slave {
    eddy::sys::unique_fd fd;
    std::string path;  // names this terminal as long as `fd` is open
};

}  // namespace eddy::process::detail

/// Pseudo terminals: pty(7). Errors come from the system call.
namespace eddy::sys {

/// Makes a terminal, and returns its master, which does not block.
[[nodiscard]] result<unique_fd> make_terminal(const process::terminal_options& options) noexcept;

/// Opens the other end. The terminal does not control this process then.
[[nodiscard]] result<process::detail::terminal_slave> open_slave(int master);

[[nodiscard]] result<process::window_size> size_of_terminal(int fd) noexcept;
[[nodiscard]] result<void> set_size_of_terminal(int fd, process::window_size to) noexcept;

}  // namespace eddy::sys
