// SPDX-License-Identifier: MIT
#include "support/runtime/socket_faults.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <cerrno>
#include <cstring>
#include <utility>

// The linker redirects each call of these functions to wrapped_*. The functions *_for_real are the originals. The
// labels are the names that `--wrap` of ld(1) defines.
extern "C" {
int accept_for_real(int fd, sockaddr* peer, socklen_t* size, int flags) __asm__("__real_accept4");
int wrapped_accept(int fd, sockaddr* peer, socklen_t* size, int flags) __asm__("__wrap_accept4");
ssize_t send_for_real(int fd, const void* from, std::size_t size, int flags, const sockaddr* to,
                      socklen_t to_size) __asm__("__real_sendto");
ssize_t wrapped_send(int fd, const void* from, std::size_t size, int flags, const sockaddr* to,
                     socklen_t to_size) __asm__("__wrap_sendto");
int socket_for_real(int domain, int type, int protocol) __asm__("__real_socket");
int wrapped_socket(int domain, int type, int protocol) __asm__("__wrap_socket");
int connect_for_real(int fd, const sockaddr* to, socklen_t size) __asm__("__real_connect");
int wrapped_connect(int fd, const sockaddr* to, socklen_t size) __asm__("__wrap_connect");
int fcntl_for_real(int fd, int command, void* argument) __asm__("__real_fcntl");
int wrapped_fcntl(int fd, int command, void* argument) __asm__("__wrap_fcntl");
unsigned index_for_real(const char* name) __asm__("__real_if_nametoindex");
unsigned wrapped_index(const char* name) __asm__("__wrap_if_nametoindex");
}

namespace {

thread_local int accept_error = 0;
thread_local std::size_t accept_faults = 0;
thread_local bool has_short_send = false;
thread_local int flags_error = 0;
thread_local std::size_t unterminated = 0;
thread_local support::socket_calls calls;

}  // namespace

int wrapped_accept(int fd, sockaddr* peer, socklen_t* size, int flags) {
    if (accept_faults == 0) return accept_for_real(fd, peer, size, flags);
    --accept_faults;
    errno = accept_error;
    return -1;
}

ssize_t wrapped_send(int fd, const void* from, std::size_t size, int flags, const sockaddr* to, socklen_t to_size) {
    if (std::exchange(has_short_send, false)) return static_cast<ssize_t>(size) - 1;
    return send_for_real(fd, from, size, flags, to, to_size);
}

int wrapped_socket(int domain, int type, int protocol) {
    ++calls.sockets;
    if ((type & SOCK_NONBLOCK) == 0 || (type & SOCK_CLOEXEC) == 0) ++calls.plain_sockets;
    return socket_for_real(domain, type, protocol);
}

int wrapped_fcntl(int fd, int command, void* argument) {
    if (command != F_GETFL || flags_error == 0) return fcntl_for_real(fd, command, argument);
    errno = std::exchange(flags_error, 0);
    return -1;
}

int wrapped_connect(int fd, const sockaddr* to, socklen_t size) {
    ++calls.connects;
    return connect_for_real(fd, to, size);
}

unsigned wrapped_index(const char* name) {
    if (std::memchr(name, 0, IF_NAMESIZE) == nullptr) {
        ++unterminated;
        return 0;
    }
    return index_for_real(name);
}

namespace support {

void fail_next_accepts(int error, std::size_t count) noexcept {
    accept_error = error;
    accept_faults = count;
}
std::size_t accept_faults_left() noexcept { return accept_faults; }

void shorten_next_send() noexcept { has_short_send = true; }
bool has_send_fault_left() noexcept { return has_short_send; }

void fail_next_flags(int error) noexcept { flags_error = error; }
socket_calls calls_so_far() noexcept { return calls; }
std::size_t unterminated_names() noexcept { return unterminated; }

}  // namespace support
