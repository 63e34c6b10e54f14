// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sys/dir_entry_calls.hpp"

namespace eddy::fs::detail {

/// A directory that is watched. Its path follows from its parents, so a rename changes one object.
struct watched_dir {
    watched_dir* parent = nullptr;  // null for a root
    std::string name;               // in the parent
    int watch = -1;                 // its number in the kernel's queue
    bool is_removed = false;
    std::uint64_t scanned_in = 0;  // the watcher's epoch
    std::map<std::string, std::unique_ptr<watched_dir>, std::less<>> below;

    watched_dir() = default;
    watched_dir(const watched_dir&) = delete;
    watched_dir& operator=(const watched_dir&) = delete;
    virtual ~watched_dir() = default;  // a watched_root is destroyed as one
};

/// A path that was given to watch(), or the directory of a file that was.
struct watched_root : watched_dir {
    std::filesystem::path path;
    sys::file_identity identity;      // it is not kept open: the kernel reports the removal of closed directories only
    std::optional<std::string> only;  // the name of the file
    bool is_recursive = true;
};

/// All directories that a change_stream watches. Two roots may contain the same directory, which has one watch.
/// Lifetime: a removed directory stays in memory until release_removed().
class watch_tree {
public:
    watched_root& add_root(std::unique_ptr<watched_root> root);

    /// Adds a directory that has a watch. Replaces one of the same name.
    watched_dir& add(watched_dir& in, const std::string& name, int watch);
    /// Gives a root its watch.
    void set_watch(watched_dir& of, int watch);
    void remove(watched_dir& which);
    /// Gives a directory a new place. Replaces one that is there.
    void move(watched_dir& which, watched_dir& in, const std::string& name);
    void remove_all_below(watched_dir& which);

    /// Forgets a watch that the kernel has ended.
    void forget(int watch) { by_watch_.erase(watch); }
    /// Frees removed directories. Returns their watches, without those that another directory has.
    [[nodiscard]] std::vector<int> release_removed();

    [[nodiscard]] std::vector<watched_dir*> with(int watch) const;
    [[nodiscard]] const std::vector<std::unique_ptr<watched_root>>& roots() const noexcept { return roots_; }

private:
    void bury(std::unique_ptr<watched_dir> which);
    void unlist(watched_dir& which);

    std::vector<std::unique_ptr<watched_root>> roots_;
    std::unordered_multimap<int, watched_dir*> by_watch_;
    std::vector<std::unique_ptr<watched_dir>> removed_;
    std::vector<int> unused_;
};

[[nodiscard]] const watched_root& root_of(const watched_dir& which) noexcept;
/// Returns whether `which` is `outer`, or below it.
[[nodiscard]] bool is_in(const watched_dir& which, const watched_dir& outer) noexcept;
/// Returns the path below the root; empty for the root itself.
[[nodiscard]] std::filesystem::path path_below_root(const watched_dir& which);
[[nodiscard]] std::filesystem::path path_of(const watched_dir& which);

}  // namespace eddy::fs::detail
