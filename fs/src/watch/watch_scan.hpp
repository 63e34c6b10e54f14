// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/fs/error.hpp>
#include <eddy/result.hpp>

#include "sys/beneath.hpp"
#include "sys/changes.hpp"
#include "sys/dir_reader.hpp"
#include "sys/fd.hpp"
#include "sys/path_text.hpp"
#include "tree/descent.hpp"
#include "watch/watch_job.hpp"
#include "watch/watch_tree.hpp"

namespace eddy::fs::detail {

/// Adds a directory and those below it to a queue of changes, in steps. A directory gets its watch before it is read,
/// so each entry is found here, or its creation is reported by the queue, or both.
class watch_scan final : public watch_job {
public:
    /// An entry that was found. The first one is the directory where the scan began.
    struct found_entry {
        std::size_t parent;  // its number
        std::string name;
        bool is_directory;
        int watch = -1;  // of a directory that is watched

        found_entry(std::size_t in, std::string its_name, bool of_directory, int its_watch) noexcept
            : parent(in), name(std::move(its_name)), is_directory(of_directory), watch(its_watch) {}
    };

    enum class extent : unsigned char { one_directory, directories, directories_and_files };

    /// Scans `below`, which is below the directory `root`; an empty path is `root` itself. Nothing is found if the path
    /// `root` now names another directory.
    watch_scan(shared_queue queue, const watched_root& root, std::filesystem::path below, extent wanted)
        : watch_job(std::move(queue), root), below_(std::move(below)), wanted_(wanted) {}

    result<bool> step() {
        if (!visit_) return begin();
        const auto is_complete = visit_->step();
        if (is_complete) return *is_complete;
        end_early(is_complete.error().code());
        return true;
    }

    /// Returns what was found; nothing if the directory does not exist any more, or cannot be watched.
    [[nodiscard]] const std::vector<found_entry>& found() const noexcept { return found_; }
    [[nodiscard]] bool has_begun() const noexcept { return !found_.empty(); }

private:
    class visitor {
    public:
        explicit visitor(watch_scan& of) noexcept : of_(&of) {}

        eddy::result<bool> file(int, const sys::named_entry& entry) {
            if (of_->wanted_ == extent::directories_and_files) of_->found_.emplace_back(at_, entry.name, false, -1);
            return true;
        }
        eddy::result<bool> enter(int dir, const std::string& name) {
            const auto watch = of_->watch(dir, sys::watched::entries);
            of_->found_.emplace_back(at_, name, true, watch.value_or(-1));
            if (watch) at_ = of_->found_.size() - 1;
            return watch.has_value();
        }
        eddy::result<bool> left(int, const std::string&) {
            at_ = of_->found_[at_].parent;
            return true;
        }
        bool skips(int, const std::string&, std::error_code why) {
            of_->note(why);
            return true;
        }

    private:
        watch_scan* of_;
        std::size_t at_ = 0;  // the number of the innermost directory
    };

    result<bool> begin() {
        auto top = open_top();
        if (!top) {
            note(top.error());
            return true;
        }
        const auto watch = this->watch(top->get(), sys::watched::entries);
        if (!watch) return true;
        found_.emplace_back(0, "", true, *watch);
        if (wanted_ == extent::one_directory) return true;
        visit_.emplace(*std::move(top), "watch", below_, visitor(*this));
        return false;
    }

    eddy::result<sys::unique_fd> open_top() {
        const auto root = open_root();
        if (!root) return std::unexpected(root.error());
        return sys::open_for_search(root->get(), below_.empty() ? "." : sys::text_of(below_));
    }

    std::filesystem::path below_;
    extent wanted_;
    std::optional<descent<visitor>> visit_;
    std::vector<found_entry> found_;
};

}  // namespace eddy::fs::detail
