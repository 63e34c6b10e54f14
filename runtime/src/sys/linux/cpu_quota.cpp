// SPDX-License-Identifier: MIT
#include "sys/linux/cpu_quota.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "sys/fd.hpp"

namespace eddy::sys {
namespace {

/// Returns the contents of a file of the kernel, which has no size; nothing if it cannot be read.
std::string contents(const std::string& path) {
    std::string text;
    const unique_fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, 4096> piece;
    for (ssize_t count; (count = ::read(file.get(), piece.data(), piece.size())) > 0;)
        text.append(piece.data(), static_cast<std::size_t>(count));
    return text;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (std::size_t end = 0; end != std::string_view::npos; text.remove_prefix(std::min(end + 1, text.size()))) {
        end = text.find(separator);
        parts.push_back(text.substr(0, end));
    }
    return parts;
}

bool contains(const std::vector<std::string_view>& all, std::string_view one) {
    return std::ranges::find(all, one) != all.end();
}

/// Returns a path of mountinfo as it is: there, a space is written as \040.
std::string unescaped(std::string_view path) {
    std::string result;
    while (!path.empty()) {
        unsigned octal = 0;
        if (path.size() >= 4 && path[0] == '\\' && std::from_chars(&path[1], &path[4], octal, 8).ptr == &path[4]) {
            result += static_cast<char>(octal);
            path.remove_prefix(4);
        } else {
            result += path[0];
            path.remove_prefix(1);
        }
    }
    return result;
}

struct hierarchy {
    bool unified;       // version 2
    std::string group;  // the process's group, as seen from the root of its control groups
};

/// Parses a line of /proc/self/cgroup (`NUMBER:CONTROLLERS:GROUP`), if it can limit processors.
std::optional<hierarchy> parse_hierarchy(std::string_view line) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) return std::nullopt;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    if (!controllers.empty() && !contains(split(controllers, ','), "cpu")) return std::nullopt;
    return hierarchy{.unified = controllers.empty(), .group = std::string(line.substr(second + 1))};
}

struct mount {
    std::string root;  // the group that is mounted there
    std::string folder;
};

/// Parses a line of /proc/self/mountinfo (proc_pid_mountinfo(5)), if it is a mount of this hierarchy.
std::optional<mount> parse_mount(std::string_view line, bool unified) {
    const std::size_t separator = line.find(" - ");
    if (separator == std::string_view::npos) return std::nullopt;
    const auto before = split(line.substr(0, separator), ' ');
    const auto after = split(line.substr(separator + 3), ' ');
    if (before.size() < 5 || after.size() < 3) return std::nullopt;
    const bool wanted = unified ? after[0] == "cgroup2" : after[0] == "cgroup" && contains(split(after[2], ','), "cpu");
    if (!wanted) return std::nullopt;
    return mount{.root = unescaped(before[3]), .folder = unescaped(before[4])};
}

/// Returns the limit in the files of one group, in processors, rounded up; 0 if there is none.
unsigned limit_of(const std::string& group, bool unified) {
    const std::string text = unified
                                 ? contents(group + "/cpu.max")
                                 : contents(group + "/cpu.cfs_quota_us") + ' ' + contents(group + "/cpu.cfs_period_us");
    // Two numbers with space and newlines between them. The first is `max` or -1 without a limit.
    const char* const end = text.data() + text.size();
    std::int64_t quota = 0;
    std::int64_t period = 0;
    const char* at = std::from_chars(text.data(), end, quota).ptr;
    while (at != end && (*at == ' ' || *at == '\n')) ++at;
    std::from_chars(at, end, period);
    return quota > 0 && period > 0 ? static_cast<unsigned>((quota + period - 1) / period) : 0;
}

/// Returns the least limit of a group and of the groups above it that the process can see.
unsigned least_limit(const std::string& root, const hierarchy& its, const mount& at) {
    // In a container, the mount may show the container's group, and the group's name be the one outside. A name with ..
    // is outside of what the process sees.
    std::string below = its.group;
    if (at.root != "/") below = its.group.starts_with(at.root) ? its.group.substr(at.root.size()) : "";
    if (below == "/" || below.starts_with("/..")) below.clear();
    unsigned least = 0;
    for (;;) {
        const unsigned limit = limit_of((root + at.folder).append(below), its.unified);
        if (limit != 0 && (least == 0 || limit < least)) least = limit;
        if (below.empty()) return least;
        below.resize(std::min(below.rfind('/'), below.size() - 1));
    }
}

}  // namespace

unsigned cpu_quota(const std::string& root) noexcept try {
    const std::string groups = contents(root + "/proc/self/cgroup");
    const std::string mounts = contents(root + "/proc/self/mountinfo");
    unsigned least = 0;
    for (const std::string_view line : split(groups, '\n')) {
        const auto its = parse_hierarchy(line);
        if (!its) continue;
        for (const std::string_view mounted : split(mounts, '\n')) {
            const auto at = parse_mount(mounted, its->unified);
            if (!at) continue;
            const unsigned limit = least_limit(root, *its, *at);
            if (limit != 0 && (least == 0 || limit < least)) least = limit;
        }
    }
    return least;
} catch (const std::bad_alloc&) {
    return 0;
}

}  // namespace eddy::sys
