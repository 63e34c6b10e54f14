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

#include <eddy/fs/watch.hpp>

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

/// A name that decides which file a path is, in a directory that is watched.
struct route_step {
    int watch;
    std::string name;

    route_step(int its_watch, std::string its_name) noexcept : watch(its_watch), name(std::move(its_name)) {}
};

/// The file that a path is. Its watch tells it from one that gets its number later; it is -1 if it is not watched.
struct found_file {
    sys::file_identity identity;
    bool is_directory;
    int watch = -1;

    found_file(const sys::file_identity& its, bool of_directory) noexcept : identity(its), is_directory(of_directory) {}
    friend bool operator==(const found_file&, const found_file&) noexcept = default;
};

/// A file that was given to watch(): the inode that the path leads to now, and the route to it. See watch_lookup.
struct watched_file {
    /// What has happened since it was looked up.
    enum class news : unsigned char {
        none,
        reported,  // another file, or none, has its name now, and this was reported
        unknown,   // the route has changed: the next lookup tells whether the file is another one
    };

    std::string name;                                 // in the directory of the root
    std::vector<std::unique_ptr<watched_dir>> route;  // each has the name in it. Empty before the first lookup
    bool is_whole = false;                            // the last name of the route is the file's
    bool is_anchored = true;                          // the first one is the path's, in the directory of the root
    std::optional<found_file> found;
    std::unique_ptr<watched_dir> inode;  // has the watch of `found`; null if there is none
    news since = news::none;
    // So that a write is reported once, by the file and its directory: in a read of the queue, and not later, because
    // the program may have looked at the file meanwhile.
    std::optional<change_kind> last_report;
    std::uint64_t last_report_in = 0;  // the read
};

/// A path that was given to watch(), or the directory of a file that was.
struct watched_root : watched_dir {
    std::filesystem::path path;   // as it was given, for the changes
    std::filesystem::path place;  // absolute: the program may change its current directory
    sys::file_identity identity;  // it is not kept open: the kernel reports the removal of closed directories only
    std::optional<watched_file> file;
    bool is_recursive = true;  // of a directory
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
    /// Replaces the route to the file of a root.
    void set_route(watched_root& of, const std::vector<route_step>& route);
    /// Replaces the watch of the file itself. -1 stands for none.
    void set_inode(watched_root& of, int watch);

    /// Forgets a watch that the kernel has ended.
    void forget(int watch) { by_watch_.erase(watch); }
    /// Frees removed directories. Returns their watches, without those that another directory has.
    [[nodiscard]] std::vector<int> release_removed();

    [[nodiscard]] std::vector<watched_dir*> with(int watch) const;
    [[nodiscard]] const std::vector<std::unique_ptr<watched_root>>& roots() const noexcept { return roots_; }

private:
    std::unique_ptr<watched_dir> add_part(watched_root& of, int watch, const std::string& name);
    void bury(std::unique_ptr<watched_dir> which);
    void unlist(watched_dir& which);

    std::vector<std::unique_ptr<watched_root>> roots_;
    std::unordered_multimap<int, watched_dir*> by_watch_;
    std::vector<std::unique_ptr<watched_dir>> removed_;
    std::vector<int> unused_;
};

[[nodiscard]] const watched_root& root_of(const watched_dir& which) noexcept;
[[nodiscard]] watched_root& root_of(watched_dir& which) noexcept;
/// Returns whether `which` is `outer`, or below it.
[[nodiscard]] bool is_in(const watched_dir& which, const watched_dir& outer) noexcept;
/// Returns the path below the root; empty for the root itself.
[[nodiscard]] std::filesystem::path path_below_root(const watched_dir& which);
[[nodiscard]] std::filesystem::path path_of(const watched_dir& which);

}  // namespace eddy::fs::detail
