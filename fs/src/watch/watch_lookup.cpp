// SPDX-License-Identifier: MIT
#include "watch/watch_lookup.hpp"

#include <system_error>

#include "sys/beneath.hpp"
#include "sys/dir_entry_calls.hpp"
#include "sys/metadata_calls.hpp"
#include "sys/open_calls.hpp"

namespace eddy::fs::detail {
namespace {

/// Removes the first part of the path and returns it.
std::string take_part(std::string& path) {
    const auto end = path.find('/');
    auto part = path.substr(0, end);
    path.erase(0, end == std::string::npos ? end : end + 1);
    return part;
}

}  // namespace

result<bool> watch_lookup::step() {
    auto start = sys::open_for_watch(sys::current_directory, given_.starts_with('/') ? "/" : ".");
    if (start) {
        follow_route(*std::move(start));
    } else {
        note(start.error());
    }
    if (has_begun()) find_file();
    return true;
}

void watch_lookup::follow_route(sys::unique_fd dir) {
    while (links_left_ >= 0 && !(texts_.empty() && given_.empty())) {
        auto next = follow_part(dir.get());
        if (!next) return note(next.error());
        if (*next) dir = *std::move(next);
    }
}

/// Follows the next part of the path. Returns the directory that has the part after it; none if it is the same one.
eddy::result<sys::unique_fd> watch_lookup::follow_part(int dir) {
    const bool is_given = texts_.empty();
    const auto part = take_part(is_given ? given_ : texts_);
    const bool is_last = texts_.empty() && given_.empty();
    if (part.empty()) return sys::unique_fd();
    if (part == "..") return sys::open_for_watch(dir, part);
    if (is_given && !is_last && !link_target(dir, part)) {
        auto next = sys::open_for_search(dir, part);
        if (next || was_anchored_) return next;
    }
    if (is_given && is_last && route_.empty() && was_anchored_) {
        is_anchored_ = true;
        if (const auto same = check_root(dir); !same) return std::unexpected(same.error());
    }
    return follow_name(dir, part, is_last);
}

/// Watches a name of the route, and follows it.
eddy::result<sys::unique_fd> watch_lookup::follow_name(int dir, const std::string& name, bool is_last) {
    const auto added = watch(dir, sys::watched::names);
    if (!added) return std::unexpected(added.error());
    route_.emplace_back(*added, name);
    if (const auto target = link_target(dir, name)) {
        --links_left_;
        texts_ = texts_.empty() ? *target : *target + "/" + texts_;
        return target->starts_with('/') ? sys::open_for_watch(dir, "/") : sys::unique_fd();
    }
    if (!is_last) return sys::open_for_search(dir, name);
    is_whole_ = watch(dir, sys::watched::entries).has_value();
    return sys::unique_fd();
}

std::optional<std::string> watch_lookup::link_target(int dir, const std::string& name) {
    auto target = sys::link_target(dir, name);
    if (target) return *std::move(target);
    if (target.error() != std::errc::invalid_argument) note(target.error());  // otherwise it is no link
    return std::nullopt;
}

/// The system follows the links itself: the text of one of /proc is not its target.
void watch_lookup::find_file() {
    const auto opened = sys::open_for_watch(sys::current_directory, path_);
    if (!opened) return note(opened.error());
    const auto found = sys::metadata_of(opened->get());
    if (!found) return note(found.error());
    file_.emplace(sys::file_identity{found->device, found->inode}, found->is_directory());
    if (file_->is_directory) return;
    if (const auto added = watch(opened->get(), sys::watched::file)) file_->watch = *added;
}

}  // namespace eddy::fs::detail
