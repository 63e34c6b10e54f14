// SPDX-License-Identifier: MIT
#pragma once

// Functions of Linux that tests call, where macOS or a BSD lacks them. The folder posix/ contains headers with the
// names of the system's headers, which include this one after the system's.

#include <pthread.h>
#include <sys/types.h>

#include <cstddef>

extern "C" {
extern char** environ;  // some systems do not declare it
}

/// Returns the number of this thread, for support::is_asleep().
pid_t gettid();

#if !defined(__NetBSD__)
int pthread_getattr_np(pthread_t thread, pthread_attr_t* attributes);
#endif

#if defined(__OpenBSD__)
int pthread_getname_np(pthread_t thread, char* name, std::size_t size);
#endif

#if defined(__APPLE__) || defined(__OpenBSD__)
/// A descriptor like that of eventfd(2), made of a datagram socket that is connected to itself. A read returns the
/// number of one write(2), not the sum of all.
int eventfd(unsigned value, int flags);
enum : int { EFD_CLOEXEC = 1, EFD_NONBLOCK = 2 };
#endif

#if defined(__APPLE__)
#include <fcntl.h>
#include <sys/socket.h>

int pipe2(int* ends, int flags);
int dup3(int from, int to, int flags);
int accept4(int fd, sockaddr* peer, socklen_t* size, int flags);

// macOS has no flags in the type of a socket. These have types of their own, so that a call with them selects an
// overload that applies them afterwards.
enum socket_flags : int { SOCK_CLOEXEC = 0x1000'0000, SOCK_NONBLOCK = 0x2000'0000 };
struct flagged_type {
    int type;
    int flags;
};
constexpr socket_flags operator|(socket_flags one, socket_flags other) {
    return static_cast<socket_flags>(static_cast<int>(one) | static_cast<int>(other));
}
constexpr flagged_type operator|(int type, socket_flags flags) { return {type, flags}; }
constexpr flagged_type operator|(flagged_type type, int flags) { return {type.type, type.flags | flags}; }
int socket(int family, flagged_type type, int protocol);
int socketpair(int family, flagged_type type, int protocol, int* ends);
#endif
