// SPDX-License-Identifier: MIT
// For systems without terminals. On BSDs, a process gets a controlling terminal by TIOCSCTTY, which posix_spawn(3)
// cannot call. A pseudo console of Windows is no stream of bytes in both directions.
#include "sys/terminals.hpp"

#include <system_error>

namespace eddy::sys {
namespace {

std::unexpected<std::error_code> no_terminals() noexcept {
    return std::unexpected(std::make_error_code(std::errc::not_supported));
}

}  // namespace

result<unique_fd> make_terminal(const process::terminal_options&) noexcept { return no_terminals(); }
result<process::detail::terminal_slave> open_slave(int) { return no_terminals(); }
result<process::window_size> size_of_terminal(int) noexcept { return no_terminals(); }
result<void> set_size_of_terminal(int, process::window_size) noexcept { return no_terminals(); }

}  // namespace eddy::sys
