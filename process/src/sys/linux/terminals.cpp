// SPDX-License-Identifier: MIT
#include "sys/terminals.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "sys/syscall.hpp"

namespace eddy::sys {
namespace {

/// The master also has the settings of the other end.
result<void> apply(const process::terminal_options& options, int master) noexcept {
    termios settings{};
    if (::tcgetattr(master, &settings) != 0) return std::unexpected(last_error());
    settings.c_iflag |= IUTF8;  // so that the key that deletes a character deletes all of its bytes
    if (!options.has_echo()) settings.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    if (options.is_raw()) ::cfmakeraw(&settings);
    if (::tcsetattr(master, TCSANOW, &settings) != 0) return std::unexpected(last_error());
    return set_size_of_terminal(master, options.size());
}

}  // namespace

result<unique_fd> make_terminal(const process::terminal_options& options) noexcept {
    auto master = own_or_error(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
    if (!master) return master;
    if (::unlockpt(master->get()) != 0) return std::unexpected(last_error());
    if (const auto applied = apply(options, master->get()); !applied) return std::unexpected(applied.error());
    return master;
}

result<process::detail::terminal_slave> open_slave(int master) {
    std::array<char, 64> path{};
    if (const int error = ::ptsname_r(master, path.data(), path.size()); error != 0) {
        return std::unexpected(std::error_code(error, std::generic_category()));
    }
    auto fd = own_or_error(::open(path.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!fd) return std::unexpected(fd.error());
    return process::detail::terminal_slave{std::move(*fd), path.data()};
}

result<process::window_size> size_of_terminal(int fd) noexcept {
    winsize size{};
    if (::ioctl(fd, TIOCGWINSZ, &size) != 0) return std::unexpected(last_error());
    return process::window_size(size.ws_row, size.ws_col);
}

result<void> set_size_of_terminal(int fd, process::window_size to) noexcept {
    winsize size{};
    size.ws_row = to.rows;
    size.ws_col = to.columns;
    return done_or_error(::ioctl(fd, TIOCSWINSZ, &size));
}

}  // namespace eddy::sys
