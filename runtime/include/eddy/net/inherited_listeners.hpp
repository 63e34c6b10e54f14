// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/io/owned_fd.hpp>
#include <eddy/result.hpp>

namespace eddy::net {

class inherited_listener;

/// Returns the sockets that the service manager opened for this process (socket activation: sd_listen_fds(3), the
/// variables LISTEN_FDS, LISTEN_FDNAMES and LISTEN_PID), or those that the predecessor of this process gave to
/// process::hand_over() (EDDY_PREDECESSOR, the number of the parent, instead of LISTEN_PID). Since others keep them, no
/// connection is refused while the service restarts. Makes them non-blocking and close-on-exec. Without any, and at
/// each further call, the list is empty: bind the listeners then.
/// Preconditions: a predecessor still runs, so call it before the service says that it is ready.
/// Errors: invalid_argument if LISTEN_FDS is no number of descriptors; bad_file_descriptor if one of them is not open.
/// Thread safety: any thread.
[[nodiscard]] EDDY_API result<std::vector<inherited_listener>> inherited_listeners();

/// A socket that the process got from the one that started it.
///     for (auto& inherited : co_await try_(net::inherited_listeners())) {
///         if (inherited.name() == "web") web = co_await try_(std::move(inherited).into<net::tcp_listener>());
///     }
/// Lifetime: the destructor closes the socket.
class EDDY_API inherited_listener {
public:
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
    friend result<std::vector<inherited_listener>> inherited_listeners();
    inherited_listener(std::string_view name, int fd) : name_(name), fd_(fd) {}

    std::string name_;
    io::owned_fd fd_;
};

}  // namespace eddy::net
