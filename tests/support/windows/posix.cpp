// SPDX-License-Identifier: MIT
#include "posix_more.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "sys/windows/winsock.hpp"

namespace {

int fail(int error) {
    errno = error;
    return -1;
}

int fail_as_winsock() { return fail(eddy::sys::winsock_error(::WSAGetLastError()).value()); }

int done(int answer) { return answer == 0 ? 0 : fail_as_winsock(); }

SOCKET of(int fd) { return eddy::sys::to_socket(fd); }

bool is_socket(int fd) {
    eddy::sys::start_winsock();
    int type = 0;
    int size = sizeof type;
    return ::getsockopt(of(fd), SOL_SOCKET, SO_TYPE, reinterpret_cast<char*>(&type), &size) == 0;
}

int set_mode(SOCKET made, int flags) {
    if (made == INVALID_SOCKET) return fail_as_winsock();
    const bool is_nonblocking = (flags & static_cast<int>(SOCK_NONBLOCK)) != 0;
    unsigned long on = is_nonblocking ? 1 : 0;
    ::ioctlsocket(made, static_cast<long>(FIONBIO), &on);
    ::SetHandleInformation(reinterpret_cast<HANDLE>(made), HANDLE_FLAG_INHERIT, 0);
    return eddy::sys::from_socket(made);
}

int length(std::size_t size) { return static_cast<int>(std::min<std::size_t>(size, INT_MAX)); }

std::mutex counters_lock;
std::set<int>& counters() {
    static auto& all = *new std::set<int>;
    return all;
}
bool is_counter(int fd) {
    const std::lock_guard guard(counters_lock);
    return counters().contains(fd);
}

/// The sum of the datagrams, each of which is a number.
ssize_t take_counter(int fd, void* into) {
    std::uint64_t sum = 0;
    std::uint64_t one = 0;
    while (::recv(of(fd), reinterpret_cast<char*>(&one), int{sizeof one}, 0) == sizeof one) sum += one;
    if (sum == 0) return fail(EWOULDBLOCK);
    std::memcpy(into, &sum, sizeof sum);
    return sizeof sum;
}

}  // namespace

// ---- Descriptors ----

// Replaces the function of the C library, which closes only its own descriptors.
extern "C" int close(int fd) {
    if (!is_socket(fd)) return ::_close(fd);
    {
        const std::lock_guard guard(counters_lock);
        counters().erase(fd);
    }
    return done(::closesocket(of(fd)));
}

extern "C" int dup(int fd) {
    if (!is_socket(fd)) return ::_dup(fd);
    WSAPROTOCOL_INFOW about{};
    if (::WSADuplicateSocketW(of(fd), ::GetCurrentProcessId(), &about) != 0) return fail_as_winsock();
    const SOCKET made = ::WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &about, 0,
                                     WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    return made == INVALID_SOCKET ? fail_as_winsock() : eddy::sys::from_socket(made);
}

int dup3(int, int, int) { return fail(ENOSYS); }

int fcntl(int fd, int command, int argument) {
    if (!is_socket(fd)) return fail(EBADF);
    switch (command) {
    case F_GETFD: {
        DWORD flags = 0;
        ::GetHandleInformation(reinterpret_cast<HANDLE>(of(fd)), &flags);
        return (flags & HANDLE_FLAG_INHERIT) != 0 ? 0 : FD_CLOEXEC;
    }
    case F_SETFL: {
        unsigned long on = (argument & O_NONBLOCK) != 0 ? 1 : 0;
        return done(::ioctlsocket(of(fd), static_cast<long>(FIONBIO), &on));
    }
    case F_DUPFD_CLOEXEC: return ::dup(fd);
    default: return 0;
    }
}

int pipe2(int* ends, int flags) {
    const auto mode = (flags & O_NONBLOCK) != 0 ? SOCK_CLOEXEC | SOCK_NONBLOCK : SOCK_CLOEXEC;
    if (socketpair(AF_INET, SOCK_STREAM | mode, 0, ends) != 0) return -1;
    ::shutdown(of(ends[1]), SD_RECEIVE);
    ::shutdown(of(ends[0]), SD_SEND);
    return 0;
}

int pipe(int* ends) { return ::_pipe(ends, 4096, O_BINARY); }

ssize_t read(int fd, void* into, std::size_t size) {
    if (is_counter(fd)) return take_counter(fd, into);
    if (is_socket(fd)) return recv(fd, into, size, 0);
    return ::_read(fd, into, static_cast<unsigned>(size));
}

ssize_t write(int fd, const void* from, std::size_t size) {
    if (is_socket(fd)) return send(fd, from, size, 0);
    return ::_write(fd, from, static_cast<unsigned>(size));
}

int eventfd(unsigned value, int flags) {
    const auto mode = (flags & EFD_NONBLOCK) != 0 ? SOCK_CLOEXEC | SOCK_NONBLOCK : SOCK_CLOEXEC;
    const int fd = socket(AF_INET, SOCK_DGRAM | mode, 0);
    if (fd == -1) return -1;
    sockaddr_in addr{};
    addr.sin_family = AF_INET;
    addr.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof addr;
    auto* const native = reinterpret_cast<sockaddr*>(&addr);
    if (bind(fd, native, size) != 0 || getsockname(fd, native, &size) != 0 || connect(fd, native, size) != 0) return -1;
    const std::uint64_t start = value;
    if (start != 0) send(fd, &start, sizeof start, 0);
    const std::lock_guard guard(counters_lock);
    counters().insert(fd);
    return fd;
}

std::vector<int> open_sockets() {
    std::vector<int> found;
    DWORD handles = 0;
    ::GetProcessHandleCount(::GetCurrentProcess(), &handles);
    // Handles are multiples of 4. Windows reuses the numbers of closed ones.
    const int highest = static_cast<int>(4 * (2 * handles + 256));
    for (int each = 4; each <= highest; each += 4) {
        if (is_socket(each)) found.push_back(each);
    }
    return found;
}

posix_directory* opendir(const char*) { return new posix_directory{open_sockets(), 0, {}}; }

const dirent* readdir(posix_directory* from) {
    if (from->next == from->numbers.size()) return nullptr;
    std::snprintf(from->entry.d_name, sizeof from->entry.d_name, "%d", from->numbers[from->next++]);
    return &from->entry;
}

int dirfd(posix_directory*) { return -1; }

int closedir(posix_directory* from) {
    delete from;
    return 0;
}

// ---- Sockets ----

int socket(int family, posix_socket_type type, int protocol) {
    eddy::sys::start_winsock();
    const int flags = static_cast<int>(SOCK_CLOEXEC | SOCK_NONBLOCK);
    return set_mode(::WSASocketW(family, static_cast<int>(type) & ~flags, protocol, nullptr, 0, WSA_FLAG_OVERLAPPED),
                    static_cast<int>(type));
}

int socketpair(int, posix_socket_type type, int, int* ends) {
    sockaddr_in addr{};
    addr.sin_family = AF_INET;
    addr.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof addr;
    auto* const native = reinterpret_cast<sockaddr*>(&addr);
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener == -1) return -1;
    const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool has_begun = bind(listener, native, size) == 0 && listen(listener, 1) == 0 &&
                           getsockname(listener, native, &size) == 0 && connect(client, native, size) == 0;
    const int server = has_begun ? accept4(listener, nullptr, nullptr, type | 0) : -1;
    const int error = errno;
    ::closesocket(of(listener));
    if (server == -1) {
        ::closesocket(of(client));
        return fail(error);
    }
    // A pipe passes small writes on at once.
    const int on = 1;
    for (const int each : {server, client}) setsockopt(each, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    set_mode(of(client), static_cast<int>(type));
    ends[0] = server;
    ends[1] = client;
    return 0;
}

int bind(int fd, const sockaddr* addr, socklen_t size) { return done(::bind(of(fd), addr, size)); }

int listen(int fd, int backlog) { return done(::listen(of(fd), backlog)); }

int connect(int fd, const sockaddr* addr, socklen_t size) {
    if (::connect(of(fd), addr, size) == 0) return 0;
    return ::WSAGetLastError() == WSAEWOULDBLOCK ? fail(EINPROGRESS) : fail_as_winsock();
}

int accept(int fd, sockaddr* addr, socklen_t* size) { return accept4(fd, addr, size, posix_socket_type{}); }

int accept4(int fd, sockaddr* addr, socklen_t* size, posix_socket_type flags) {
    return set_mode(::accept(of(fd), addr, size), static_cast<int>(flags));
}

int getsockname(int fd, sockaddr* addr, socklen_t* size) { return done(::getsockname(of(fd), addr, size)); }

int getpeername(int fd, sockaddr* addr, socklen_t* size) { return done(::getpeername(of(fd), addr, size)); }

int posix::getsockopt(int fd, int level, int name, void* value, socklen_t* size) {
    return done(::getsockopt(of(fd), level, name, static_cast<char*>(value), size));
}

int posix::setsockopt(int fd, int level, int name, const void* value, socklen_t size) {
    DWORD milliseconds = 0;
    if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO) && size == sizeof(timeval)) {
        const auto& limit = *static_cast<const timeval*>(value);
        milliseconds = static_cast<DWORD>(limit.tv_sec * 1000 + limit.tv_usec / 1000);
        value = &milliseconds;
        size = sizeof milliseconds;
    }
    return done(::setsockopt(of(fd), level, name, static_cast<const char*>(value), size));
}

ssize_t posix::recv(int fd, void* into, std::size_t size, int flags) {
    const int count = ::recv(of(fd), static_cast<char*>(into), length(size), flags & ~MSG_DONTWAIT);
    return count < 0 ? fail_as_winsock() : count;
}

ssize_t posix::send(int fd, const void* from, std::size_t size, int flags) {
    const int count = ::send(of(fd), static_cast<const char*>(from), length(size), flags & ~MSG_DONTWAIT);
    return count < 0 ? fail_as_winsock() : count;
}

ssize_t posix::recvfrom(int fd, void* into, std::size_t size, int flags, sockaddr* addr, socklen_t* addr_size) {
    const int count =
        ::recvfrom(of(fd), static_cast<char*>(into), length(size), flags & ~MSG_DONTWAIT, addr, addr_size);
    return count < 0 ? fail_as_winsock() : count;
}

ssize_t posix::sendto(int fd, const void* from, std::size_t size, int flags, const sockaddr* addr,
                      socklen_t addr_size) {
    const int count =
        ::sendto(of(fd), static_cast<const char*>(from), length(size), flags & ~MSG_DONTWAIT, addr, addr_size);
    return count < 0 ? fail_as_winsock() : count;
}

int shutdown(int fd, int how) { return done(::shutdown(of(fd), how)); }

ssize_t sendmsg(int, const msghdr*, int) { return fail(ENOSYS); }

int ioctl(int, int, void*) { return fail(ENOSYS); }

int poll(posix_pollfd* wanted, unsigned long count, int milliseconds) {
    std::array<WSAPOLLFD, 64> list{};
    if (count > list.size()) return fail(EINVAL);
    for (unsigned long i = 0; i != count; ++i) {
        list[i].fd = wanted[i].fd == -1 ? INVALID_SOCKET : of(wanted[i].fd);
        // Winsock refuses the other conditions, also POLLPRI.
        list[i].events = static_cast<short>(wanted[i].events & (POLLRDNORM | POLLRDBAND | POLLWRNORM));
        if ((wanted[i].events & POLLPRI) != 0) list[i].events |= POLLRDBAND;
    }
    const int ready = ::WSAPoll(list.data(), count, milliseconds);
    if (ready < 0) return fail_as_winsock();
    for (unsigned long i = 0; i != count; ++i) wanted[i].revents = list[i].revents;
    return ready;
}

// ---- Processes, threads and limits ----

int getrlimit(int, rlimit* limit) {
    *limit = {65536, 65536};
    return 0;
}

int setrlimit(int, const rlimit*) { return fail(ENOSYS); }

pid_t fork() { return fail(ENOSYS); }

pid_t waitpid(pid_t, int*, int) { return fail(ENOSYS); }

int sched_getaffinity(pid_t, std::size_t, cpu_set_t* set) {
    DWORD_PTR usable = 0;
    DWORD_PTR all = 0;
    if (::GetProcessAffinityMask(::GetCurrentProcess(), &usable, &all) == 0) return fail(ENOSYS);
    set->mask = usable;
    return 0;
}

int sched_setaffinity(pid_t, std::size_t, const cpu_set_t* set) {
    return ::SetProcessAffinityMask(::GetCurrentProcess(), set->mask) != 0 ? 0 : fail(ENOSYS);
}

int getrusage(int, rusage*) { return fail(ENOSYS); }

int pthread_getattr_np(pthread_t, pthread_attr_t* attributes) {
    ULONG_PTR low = 0;
    ULONG_PTR high = 0;
    ::GetCurrentThreadStackLimits(&low, &high);
    pthread_attr_init(attributes);
    return pthread_attr_setstacksize(attributes, high - low);
}

int posix_attr_getstack(const pthread_attr_t* attributes, void** begin, std::size_t* size) {
    ULONG_PTR low = 0;
    ULONG_PTR high = 0;
    ::GetCurrentThreadStackLimits(&low, &high);
    *begin = reinterpret_cast<void*>(low);
    return pthread_attr_getstacksize(attributes, size);
}

int posix_thread_name(pthread_t, char* name, std::size_t size) {
    using get_description = HRESULT(WINAPI*)(HANDLE, PWSTR*);
    // SAFETY: the function has this type since it exists (Windows 10, version 1607).
    void* const found =
        reinterpret_cast<void*>(::GetProcAddress(::GetModuleHandleW(L"kernel32.dll"), "GetThreadDescription"));
    PWSTR wide = nullptr;
    if (found == nullptr || reinterpret_cast<get_description>(found)(::GetCurrentThread(), &wide) < 0) return ENOSYS;
    std::array<char, 256> whole{};
    ::WideCharToMultiByte(CP_UTF8, 0, wide, -1, whole.data(), static_cast<int>(whole.size()) - 1, nullptr, nullptr);
    ::LocalFree(wide);
    std::snprintf(name, std::min<std::size_t>(size, 16), "%s", whole.data());  // as many characters as on Linux
    return 0;
}

int posix_thread_clock(pthread_t, clockid_t*) { return ENOSYS; }

int pause() {
    for (;;) ::Sleep(INFINITE);
}

long sysconf(int) { return 4096; }

unsigned alarm(unsigned seconds) {
    static std::atomic<unsigned> latest = 0;
    const unsigned own = ++latest;
    if (seconds == 0) return 0;
    std::thread([own, seconds] {
        std::this_thread::sleep_for(std::chrono::seconds(seconds));
        if (latest != own) return;
        std::fprintf(stderr, "the alarm of %u s ends the process\n", seconds);
        std::fflush(stderr);
        std::_Exit(128 + 14);
    }).detach();
    return 0;
}

pid_t gettid() { return static_cast<pid_t>(::GetCurrentThreadId()); }

// ---- Files, memory and the environment ----

void* mmap(void*, std::size_t size, int, int, int, long) {
    return ::VirtualAlloc(nullptr, size, MEM_RESERVE | MEM_COMMIT, PAGE_NOACCESS);
}

int munmap(void* at, std::size_t) { return ::VirtualFree(at, 0, MEM_RELEASE) != 0 ? 0 : fail(EINVAL); }

char* mkdtemp(char* name) {
    static std::atomic<unsigned> number = 0;
    const std::string text(name);
    const auto start = text.rfind("XXXXXX");
    if (start == std::string::npos) return nullptr;
    for (int tries = 0; tries != 100; ++tries) {
        char unique[7];
        std::snprintf(unique, sizeof unique, "%06lx",
                      (::GetCurrentProcessId() * 4099UL + ::GetTickCount() * 7UL + ++number) & 0xFFFFFFUL);
        std::memcpy(name + start, unique, 6);
        if (::CreateDirectoryA(name, nullptr) != 0) return name;
    }
    return nullptr;
}

int setenv(const char* name, const char* value, int) { return ::_putenv_s(name, value); }

int unsetenv(const char* name) { return ::_putenv_s(name, ""); }
