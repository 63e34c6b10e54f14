// SPDX-License-Identifier: MIT
#pragma once

#include <limits.h>
#include <sys/event.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <span>
#include <string_view>
#include <utility>

#include "kernel_memory.hpp"

namespace support {

/// EVFILT_VNODE of a kqueue, on top of inotify(7).
///
/// inotify does not report the removal of a directory that is open, except to the directory above it. So that one is
/// watched, too.
class vnode_filters {
public:
    vnode_filters() = default;
    vnode_filters(const vnode_filters&) = delete;
    vnode_filters& operator=(const vnode_filters&) = delete;
    ~vnode_filters() = default;  // descriptor() is closed by its user

    /// Returns the descriptor of the inotify; -1 before the first filter.
    [[nodiscard]] int descriptor() const { return inotify_; }

    /// Adds a filter. Returns an errno, or 0.
    int add(const struct kevent& wish) {
        if (inotify_ < 0) inotify_ = high(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
        if (inotify_ < 0) return errno;
        const int fd = static_cast<int>(wish.ident);
        struct stat about{};
        if (::fstat(fd, &about) != 0) return errno;
        std::array<char, 32> link{};
        std::snprintf(link.data(), link.size(), "/proc/self/fd/%d", fd);
        const int watch = ::inotify_add_watch(inotify_, link.data(), all_changes);
        if (watch < 0) return errno;
        remove(fd);
        filter& added = filters_[fd];
        added.wish = wish;
        added.watch = watch;
        added.is_directory = S_ISDIR(about.st_mode);
        by_watch_.emplace(watch, fd);
        if (added.is_directory) watch_parent(link.data());
        return 0;
    }

    /// Removes a filter, if there is one.
    bool remove(int fd) {
        const auto found = filters_.find(fd);
        if (found == filters_.end()) return false;
        const int watch = found->second.watch;
        const auto [begin, end] = by_watch_.equal_range(watch);
        by_watch_.erase(std::find_if(begin, end, [&](const auto& each) { return each.second == fd; }));
        filters_.erase(found);
        if (!by_watch_.contains(watch) && !parents_.contains(watch)) ::inotify_rm_watch(inotify_, watch);
        return true;
    }

    /// Fetches events without a wait.
    std::size_t collect(std::span<struct kevent> into) {
        read_inotify();
        std::size_t count = 0;
        for (auto& [fd, each] : filters_) {
            if (count == into.size()) break;
            if (each.notes == 0) continue;
            into[count] = each.wish;
            into[count].flags = EV_ADD | EV_CLEAR;
            into[count].fflags = std::exchange(each.notes, 0);
            ++count;
        }
        return count;
    }

private:
    static constexpr std::uint32_t all_changes =
        IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF;

    struct filter {
        struct kevent wish{};
        int watch = -1;
        bool is_directory = false;
        bool is_deleted = false;
        unsigned notes = 0;  // to be reported
    };

    void watch_parent(const char* link) {
        std::array<char, PATH_MAX> path{};
        if (::readlink(link, path.data(), path.size() - 1) <= 0) return;
        char* const slash = std::strrchr(path.data(), '/');
        if (slash == nullptr) return;
        slash[slash == path.data() ? 1 : 0] = 0;
        const int watch = ::inotify_add_watch(inotify_, path.data(), all_changes);
        if (watch >= 0) parents_.emplace(watch, true);
    }

    void read_inotify() {
        if (inotify_ < 0) return;
        alignas(inotify_event) std::array<char, 16 * 1024> buffer;
        for (;;) {
            const auto count = ::read(inotify_, buffer.data(), buffer.size());
            if (count <= 0) return;
            for (std::size_t at = 0; at < static_cast<std::size_t>(count);) {
                inotify_event event{};
                std::memcpy(&event, buffer.data() + at, sizeof event);
                take(event);
                at += sizeof event + event.len;
            }
        }
    }

    void take(const inotify_event& event) {
        const auto has = [&](std::uint32_t bits) { return (event.mask & bits) != 0; };
        if (has(IN_Q_OVERFLOW)) {
            for (auto& [fd, each] : filters_) add_notes(each, NOTE_WRITE);
            return;
        }
        if (has(IN_ISDIR) && has(IN_DELETE | IN_MOVED_TO)) {
            for (auto& [fd, each] : filters_)
                if (each.is_directory && is_deleted(fd)) delete_once(each);
        }
        const auto [begin, end] = by_watch_.equal_range(event.wd);
        for (auto at = begin; at != end; ++at) {
            filter& of = filters_.at(at->second);
            if (event.len != 0) {
                if (has(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO))
                    add_notes(of, NOTE_WRITE | (has(IN_ISDIR) ? NOTE_LINK : 0U));
                continue;
            }
            if (has(IN_MODIFY)) add_notes(of, NOTE_WRITE);
            if (has(IN_MOVE_SELF)) add_notes(of, NOTE_RENAME);
            if (has(IN_DELETE_SELF) || (has(IN_ATTRIB) && is_deleted(at->second))) {
                delete_once(of);
            } else if (has(IN_ATTRIB)) {
                add_notes(of, NOTE_ATTRIB);
            }
        }
    }

    static void add_notes(filter& to, unsigned notes) { to.notes |= notes & to.wish.fflags; }
    static void delete_once(filter& which) {
        if (!std::exchange(which.is_deleted, true)) add_notes(which, NOTE_DELETE);
    }

    static bool is_deleted(int fd) {
        std::array<char, 32> link{};
        std::snprintf(link.data(), link.size(), "/proc/self/fd/%d", fd);
        std::array<char, PATH_MAX> path{};
        const auto size = ::readlink(link.data(), path.data(), path.size());
        return size > 0 && std::string_view(path.data(), static_cast<std::size_t>(size)).ends_with(" (deleted)");
    }

    template <class K, class V>
    using map_of = std::map<K, V, std::less<>, kernel_memory<std::pair<const K, V>>>;

    int inotify_ = -1;
    map_of<int, filter> filters_;  // by descriptor
    std::multimap<int, int, std::less<>, kernel_memory<std::pair<const int, int>>> by_watch_;
    map_of<int, bool> parents_;  // watches of directories above
};

}  // namespace support
