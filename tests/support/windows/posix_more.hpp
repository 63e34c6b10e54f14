// SPDX-License-Identifier: MIT
#pragma once

// Further POSIX functions that tests call: for processes and threads, and those that Windows does not have. They are
// not in the precompiled header.

#include "posix.hpp"

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include <bit>

#define POLLRDHUP 0x2000

/// SOCK_NONBLOCK, also for parameters of type int.
struct posix_nonblocking {
    constexpr operator int() const { return static_cast<int>(SOCK_NONBLOCK); }
    constexpr operator posix_socket_type() const { return SOCK_NONBLOCK; }
};
inline constexpr posix_nonblocking posix_sock_nonblock;
constexpr posix_socket_type operator|(int type, posix_nonblocking flag) { return type | posix_socket_type(flag); }
constexpr posix_socket_type operator|(posix_socket_type type, posix_nonblocking flag) {
    return type | posix_socket_type(flag);
}
constexpr posix_socket_type operator|(posix_nonblocking flag, posix_socket_type type) {
    return type | posix_socket_type(flag);
}
#define SOCK_NONBLOCK posix_sock_nonblock

struct iovec {
    void* iov_base;
    std::size_t iov_len;
};
struct msghdr {
    void* msg_name;
    socklen_t msg_namelen;
    iovec* msg_iov;
    std::size_t msg_iovlen;
    void* msg_control;
    std::size_t msg_controllen;
    int msg_flags;
};
using cmsghdr = WSACMSGHDR;
#define CMSG_SPACE WSA_CMSG_SPACE
#define CMSG_LEN WSA_CMSG_LEN
#undef CMSG_DATA
#define CMSG_DATA WSA_CMSG_DATA
#define CMSG_FIRSTHDR(message) static_cast<cmsghdr*>((message)->msg_control)
enum : int { SCM_RIGHTS = 1 };
ssize_t sendmsg(int fd, const msghdr* message, int flags);

#undef IF_NAMESIZE
inline constexpr std::size_t IF_NAMESIZE = IF_MAX_STRING_SIZE + 1;

/// Options and calls that Windows does not have.
enum : int { SO_REUSEPORT = 0x7FF0, SO_NO_CHECK = 0x7FF1, TCP_QUICKACK = 0x7FF2, SIOCOUTQ = 0x7FF3 };
int ioctl(int fd, int request, void* argument);
enum : int { EAI_SYSTEM = 0x7FF4 };

/// The processors of this process.
struct cpu_set_t {
    std::uint64_t mask;
};
inline constexpr int CPU_SETSIZE = 64;
int sched_getaffinity(pid_t process, std::size_t size, cpu_set_t* set);
int sched_setaffinity(pid_t process, std::size_t size, const cpu_set_t* set);
inline void CPU_ZERO(cpu_set_t* set) { set->mask = 0; }
inline void CPU_SET(int number, cpu_set_t* set) { set->mask |= std::uint64_t{1} << static_cast<unsigned>(number); }
inline bool CPU_ISSET(int number, const cpu_set_t* set) {
    return ((set->mask >> static_cast<unsigned>(number)) & 1U) != 0;
}
inline int CPU_COUNT(const cpu_set_t* set) { return std::popcount(set->mask); }

enum : int { RUSAGE_THREAD = 1 };
struct rusage {
    timeval ru_utime;
    timeval ru_stime;
    long ru_nvcsw;
};
int getrusage(int who, rusage* used);

/// The stack and the name of the calling thread. The library names threads as Windows does, not as MinGW's threads do.
int pthread_getattr_np(pthread_t thread, pthread_attr_t* attributes);
int posix_attr_getstack(const pthread_attr_t* attributes, void** begin, std::size_t* size);
#define pthread_attr_getstack posix_attr_getstack
int posix_thread_name(pthread_t thread, char* name, std::size_t size);
#define pthread_getname_np posix_thread_name
#undef pthread_getcpuclockid  // a number, if the threads of MinGW lack the function
int posix_thread_clock(pthread_t thread, clockid_t* clock);
#define pthread_getcpuclockid posix_thread_clock

int pause();
enum : int { _SC_PAGESIZE = 1 };
long sysconf(int name);

#define O_TMPFILE 0x04000000
enum : int { PROT_NONE, MAP_PRIVATE, MAP_ANONYMOUS };
inline void* const MAP_FAILED = nullptr;
void* mmap(void* at, std::size_t size, int protection, int flags, int fd, long offset);  // memory without any access
int munmap(void* at, std::size_t size);
