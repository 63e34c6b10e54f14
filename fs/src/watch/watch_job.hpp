// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include <eddy/result.hpp>

#include "sys/beneath.hpp"
#include "sys/changes.hpp"
#include "sys/dir_entry_calls.hpp"
#include "sys/fd.hpp"
#include "sys/path_text.hpp"
#include "watch/watch_tree.hpp"

namespace eddy::fs::detail {

using shared_queue = std::shared_ptr<sys::change_queue>;

/// What the work for a root has in common, whether it scans directories or looks a file up. It runs on a thread for
/// blocking work, so it has copies of what it needs.
class watch_job {
public:
    watch_job(const watch_job&) = delete;
    watch_job& operator=(const watch_job&) = delete;

    /// Returns the first reason why something is not watched.
    [[nodiscard]] std::error_code unwatched() const noexcept { return unwatched_; }

protected:
    watch_job(shared_queue queue, const watched_root& root)
        : queue_(std::move(queue)), path_(root.place.empty() ? "." : root.place), identity_(root.identity) {}
    ~watch_job() = default;

    /// Opens the directory of the root.
    /// Errors: same as check_root().
    eddy::result<sys::unique_fd> open_root() const {
        auto root = sys::open_folder(sys::text_of(path_));
        if (!root) return root;
        if (const auto same = check_root(root->get()); !same) return std::unexpected(same.error());
        return root;
    }

    /// Errors: no_such_file_or_directory if the path of the root now names another directory.
    eddy::result<void> check_root(int found) const {
        const auto identity = sys::identity_of(found);
        if (!identity) return std::unexpected(identity.error());
        if (*identity != identity_) return std::unexpected(std::make_error_code(std::errc::no_such_file_or_directory));
        return ok();
    }

    eddy::result<int> watch(int fd, sys::watched what) {
        auto added = queue_->add_watch(fd, what);
        if (!added) note(added.error());
        return added;
    }

    void note(std::error_code why) {
        // Removed, or replaced. The queue reports that.
        const bool is_gone = why == std::errc::no_such_file_or_directory || why == std::errc::not_a_directory ||
                             why == std::errc::too_many_symbolic_link_levels;
        if (!unwatched_ && !is_gone) unwatched_ = why;
    }

    /// Says that what is left is not watched.
    void end_early(std::error_code why) noexcept { unwatched_ = why; }

private:
    shared_queue queue_;
    std::filesystem::path path_;
    sys::file_identity identity_;
    std::error_code unwatched_;
};

}  // namespace eddy::fs::detail
