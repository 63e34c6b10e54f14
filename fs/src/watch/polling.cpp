// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/fs/paths.hpp>
#include <eddy/fs/walk.hpp>
#include <eddy/time/sleep.hpp>

#include "sys/beneath.hpp"
#include "sys/path_text.hpp"
#include "watch/watcher.hpp"

namespace eddy::fs::detail {
namespace {

/// What a scan compares.
struct polled_file {
    std::filesystem::file_type type;
    std::uint64_t size;
    file_time modified;
    std::filesystem::perms permissions;
    std::uint32_t user;
    std::uint32_t group;

    explicit polled_file(const file_metadata& of) noexcept
        : type(of.type),
          size(of.size),
          modified(of.modified),
          permissions(of.permissions),
          user(of.user),
          group(of.group) {}

    [[nodiscard]] bool is_directory() const noexcept { return type == std::filesystem::file_type::directory; }
    [[nodiscard]] bool has_contents_of(const polled_file& other) const noexcept {
        // The time of a directory changes with its entries, which are compared themselves.
        return is_directory() || (size == other.size && modified == other.modified);
    }
    [[nodiscard]] bool has_rights_of(const polled_file& other) const noexcept {
        return permissions == other.permissions && user == other.user && group == other.group;
    }
};

/// What was found in a scan. A directory comes before its entries.
struct poll_scan {
    std::map<std::filesystem::path, polled_file> files;
    std::map<std::filesystem::path, std::error_code> failures;  // of paths that could not be read

    void note_failure(const std::filesystem::path& path, const std::error_code& why) {
        if (why != std::errc::no_such_file_or_directory && why != std::errc::not_a_directory)
            failures.try_emplace(path, why);
    }
    /// Whether nothing is known about a path, because it or a directory above it could not be read.
    [[nodiscard]] bool has_missed(std::filesystem::path path) const {
        while (!failures.contains(path)) {
            auto parent = path.parent_path();
            if (parent == path) return false;
            path = std::move(parent);
        }
        return true;
    }
};

task<void> scan(const std::filesystem::path& root, const watch_options& options, poll_scan& into) {
    const auto about = co_await metadata(root);
    if (!about) co_return into.note_failure(root, about.error().code());
    into.files.try_emplace(root, *about);
    if (!about->is_directory()) co_return;
    auto reads = walk_options().metadata(true);
    if (!options.is_recursive()) reads.max_depth(1);
    auto found = walk(root, reads);
    while (const auto batch = co_await found.next()) {
        if (!*batch) {
            into.note_failure(batch->error().path(), batch->error().code());
            continue;
        }
        for (const auto& entry : (*batch)->entries) {
            auto path = (*batch)->directory.path() / sys::path_from(entry.name);
            if (entry.metadata)
                into.files.try_emplace(std::move(path), *entry.metadata);
            else
                into.note_failure(path, std::make_error_code(std::errc::io_error));
        }
    }
}

task<poll_scan> scan_all(const std::vector<std::filesystem::path>& paths, const watch_options& options) {
    poll_scan all;
    for (const auto& path : paths) co_await scan(path, options, all);
    co_return all;
}

bool is_below(const std::filesystem::path& path, const std::filesystem::path& directory) {
    return std::ranges::mismatch(directory, path).in1 == directory.end();
}

/// Adds the paths that are there no longer. Those that are not known now stay as they were.
void report_removed(const poll_scan& last, poll_scan& now, std::vector<change>& to) {
    std::optional<std::filesystem::path> removed;
    for (const auto& [path, was] : last.files) {
        if (now.files.contains(path)) continue;
        if (now.has_missed(path)) {
            now.files.emplace(path, was);
        } else if (!removed || !is_below(path, *removed)) {
            removed = path;
            to.emplace_back(change_kind::removed, path, was.is_directory());
        }
    }
}

/// Returns the differences of two scans.
std::vector<change> changes_between(const poll_scan& last, poll_scan& now) {
    std::vector<change> all;
    report_removed(last, now, all);
    for (const auto& [path, is] : now.files) {
        const auto before = last.files.find(path);
        const bool is_same = before != last.files.end() && before->second.type == is.type;
        if (!is_same && before != last.files.end())
            all.emplace_back(change_kind::removed, path, before->second.is_directory());
        if (!is_same) all.emplace_back(change_kind::created, path, is.is_directory());
        if (is_same && !is.has_contents_of(before->second)) all.emplace_back(change_kind::modified, path, false);
        if (is_same && !is.has_rights_of(before->second))
            all.emplace_back(change_kind::metadata, path, is.is_directory());
    }
    for (const auto& [path, why] : now.failures) {
        const auto before = last.failures.find(path);
        if (before != last.failures.end() && before->second == why) continue;
        all.emplace_back(change_kind::rescan, path, true).reason = why;
    }
    return all;
}

change_stream report_changes(std::vector<std::filesystem::path> paths, watch_options options, poll_scan last) {
    for (;;) {
        co_await time::sleep(*options.pause());
        auto now = co_await scan_all(paths, options);
        auto changes = changes_between(last, now);
        last = std::move(now);
        for (auto& each : changes) {
            if (each.reason == eddy::errc::runtime_shutdown) {
                co_yield std::unexpected(error(each.reason, "watch", each.path));
                co_return;
            }
            co_yield std::move(each);
        }
    }
}

}  // namespace

task<result<change_stream>> watch_by_polling(std::vector<std::filesystem::path> paths, watch_options options) {
    for (auto& path : paths) path = sys::without_end_slashes(path);
    auto first = co_await scan_all(paths, options);
    for (const auto& path : paths) {
        const auto failed = first.failures.find(path);
        if (failed != first.failures.end()) co_return std::unexpected(error(failed->second, "watch", path));
    }
    co_return report_changes(std::move(paths), options, std::move(first));
}

}  // namespace eddy::fs::detail
