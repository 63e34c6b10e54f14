// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/io/owned_fd.hpp>
#include <eddy/result.hpp>

namespace eddy::net {

/// What inherited_listeners() does with the variables of the manager: LISTEN_PID, LISTEN_FDS and the others.
enum class listen_variables : unsigned char {
    keep,   ///< leaves them
    remove  ///< removes them, except after an error. No other thread may use the environment
};

class inherited_listener;

/// Returns the sockets that the service manager opened for this process (socket activation: sd_listen_fds(3), the
/// variables LISTEN_FDS, LISTEN_FDNAMES and LISTEN_PID), or those that its predecessor gave to process::hand_over(),
/// whether that still runs or not: EDDY_INHERITED says what its descriptors are, by device and inode. Since others keep
/// the sockets, no connection is refused while the service restarts. Makes them non-blocking and close-on-exec. Without
/// any, and at each further call, the list is empty: bind the listeners then.
///
/// A program that executes itself by execv(2) passes nothing, since the sockets are close-on-exec. Either it clears
/// FD_CLOEXEC of each native_handle() before, which must still have its first number, or it calls this function with
/// listen_variables::remove, and binds the listeners again.
/// Errors: invalid_argument if LISTEN_FDS is no number of descriptors; bad_file_descriptor, with a message that names
/// the descriptor, if one of them was not inherited: it is not open, or close-on-exec, as all that this library opens.
/// All descriptors and variables are as before then, and the next call tries again.
/// Thread safety: any thread; see listen_variables::remove.
[[nodiscard]] EDDY_API result<std::vector<inherited_listener>> inherited_listeners(
    listen_variables afterwards = listen_variables::keep);

/// A socket that the process got from the one that started it.
///     for (auto& inherited : co_await try_(net::inherited_listeners())) {
///         if (inherited.name() == "web") web = co_await try_(std::move(inherited).into<net::tcp_listener>());
///     }
/// Lifetime: the destructor closes the socket.
class EDDY_API inherited_listener {
public:
    /// For the library: takes ownership of a descriptor.
    inherited_listener(std::string&& name, int fd) noexcept : name_(std::move(name)), fd_(fd) {}

    /// Returns the name in LISTEN_FDNAMES (`FileDescriptorName=`; by default the name of the .socket unit), or
    /// "unknown".
    [[nodiscard]] std::string_view name() const noexcept { return name_; }
    /// Returns the descriptor, which this object owns; -1 after into().
    [[nodiscard]] int native_handle() const noexcept { return fd_.native_handle(); }

    /// Makes a tcp_listener, unix_listener, udp_socket or unix_datagram of it, and closes it after an error.
    /// Errors: wrong_protocol_type and the others of Socket::from_native().
    template <class Socket>
    [[nodiscard]] result<Socket> into() && {
        return Socket::from_native(fd_.release());
    }

private:
    std::string name_;
    io::owned_fd fd_;
};

}  // namespace eddy::net
