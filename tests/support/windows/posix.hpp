// SPDX-License-Identifier: MIT
#pragma once

// The POSIX functions that tests call, for Windows: on Winsock, with descriptors of type int, errno, and the constants
// of POSIX. The folder posix/ contains headers with the names of POSIX, which include this one. Functions without a
// counterpart on Windows fail with ENOSYS. The list in skipped.cpp names the tests that need them.

#include "sys/socket_api.hpp"

#include <fcntl.h>
#include <io.h>
#include <sys/time.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <vector>

#undef near
#undef far
#undef small
#undef ERROR

// ---- Descriptors ----

#define O_CLOEXEC O_NOINHERIT
#define O_NONBLOCK 0x01000000
#define O_DIRECTORY 0x02000000
#define O_NOCTTY 0
#define FD_CLOEXEC 1
enum : int { F_GETFD = 1, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC };

/// fcntl(2). The mode of a socket cannot be read, so F_GETFL reports 0.
int fcntl(int fd, int command, int argument = 0);
int pipe2(int* ends, int flags);  // a TCP connection: what drivers can watch
int pipe(int* ends);              // of the C library: for dup2(2) with standard output
int dup3(int from, int to, int flags);
ssize_t read(int fd, void* into, std::size_t size);
ssize_t write(int fd, const void* from, std::size_t size);
inline ssize_t read(int fd, void* into, int size) { return read(fd, into, static_cast<std::size_t>(size)); }
inline ssize_t write(int fd, const void* from, int size) { return write(fd, from, static_cast<std::size_t>(size)); }

/// A counter of eventfd(2), made of a datagram socket that is connected to itself.
int eventfd(unsigned value, int flags);
enum : int { EFD_CLOEXEC = 1, EFD_NONBLOCK = 2 };
using eventfd_t = std::uint64_t;
inline int eventfd_read(int fd, eventfd_t* into) { return read(fd, into, sizeof *into) == sizeof *into ? 0 : -1; }
inline int eventfd_write(int fd, eventfd_t more) { return write(fd, &more, sizeof more) == sizeof more ? 0 : -1; }

/// The sockets of this process. Other handles are not counted: the C++ library creates some when it first needs them.
std::vector<int> open_sockets();

/// opendir(3) and its counterparts, for one folder: /proc/self/fd, with the sockets.
struct dirent {
    char d_name[16];
};
struct posix_directory {
    std::vector<int> numbers;
    std::size_t next;
    dirent entry;
};
using DIR = posix_directory;
posix_directory* opendir(const char* folder);
const dirent* readdir(posix_directory* from);
int dirfd(posix_directory* from);
int closedir(posix_directory* from);

// ---- Sockets ----

/// The flags of socket(2). Their type selects the overload below, because Winsock has a function with the same name.
enum class posix_socket_type : int {};
inline constexpr auto SOCK_CLOEXEC = static_cast<posix_socket_type>(0x80000);
inline constexpr auto SOCK_NONBLOCK = static_cast<posix_socket_type>(0x800);
constexpr posix_socket_type operator|(posix_socket_type one, posix_socket_type other) {
    return static_cast<posix_socket_type>(static_cast<int>(one) | static_cast<int>(other));
}
constexpr posix_socket_type operator|(int type, posix_socket_type flag) {
    return static_cast<posix_socket_type>(type) | flag;
}
constexpr posix_socket_type operator|(posix_socket_type flag, int type) { return type | flag; }

#define MSG_NOSIGNAL 0
#define MSG_DONTWAIT 0x01000000
enum : int { SHUT_RD = SD_RECEIVE, SHUT_WR = SD_SEND, SHUT_RDWR = SD_BOTH };

int socket(int family, posix_socket_type type, int protocol);
int socketpair(int family, posix_socket_type type, int protocol, int* ends);  // of any family: a TCP connection
int bind(int fd, const sockaddr* addr, socklen_t size);
int listen(int fd, int backlog);
int connect(int fd, const sockaddr* addr, socklen_t size);
int accept(int fd, sockaddr* addr, socklen_t* size);
int accept4(int fd, sockaddr* addr, socklen_t* size, posix_socket_type flags);
int getsockname(int fd, sockaddr* addr, socklen_t* size);
int getpeername(int fd, sockaddr* addr, socklen_t* size);
int shutdown(int fd, int how);

namespace posix {
int getsockopt(int fd, int level, int name, void* value, socklen_t* size);
int setsockopt(int fd, int level, int name, const void* value, socklen_t size);
ssize_t recv(int fd, void* into, std::size_t size, int flags);
ssize_t send(int fd, const void* from, std::size_t size, int flags);
ssize_t recvfrom(int fd, void* into, std::size_t size, int flags, sockaddr* addr, socklen_t* addr_size);
ssize_t sendto(int fd, const void* from, std::size_t size, int flags, const sockaddr* addr, socklen_t addr_size);
}  // namespace posix

// Templates, so that a call with a descriptor of type int selects them and not the functions of Winsock.
template <class T>
int getsockopt(int fd, int level, int name, T* value, socklen_t* size) {
    return posix::getsockopt(fd, level, name, value, size);
}
template <class T>
int setsockopt(int fd, int level, int name, const T* value, socklen_t size) {
    return posix::setsockopt(fd, level, name, value, size);
}
template <class T, class Size>
ssize_t recv(int fd, T* into, Size size, int flags) {
    return posix::recv(fd, into, static_cast<std::size_t>(size), flags);
}
template <class T, class Size>
ssize_t send(int fd, const T* from, Size size, int flags) {
    return posix::send(fd, from, static_cast<std::size_t>(size), flags);
}
template <class T, class Size>
ssize_t recvfrom(int fd, T* into, Size size, int flags, sockaddr* addr, socklen_t* addr_size) {
    return posix::recvfrom(fd, into, static_cast<std::size_t>(size), flags, addr, addr_size);
}
template <class T, class Size>
ssize_t sendto(int fd, const T* from, Size size, int flags, const sockaddr* addr, socklen_t addr_size) {
    return posix::sendto(fd, from, static_cast<std::size_t>(size), flags, addr, addr_size);
}

/// Winsock's structure has a descriptor of another type.
struct posix_pollfd {
    int fd;
    short events;
    short revents;
};
#define pollfd posix_pollfd
int poll(posix_pollfd* wanted, unsigned long count, int milliseconds);

// ---- Processes, threads and limits ----

enum : int { RLIMIT_NOFILE = 1, RLIMIT_AS };
using rlim_t = std::uint64_t;
struct rlimit {
    rlim_t rlim_cur;
    rlim_t rlim_max;
};
int getrlimit(int what, rlimit* limit);
int setrlimit(int what, const rlimit* limit);

pid_t fork();
pid_t waitpid(pid_t child, int* status, int options);
constexpr bool WIFEXITED(int) { return false; }
constexpr int WEXITSTATUS(int) { return -1; }

/// Ends the process after some seconds. 0 cancels the alarm.
unsigned alarm(unsigned seconds);
pid_t gettid();

// ---- Files and the environment ----

char* mkdtemp(char* name);
int setenv(const char* name, const char* value, int replaces);
int unsetenv(const char* name);
