// SPDX-License-Identifier: MIT
// kqueue(2) on top of epoll(7), so that the kqueue driver can be tested on Linux: EDDY_TEST_KQUEUE compiles this file
// into the library.
//
//     kqueue                        epoll of READ  ── descriptors with EVFILT_READ
//     (the outer epoll, whose   ──  epoll of WRITE ── descriptors with EVFILT_WRITE
//      descriptor is returned)      epoll of EXCEPT ─ descriptors with EVFILT_EXCEPT
//                                   eventfd: an EVFILT_USER was triggered
//                                   vnode_filters: an inotify for descriptors with EVFILT_VNODE
//                                   process_filters: an epoll for processes with EVFILT_PROC
//
// One epoll per filter, because an epoll has one registration per descriptor, and a kqueue has one per descriptor and
// filter. EV_CLEAR is EPOLLET.
//
// As in the kernels of the BSDs: EV_ADD of a filter that exists reports a condition that holds already; EV_RECEIPT; the
// end of a stream is EV_EOF in its direction; EVFILT_WRITE of a pipe whose other end is closed fails with EPIPE; a
// forked child does not have the kqueue; other threads may change filters during a wait; duplicates of the descriptor,
// made by fcntl(2), refer to the same kqueue.
//
// Differences: `fflags` of EV_EOF is ECONNRESET for all errors of a socket, because Linux has no way to read an error
// without clearing it. `data` is 0 except for EVFILT_READ. EVFILT_VNODE always has EV_CLEAR, and reports a removed name
// of several as NOTE_ATTRIB. EVFILT_PROC has NOTE_EXIT and EV_ONESHOT only. EV_ONESHOT of others, EV_DISPATCH and
// other filters do not exist. A kqueue uses five descriptors, one more with EVFILT_VNODE, and with EVFILT_PROC one more
// and one for each process.
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/event.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

#include "faults.hpp"
#include "process_filters.hpp"
#include "vnodes.hpp"

namespace {

using support::high;
using support::kernel_memory;
using support::next_kqueue_faults;
using support::really_close;

using clock_type = std::chrono::steady_clock;

/// A filter of one descriptor.
struct knote {
    void* udata = nullptr;
    bool is_cleared = false;    // EV_CLEAR
    bool is_enabled = true;     // not EV_DISABLE
    bool is_triggered = false;  // EVFILT_USER
};

constexpr std::array<int, 3> fd_filters{EVFILT_READ, EVFILT_WRITE, EVFILT_EXCEPT};

std::size_t index_of(int filter) {
    return static_cast<std::size_t>(std::find(fd_filters.begin(), fd_filters.end(), filter) - fd_filters.begin());
}

class emulated {
public:
    static emulated* make() {
        auto* const made = new emulated;
        made->outer_ = high(::epoll_create1(EPOLL_CLOEXEC));
        made->bell_ = high(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        bool is_complete = made->outer_ >= 0 && made->bell_ >= 0;
        for (int& each : made->inner_) {
            each = high(::epoll_create1(EPOLL_CLOEXEC));
            is_complete = is_complete && each >= 0 && made->add_to_outer(each);
        }
        if (is_complete && made->add_to_outer(made->bell_)) return made;
        const int error = errno;
        really_close(made->outer_);
        delete made;
        errno = error;
        return nullptr;
    }
    emulated(const emulated&) = delete;
    emulated& operator=(const emulated&) = delete;
    ~emulated() { close_inner(); }
    static void* operator new(std::size_t) { return kernel_memory<emulated>().allocate(1); }
    static void operator delete(void* block) { std::free(block); }

    void add_descriptor() { descriptors_.fetch_add(1); }
    /// Returns whether this was the last descriptor.
    bool drop_descriptor() { return descriptors_.fetch_sub(1) == 1; }

    /// Closes the eventfd and the inner epolls. The code under test closes the outer epoll and its duplicates.
    void close_inner() const {
        really_close(bell_);
        really_close(vnodes_.descriptor());
        processes_.close();
        for (const int each : inner_) really_close(each);
    }

    [[nodiscard]] int outer() const { return outer_; }

    /// Makes a change. Returns an errno, or 0.
    int change(const struct kevent& wish) {
        const std::lock_guard guard(lock_);
        const std::pair key{static_cast<int>(wish.filter), wish.ident};
        const auto found = knotes_.find(key);
        if (wish.filter == EVFILT_USER) return change_user(wish, found != knotes_.end());
        if (wish.filter == EVFILT_VNODE) return change_vnode(wish);
        if (wish.filter == EVFILT_PROC) return change_process(wish);
        if (index_of(wish.filter) == fd_filters.size()) return EINVAL;
        const int fd = static_cast<int>(wish.ident);
        if (::fcntl(fd, F_GETFD) < 0) return EBADF;
        if ((wish.flags & EV_ADD) == 0 && found == knotes_.end()) return ENOENT;
        if ((wish.flags & EV_DELETE) != 0) {
            if (found->second.is_enabled) ::epoll_ctl(inner_of(wish.filter), EPOLL_CTL_DEL, fd, nullptr);
            knotes_.erase(found);
            return 0;
        }
        const bool exists = found != knotes_.end() && found->second.is_enabled;
        knote now = found != knotes_.end() ? found->second : knote{};
        if ((wish.flags & EV_ADD) != 0) {
            if (wish.filter == EVFILT_WRITE && is_broken_pipe(fd)) return EPIPE;
            now.udata = wish.udata;
            now.is_cleared = (wish.flags & EV_CLEAR) != 0;
        }
        now.is_enabled = (wish.flags & EV_DISABLE) == 0;
        if (const int error = apply(wish.filter, fd, exists, now); error != 0) return error;
        knotes_[key] = now;
        return 0;
    }

    /// Removes the filter of a file that is closed.
    void forget_vnode(int fd) {
        const std::lock_guard guard(lock_);
        vnodes_.remove(fd);
    }

    /// Fetches events without a wait.
    int collect(std::span<struct kevent> into) {
        const std::lock_guard guard(lock_);
        std::size_t count = 0;
        ++turns_;
        constexpr std::size_t filters = fd_filters.size() + 3;
        for (std::size_t i = 0; i != filters && count != into.size(); ++i) {
            // Begins with another filter each time, so that none is left out.
            const std::size_t at = (turns_ + i) % filters;
            const auto left = into.subspan(count);
            if (at < fd_filters.size()) count += collect(at, left);
            if (at == fd_filters.size()) count += collect_user(left);
            if (at == fd_filters.size() + 1) count += collect_vnodes(left);
            if (at == fd_filters.size() + 2) count += processes_.collect(left);
        }
        return static_cast<int>(count);
    }

private:
    emulated() = default;

    [[nodiscard]] int inner_of(int filter) const { return inner_[index_of(filter)]; }
    [[nodiscard]] bool add_to_outer(int fd) const {
        epoll_event wish{};
        wish.events = EPOLLIN;
        return ::epoll_ctl(outer_, EPOLL_CTL_ADD, fd, &wish) == 0;
    }

    int apply(int filter, int fd, bool exists, const knote& now) {
        const int inner = inner_of(filter);
        epoll_event wish{};
        if (filter == EVFILT_READ) wish.events = EPOLLIN | EPOLLRDHUP;
        if (filter == EVFILT_WRITE) wish.events = EPOLLOUT;
        if (filter == EVFILT_EXCEPT) wish.events = EPOLLPRI;
        if (now.is_cleared) wish.events |= EPOLLET;
        wish.data.fd = fd;
        if (!now.is_enabled) {
            if (exists) ::epoll_ctl(inner, EPOLL_CTL_DEL, fd, nullptr);
            return 0;
        }
        if (::epoll_ctl(inner, exists ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &wish) == 0) return 0;
        // The descriptor was closed, which has removed its filters, and its number belongs to another file. Or the
        // other way round: a duplicate has kept the registration alive.
        if (errno == ENOENT && ::epoll_ctl(inner, EPOLL_CTL_ADD, fd, &wish) == 0) return 0;
        if (errno == EEXIST && ::epoll_ctl(inner, EPOLL_CTL_MOD, fd, &wish) == 0) return 0;
        return errno;
    }

    static bool is_broken_pipe(int fd) {
        struct stat about{};
        if (::fstat(fd, &about) != 0 || !S_ISFIFO(about.st_mode)) return false;
        pollfd now{fd, POLLOUT, 0};
        return ::poll(&now, 1, 0) == 1 && (now.revents & (POLLERR | POLLHUP)) != 0;
    }

    int change_user(const struct kevent& wish, bool exists) {
        if (!kqueue_has_user_filter) return EINVAL;
        const std::pair key{EVFILT_USER, wish.ident};
        if ((wish.flags & EV_ADD) == 0 && !exists) return ENOENT;
        if ((wish.flags & EV_DELETE) != 0) return knotes_.erase(key), 0;
        knote& changed = knotes_[key];
        if ((wish.flags & EV_ADD) != 0) {
            changed.udata = wish.udata;
            changed.is_cleared = (wish.flags & EV_CLEAR) != 0;
        }
        if ((wish.fflags & NOTE_TRIGGER) != 0) {
            changed.is_triggered = true;
            ::eventfd_write(bell_, 1);
        }
        return 0;
    }

    int change_vnode(const struct kevent& wish);

    int change_process(const struct kevent& wish) {
        if ((wish.flags & EV_DELETE) != 0) return processes_.remove(static_cast<pid_t>(wish.ident)) ? 0 : ENOENT;
        const bool is_first = processes_.descriptor() < 0;
        const int error = processes_.add(wish);
        if (is_first && processes_.descriptor() >= 0 && !add_to_outer(processes_.descriptor())) return errno;
        return error;
    }

    std::size_t collect_vnodes(std::span<struct kevent> into) {
        const std::size_t count = vnodes_.collect(into);
        if (count == into.size()) ::eventfd_write(bell_, 1);  // there may be more
        return count;
    }

    std::size_t collect(std::size_t at, std::span<struct kevent> into) {
        std::array<epoll_event, 256> fetched;
        const std::size_t room = std::min(into.size(), fetched.size());
        const int answer = ::epoll_wait(inner_[at], fetched.data(), static_cast<int>(room), 0);
        std::size_t count = 0;
        for (int i = 0; i < answer; ++i) {
            const epoll_event& each = fetched[static_cast<std::size_t>(i)];
            const int fd = each.data.fd;
            const auto found = knotes_.find({fd_filters[at], static_cast<std::uintptr_t>(fd)});
            if (found == knotes_.end()) continue;
            if (fd_filters[at] == EVFILT_EXCEPT && (each.events & EPOLLPRI) == 0) continue;
            into[count++] = event_of(fd_filters[at], fd, found->second, each.events);
        }
        return count;
    }

    static struct kevent event_of(int filter, int fd, const knote& note, std::uint32_t bits) {
        struct kevent made{};
        made.ident = static_cast<std::uintptr_t>(fd);
        made.filter = static_cast<std::int16_t>(filter);
        made.flags = EV_ADD;
        if (note.is_cleared) made.flags |= EV_CLEAR;
        made.udata = note.udata;
        const bool is_over = filter == EVFILT_READ    ? (bits & (EPOLLRDHUP | EPOLLHUP)) != 0
                             : filter == EVFILT_WRITE ? (bits & EPOLLHUP) != 0 || is_broken_pipe(fd)
                                                      : false;
        if (is_over) {
            made.flags |= EV_EOF;
            if ((bits & EPOLLERR) != 0 && !is_pipe(fd)) made.fflags = ECONNRESET;
        }
        if (filter == EVFILT_EXCEPT && !std::exchange(next_kqueue_faults.hides_urgent, false)) made.fflags = NOTE_OOB;
        int bytes = 0;
        if (filter == EVFILT_READ && ::ioctl(fd, FIONREAD, &bytes) == 0) made.data = bytes;
        return made;
    }

    static bool is_pipe(int fd) {
        struct stat about{};
        return ::fstat(fd, &about) == 0 && S_ISFIFO(about.st_mode);
    }

    std::size_t collect_user(std::span<struct kevent> into) {
        std::uint64_t rung = 0;
        if (::eventfd_read(bell_, &rung) != 0) return 0;
        std::size_t count = 0;
        for (auto& [key, note] : knotes_) {
            if (key.first != EVFILT_USER || !note.is_triggered) continue;
            if (count == into.size() || !note.is_cleared) ::eventfd_write(bell_, 1);
            if (count == into.size()) break;
            struct kevent made{};
            made.ident = key.second;
            made.filter = EVFILT_USER;
            made.flags = EV_ADD;
            made.udata = note.udata;
            into[count++] = made;
            if (note.is_cleared) note.is_triggered = false;
        }
        return count;
    }

    std::mutex lock_;
    using filter_key = std::pair<int, std::uintptr_t>;  // filter and ident
    std::map<filter_key, knote, std::less<>, kernel_memory<std::pair<const filter_key, knote>>> knotes_;
    std::array<int, fd_filters.size()> inner_{-1, -1, -1};
    int outer_ = -1;                   // the first descriptor of the user
    std::atomic<int> descriptors_{1};  // of the user
    int bell_ = -1;                    // an eventfd
    support::vnode_filters vnodes_;
    support::process_filters processes_;
    std::size_t turns_ = 0;
};

// ---- All kqueues of this process ----

/// The kqueues, indexed by descriptor. close() and kevent() read the array without a lock.
constexpr std::size_t most_descriptors = 1 << 17;
constinit std::array<std::atomic<emulated*>, most_descriptors> queues{};
constinit std::atomic<int> highest{0};

emulated* find(int fd) {
    const auto index = static_cast<std::size_t>(fd);
    return fd >= 0 && index < queues.size() ? queues[index].load(std::memory_order_acquire) : nullptr;
}

/// The kqueues that have an EVFILT_VNODE, indexed by the descriptor of the file.
constinit std::array<std::atomic<emulated*>, most_descriptors> queues_of_vnodes{};

int emulated::change_vnode(const struct kevent& wish) {
    const auto fd = static_cast<std::size_t>(wish.ident);
    if (fd >= queues_of_vnodes.size()) return EBADF;
    if ((wish.flags & EV_DELETE) != 0) {
        queues_of_vnodes[fd].store(nullptr);
        return vnodes_.remove(static_cast<int>(fd)) ? 0 : ENOENT;
    }
    const bool is_first = vnodes_.descriptor() < 0;
    if (const int error = vnodes_.add(wish); error != 0) return error;
    queues_of_vnodes[fd].store(this);
    return is_first && !add_to_outer(vnodes_.descriptor()) ? errno : 0;
}

/// In a forked child: closes the descriptors. The objects remain, because another thread may have been changing them.
void forget_all() {
    for (int fd = 0; fd <= highest.load(std::memory_order_relaxed); ++fd) {
        emulated* const each = queues[static_cast<std::size_t>(fd)].exchange(nullptr);
        if (each == nullptr) continue;
        really_close(fd);
        if (each->drop_descriptor()) each->close_inner();
    }
}

/// Makes `fd` a descriptor of the kqueue. Returns false if the number is too large.
bool publish(int fd, emulated* queue) {
    if (static_cast<std::size_t>(fd) >= queues.size()) return false;
    queues[static_cast<std::size_t>(fd)].store(queue, std::memory_order_release);
    int before = highest.load(std::memory_order_relaxed);
    while (before < fd && !highest.compare_exchange_weak(before, fd)) {
    }
    return true;
}

/// Returns whether a failure is due, and sets errno to it.
bool fails(int& error) {
    if (error == 0) return false;
    errno = std::exchange(error, 0);
    return true;
}

/// Returns the error of the failure that is due for this change; 0 if there is none.
int take_change_fault(const struct kevent& wish, bool fails_call) {
    auto& all = next_kqueue_faults.changes;
    const auto found = std::find_if(all.begin(), all.end(), [&](const support::kqueue_change_fault& each) {
        return each.fails_call == fails_call && each.filter == wish.filter && (each.flags & wish.flags) != 0;
    });
    if (found == all.end()) return 0;
    const int error = found->error;
    all.erase(found);
    return error;
}

timespec as_timespec(clock_type::duration left) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
    return {static_cast<std::time_t>(seconds.count()),
            static_cast<long>(std::chrono::nanoseconds(left - seconds).count())};
}

}  // namespace

bool kqueue_has_user_filter = true;

extern "C" int kqueue() {
    [[maybe_unused]] static const int installed = ::pthread_atfork(nullptr, nullptr, &forget_all);
    if (fails(next_kqueue_faults.creation)) return -1;
    emulated* const made = emulated::make();
    if (made == nullptr) return -1;
    const int fd = made->outer();
    if (publish(fd, made)) return fd;
    really_close(fd);
    delete made;
    errno = EMFILE;
    return -1;
}

/// Replaces fcntl(2): a duplicate of the descriptor of a kqueue refers to the same kqueue.
extern "C" int fcntl(int fd, int command, ...) {
    va_list rest;
    va_start(rest, command);
    // SAFETY: the kernel reads an argument that the command does not have as an unused register.
    void* const argument = va_arg(rest, void*);
    va_end(rest);
    if (command == F_SETFD && find(fd) != nullptr && fails(next_kqueue_faults.descriptor_flags)) return -1;
    const int answer = static_cast<int>(::syscall(SYS_fcntl, fd, command, argument));
    if (answer < 0 || (command != F_DUPFD && command != F_DUPFD_CLOEXEC)) return answer;
    emulated* const queue = find(fd);
    if (queue == nullptr) return answer;
    queue->add_descriptor();
    if (publish(answer, queue)) return answer;
    static_cast<void>(queue->drop_descriptor());  // `fd` remains
    really_close(answer);
    errno = EMFILE;
    return -1;
}

extern "C" int kevent(int queue, const struct kevent* changes, int change_count, struct kevent* events, int event_count,
                      const struct timespec* timeout) {
    emulated* const all = find(queue);
    if (all == nullptr) {
        errno = EBADF;
        return -1;
    }
    if (change_count == 0 && fails(next_kqueue_faults.wait)) return -1;
    for (int i = 0; i < change_count; ++i) {
        if (int error = take_change_fault(changes[i], true); fails(error)) return -1;
    }
    int receipts = 0;
    for (int i = 0; i < change_count; ++i) {
        struct kevent each = changes[i];  // a copy: both arrays may be the same
        const int fault = take_change_fault(each, false);
        const int error = fault != 0 ? fault : all->change(each);
        if (error == 0 && (each.flags & EV_RECEIPT) == 0) continue;
        if (receipts == event_count) {
            errno = error;
            return error != 0 ? -1 : receipts;
        }
        each.flags |= EV_ERROR;
        each.data = error;
        events[receipts++] = each;
    }
    if (receipts != 0 || event_count == 0) return receipts;

    std::optional<clock_type::time_point> end;
    if (timeout != nullptr) {
        end = clock_type::now() + std::chrono::seconds(timeout->tv_sec) + std::chrono::nanoseconds(timeout->tv_nsec);
    }
    for (;;) {
        const int count = all->collect({events, static_cast<std::size_t>(event_count)});
        if (count != 0) return count;
        timespec left{};
        if (end) {
            const auto now = clock_type::now();
            if (now >= *end) return 0;
            left = as_timespec(*end - now);
        }
        pollfd either{queue, POLLIN, 0};
        if (::ppoll(&either, 1, end ? &left : nullptr, nullptr) < 0) return -1;  // also with EINTR
    }
}

/// Replaces close(2): a kqueue has further descriptors.
extern "C" int close(int fd) {
    if (find(fd) != nullptr) {
        emulated* const closed = queues[static_cast<std::size_t>(fd)].exchange(nullptr);
        if (closed != nullptr && closed->drop_descriptor()) {
            for (auto& each : queues_of_vnodes) {
                emulated* mine = closed;
                each.compare_exchange_strong(mine, nullptr);
            }
            delete closed;
        }
    }
    const auto index = static_cast<std::size_t>(fd);
    if (fd >= 0 && index < queues_of_vnodes.size() && queues_of_vnodes[index].load() != nullptr) {
        if (emulated* const watching = queues_of_vnodes[index].exchange(nullptr)) watching->forget_vnode(fd);
    }
    return static_cast<int>(::syscall(SYS_close, fd));
}
