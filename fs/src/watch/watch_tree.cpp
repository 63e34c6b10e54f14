// SPDX-License-Identifier: MIT
#include "watch/watch_tree.hpp"

#include <algorithm>
#include <ranges>
#include <utility>

namespace eddy::fs::detail {

watched_root& watch_tree::add_root(std::unique_ptr<watched_root> root) { return *roots_.emplace_back(std::move(root)); }

watched_dir& watch_tree::add(watched_dir& in, const std::string& name, int watch) {
    auto added = std::make_unique<watched_dir>();
    added->parent = &in;
    added->name = name;
    auto& place = in.below[name];
    if (place) bury(std::move(place));
    place = std::move(added);
    set_watch(*place, watch);
    return *place;
}

void watch_tree::set_watch(watched_dir& of, int watch) {
    unlist(of);
    of.watch = watch;
    by_watch_.emplace(watch, &of);
}

void watch_tree::remove(watched_dir& which) {
    if (which.parent != nullptr) {
        const auto place = which.parent->below.find(which.name);
        auto taken = std::move(place->second);
        which.parent->below.erase(place);
        bury(std::move(taken));
        return;
    }
    const auto root = std::ranges::find(roots_, &which, [](const auto& each) -> watched_dir* { return each.get(); });
    if ((*root)->file) {
        set_route(**root, {});
        set_inode(**root, -1);
    }
    std::unique_ptr<watched_dir> taken = std::move(*root);
    roots_.erase(root);
    bury(std::move(taken));
}

void watch_tree::move(watched_dir& which, watched_dir& in, const std::string& name) {
    const auto old_place = which.parent->below.find(which.name);
    auto taken = std::move(old_place->second);
    which.parent->below.erase(old_place);
    auto& place = in.below[name];
    if (place) bury(std::move(place));
    taken->parent = &in;
    taken->name = name;
    place = std::move(taken);
}

void watch_tree::remove_all_below(watched_dir& which) {
    while (!which.below.empty()) remove(*which.below.begin()->second);
}

void watch_tree::set_route(watched_root& of, const std::vector<route_step>& route) {
    for (auto& each : std::exchange(of.file->route, {})) bury(std::move(each));
    for (const auto& [watch, name] : route) of.file->route.push_back(add_part(of, watch, name));
}

void watch_tree::set_inode(watched_root& of, int watch) {
    if (of.file->inode) bury(std::move(of.file->inode));
    if (watch >= 0) of.file->inode = add_part(of, watch, "");
}

std::unique_ptr<watched_dir> watch_tree::add_part(watched_root& of, int watch, const std::string& name) {
    auto added = std::make_unique<watched_dir>();
    added->parent = &of;
    added->name = name;
    set_watch(*added, watch);
    return added;
}

std::vector<int> watch_tree::release_removed() {
    removed_.clear();
    auto unused = std::exchange(unused_, {});
    std::erase_if(unused, [&](int watch) { return by_watch_.contains(watch); });
    return unused;
}

std::vector<watched_dir*> watch_tree::with(int watch) const {
    std::vector<watched_dir*> found;
    for (auto [at, end] = by_watch_.equal_range(watch); at != end; ++at) found.push_back(at->second);
    return found;
}

void watch_tree::bury(std::unique_ptr<watched_dir> which) {
    while (!which->below.empty()) {
        auto taken = std::move(which->below.begin()->second);
        which->below.erase(which->below.begin());
        bury(std::move(taken));
    }
    unlist(*which);
    which->is_removed = true;
    removed_.push_back(std::move(which));
}

void watch_tree::unlist(watched_dir& which) {
    for (auto [at, end] = by_watch_.equal_range(which.watch); at != end; ++at) {
        if (at->second != &which) continue;
        by_watch_.erase(at);
        unused_.push_back(which.watch);
        return;
    }
}

const watched_root& root_of(const watched_dir& which) noexcept {
    const watched_dir* at = &which;
    while (at->parent != nullptr) at = at->parent;
    // SAFETY: only a watched_root has no parent.
    return static_cast<const watched_root&>(*at);
}

watched_root& root_of(watched_dir& which) noexcept {
    // SAFETY: the root of a directory that may be changed may be changed.
    return const_cast<watched_root&>(root_of(std::as_const(which)));
}

bool is_in(const watched_dir& which, const watched_dir& outer) noexcept {
    const watched_dir* at = &which;
    while (at != nullptr && at != &outer) at = at->parent;
    return at != nullptr;
}

std::filesystem::path path_below_root(const watched_dir& which) {
    std::filesystem::path path;
    for (const watched_dir* at = &which; at->parent != nullptr; at = at->parent)
        path = path.empty() ? std::filesystem::path(at->name) : at->name / path;
    return path;
}

std::filesystem::path path_of(const watched_dir& which) {
    const auto below = path_below_root(which);
    return below.empty() ? root_of(which).path : root_of(which).path / below;
}

}  // namespace eddy::fs::detail
