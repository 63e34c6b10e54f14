// SPDX-License-Identifier: MIT
#pragma once

#include <sys/epoll.h>
#include <sys/event.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <utility>

#include "kernel_memory.hpp"

namespace support {

/// EVFILT_PROC with NOTE_EXIT of a kqueue, on top of pidfds. As on macOS, a process that has ended is not found, and
/// the filter is removed when its event is fetched.
class process_filters {
public:
    process_filters() = default;
    process_filters(const process_filters&) = delete;
    process_filters& operator=(const process_filters&) = delete;
    ~process_filters() = default;  // see close()

    /// Returns the descriptor that is readable when a process has ended; -1 before the first filter.
    [[nodiscard]] int descriptor() const { return ends_; }

    /// Adds a filter. Returns an errno, or 0.
    int add(const struct kevent& wish) {
        const auto id = static_cast<pid_t>(wish.ident);
        siginfo_t info{};
        ::waitid(P_PID, static_cast<id_t>(id), &info, WEXITED | WNOHANG | WNOWAIT);
        if (info.si_pid != 0) return ESRCH;
        if (ends_ < 0) ends_ = high(::epoll_create1(EPOLL_CLOEXEC));
        const int fd = high(static_cast<int>(::syscall(SYS_pidfd_open, id, 0)));
        if (ends_ < 0 || fd < 0) return errno;
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.fd = id;
        ::epoll_ctl(ends_, EPOLL_CTL_ADD, fd, &event);
        remove(id);
        filters_[id] = {wish, fd};
        return 0;
    }

    /// Removes a filter, if there is one.
    bool remove(pid_t id) {
        const auto found = filters_.find(id);
        if (found == filters_.end()) return false;
        really_close(found->second.pidfd);
        filters_.erase(found);
        return true;
    }

    /// Fetches events without a wait.
    std::size_t collect(std::span<struct kevent> into) {
        if (ends_ < 0 || into.empty()) return 0;
        std::array<epoll_event, 64> fetched;
        const int answer =
            ::epoll_wait(ends_, fetched.data(), static_cast<int>(std::min(into.size(), fetched.size())), 0);
        std::size_t count = 0;
        for (int i = 0; i < answer; ++i) {
            const pid_t id = fetched[static_cast<std::size_t>(i)].data.fd;
            const auto found = filters_.find(id);
            if (found == filters_.end()) continue;
            struct kevent& made = into[count++] = found->second.wish;
            made.flags = EV_ADD | EV_ONESHOT | EV_EOF;
            made.fflags = NOTE_EXIT;
            remove(id);
        }
        return count;
    }

    /// Closes all descriptors.
    void close() const {
        for (const auto& [id, each] : filters_) really_close(each.pidfd);
        really_close(ends_);
    }

private:
    struct filter {
        struct kevent wish{};
        int pidfd = -1;
    };

    std::map<pid_t, filter, std::less<>, kernel_memory<std::pair<const pid_t, filter>>> filters_;
    int ends_ = -1;  // an epoll of pidfds
};

}  // namespace support
