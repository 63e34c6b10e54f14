// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <eddy/fs/error.hpp>
#include <eddy/result.hpp>

#include "sys/fd.hpp"
#include "sys/path_text.hpp"
#include "watch/watch_job.hpp"
#include "watch/watch_tree.hpp"

namespace eddy::fs::detail {

/// Finds out which file the path of a root is, and watches that file and the route to it.
///
/// The route is the name of the file, each symbolic link in its path, and each name in the texts of these links. A
/// directory gets its watch before the name in it is looked up, and the file is opened last. So a change of the route
/// is either seen here, or reported by the queue, or both.
class watch_lookup final : public watch_job {
public:
    watch_lookup(shared_queue queue, const watched_root& root)
        : watch_job(std::move(queue), root),
          path_(sys::text_of(root.place / sys::path_from(root.file.value().name))),
          was_anchored_(root.file->is_anchored) {}

    /// Does all. Returns true.
    result<bool> step();

    /// Returns whether a name decides what the path is. Otherwise its directory is another one, or is not watched.
    [[nodiscard]] bool has_begun() const noexcept { return !route_.empty(); }
    [[nodiscard]] const std::vector<route_step>& route() const noexcept { return route_; }
    /// Returns whether the route leads to the file: its last name is the name of the file, whether there is one or not.
    [[nodiscard]] bool is_whole() const noexcept { return is_whole_; }
    /// Returns whether the route begins with the name of the file, in the directory of the root, and always did: no
    /// symbolic link is above it. So it ends with this directory. Otherwise, also a directory of the path that does not
    /// exist is on the route.
    [[nodiscard]] bool is_anchored() const noexcept { return is_anchored_; }
    /// Returns the file; nullopt if there is none.
    [[nodiscard]] const std::optional<found_file>& file() const noexcept { return file_; }

private:
    void follow_route(sys::unique_fd dir);
    eddy::result<sys::unique_fd> follow_part(int dir);
    eddy::result<sys::unique_fd> follow_name(int dir, const std::string& name, bool is_last);
    std::optional<std::string> link_target(int dir, const std::string& name);
    void find_file();

    std::string path_;
    std::string given_ = path_;  // what is left of the path
    std::string texts_;          // of links: what is to be followed before it
    int links_left_ = 40;        // path_resolution(7)
    std::vector<route_step> route_;
    bool was_anchored_;
    bool is_whole_ = false;
    bool is_anchored_ = false;
    std::optional<found_file> file_;
};

}  // namespace eddy::fs::detail
