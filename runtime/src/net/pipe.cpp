// SPDX-License-Identifier: MIT
#include <eddy/net/pipe.hpp>

#include <eddy/error.hpp>

#include "net/adopt.hpp"
#include "sys/syscall.hpp"

namespace eddy::net::pipe {
namespace {

result<void> check_pipe(int fd) noexcept {
    const auto is = sys::is_fifo(fd);
    if (!is) return std::unexpected(is.error());
    if (!*is) return std::unexpected(make_error_code(errc::not_a_pipe));
    return ok();
}

/// Takes ownership of a pipe. `mode` is sys::read_only or sys::write_only: the pipe must be open for it.
result<sys::unique_fd> adopt_pipe(int fd, int mode) noexcept {
    auto owned = adopt_nonblocking(fd);
    if (!owned) return owned;
    if (const auto fits = check_pipe(fd); !fits) return std::unexpected(fits.error());
    const auto is = sys::access_mode(fd);
    if (!is) return std::unexpected(is.error());
    if (*is != mode && *is != sys::read_write)
        return std::unexpected(std::make_error_code(std::errc::permission_denied));
    return owned;
}

}  // namespace

result<ends> make() noexcept {
    auto fds = sys::make_pipe();
    if (!fds) return std::unexpected(fds.error());
    return ends(sender(fds->second.release()), receiver(fds->first.release()));
}

result<sender> sender::from_native(int fd) noexcept {
    auto owned = adopt_pipe(fd, sys::write_only);
    if (!owned) return std::unexpected(owned.error());
    return sender(owned->release());
}

result<receiver> receiver::from_native(int fd) noexcept {
    auto owned = adopt_pipe(fd, sys::read_only);
    if (!owned) return std::unexpected(owned.error());
    return receiver(owned->release());
}

result<int> open_options::open(std::string_view path, int mode) const {
    if (path.empty() || path.contains('\0')) return std::unexpected(make_error_code(errc::bad_path));
    auto fd = sys::open(std::string(path), read_write_ ? sys::read_write : mode);
    if (!fd) return std::unexpected(fd.error());
    if (!unchecked_) {
        if (const auto fits = check_pipe(fd->get()); !fits) return std::unexpected(fits.error());
    }
    return fd->release();
}

result<receiver> open_options::open_receiver(std::string_view path) const {
    const auto fd = open(path, sys::read_only);
    if (!fd) return std::unexpected(fd.error());
    return receiver(*fd);
}

result<sender> open_options::open_sender(std::string_view path) const {
    const auto fd = open(path, sys::write_only);
    if (!fd) return std::unexpected(fd.error());
    return sender(*fd);
}

result<receiver> open_receiver(std::string_view path) { return open_options().open_receiver(path); }
result<sender> open_sender(std::string_view path) { return open_options().open_sender(path); }

}  // namespace eddy::net::pipe
