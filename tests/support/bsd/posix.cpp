// SPDX-License-Identifier: MIT
#include <support/bsd/posix.hpp>

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>

#if defined(__FreeBSD__) || defined(__OpenBSD__)
#include <pthread_np.h>
#elif defined(__NetBSD__)
#include <lwp.h>
#endif

pid_t gettid() {
#if defined(__APPLE__)
    std::uint64_t id = 0;
    ::pthread_threadid_np(nullptr, &id);
    return static_cast<pid_t>(id);
#elif defined(__FreeBSD__)
    return ::pthread_getthreadid_np();
#elif defined(__NetBSD__)
    return ::_lwp_self();
#else
    return ::getthrid();
#endif
}

#if defined(__FreeBSD__)
int pthread_getattr_np(pthread_t thread, pthread_attr_t* attributes) {
    ::pthread_attr_init(attributes);
    return ::pthread_attr_get_np(thread, attributes);
}
#elif defined(__APPLE__)
int pthread_getattr_np(pthread_t thread, pthread_attr_t* attributes) {
    ::pthread_attr_init(attributes);
    const std::size_t size = ::pthread_get_stacksize_np(thread);
    return ::pthread_attr_setstack(attributes, static_cast<char*>(::pthread_get_stackaddr_np(thread)) - size, size);
}
#elif defined(__OpenBSD__)
int pthread_getattr_np(pthread_t thread, pthread_attr_t* attributes) {
    ::pthread_attr_init(attributes);
    stack_t stack{};
    ::pthread_stackseg_np(thread, &stack);
    return ::pthread_attr_setstack(attributes, static_cast<char*>(stack.ss_sp) - stack.ss_size, stack.ss_size);
}

int pthread_getname_np(pthread_t thread, char* name, std::size_t size) {
    ::pthread_get_name_np(thread, name, size);
    return 0;
}
#endif

#if defined(__APPLE__) || defined(__OpenBSD__)
namespace {

int set_flags(int fd, bool is_cloexec, bool is_nonblocking) {
    if (fd < 0) return fd;
    if (is_cloexec) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (is_nonblocking) ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd;
}

}  // namespace

int eventfd(unsigned value, int flags) {
    const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in addr{};
    addr.sin_family = AF_INET;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof addr;
    auto* const native = reinterpret_cast<sockaddr*>(&addr);
    if (fd < 0 || ::bind(fd, native, size) != 0 || ::getsockname(fd, native, &size) != 0 ||
        ::connect(fd, native, size) != 0) {
        if (fd >= 0) ::close(fd);
        return -1;
    }
    const std::uint64_t first = value;
    if (value != 0 && ::send(fd, &first, sizeof first, 0) < 0) return -1;
    return set_flags(fd, (flags & EFD_CLOEXEC) != 0, (flags & EFD_NONBLOCK) != 0);
}

int ioctl(int fd, send_queue, int* bytes) {
#if defined(__APPLE__)
    socklen_t size = sizeof *bytes;
    return ::getsockopt(fd, SOL_SOCKET, SO_NWRITE, bytes, &size);
#else
    tcp_info info{};
    socklen_t size = sizeof info;
    const int result = ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size);
    *bytes = static_cast<int>(info.tcpi_so_snd_sb_cc);
    return result;
#endif
}
#endif

#if defined(__APPLE__)
namespace {

int set_socket_flags(int fd, int flags) {
    return set_flags(fd, (flags & SOCK_CLOEXEC) != 0, (flags & SOCK_NONBLOCK) != 0);
}

}  // namespace

int pipe2(int* ends, int flags) {
    if (::pipe(ends) != 0) return -1;
    for (int i = 0; i < 2; ++i) set_flags(ends[i], (flags & O_CLOEXEC) != 0, (flags & O_NONBLOCK) != 0);
    return 0;
}

int dup3(int from, int to, int flags) { return set_flags(::dup2(from, to), (flags & O_CLOEXEC) != 0, false); }

int accept4(int fd, sockaddr* peer, socklen_t* size, int flags) {
    return set_socket_flags(::accept(fd, peer, size), flags);
}

int socket(int family, flagged_type type, int protocol) {
    return set_socket_flags(::socket(family, type.type, protocol), type.flags);
}

int socketpair(int family, flagged_type type, int protocol, int* ends) {
    if (::socketpair(family, type.type, protocol, ends) != 0) return -1;
    for (int i = 0; i < 2; ++i) set_socket_flags(ends[i], type.flags);
    return 0;
}
#endif
