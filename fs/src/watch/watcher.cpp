// SPDX-License-Identifier: MIT
#include "watch/watcher.hpp"

#include <algorithm>

namespace eddy::fs::detail {

void watcher::add_root(std::unique_ptr<watched_root> root) {
    watched_root& added = tree_.add_root(std::move(root));
    scans_.emplace_front(scan_request::cause::beginning, &added, "");
}

void watcher::take(const sys::taken_changes& taken) {
    ++reads_;
    const auto old = half_moves_;
    for (const auto& each : taken.changes) take_one(each);
    for (auto& half : half_moves_) half.is_old = std::ranges::count(old, half.cookie, &half_move::cookie) != 0;
    settle_old_moves();
    if (taken.is_all) {
        ++epoch_;
        done_in_epoch_.clear();
    }
    release();
}

void watcher::take_one(const sys::change& of) {
    if (of.kind == sys::change_kind::overflow) return overflowed();
    if (of.kind == sys::change_kind::ignored) return tree_.forget(of.watch);
    const auto all = tree_.with(of.watch);
    // A directory that was lost at an overflow, or a change from before its removal.
    if (all.empty()) return queue_->remove_watch(of.watch);
    for (auto* in : all) take_at(*in, of);
}

void watcher::take_at(watched_dir& in, const sys::change& of) {
    if (in.is_removed) return;
    if (of.kind == sys::change_kind::unwatched)
        return report_rescan(scan_request(scan_request::cause::appeared, &in, ""),
                             std::make_error_code(std::errc::too_many_files_open));
    if (root_of(in).file) return take_on_route(in, of);
    if (of.kind == sys::change_kind::gone) return gone(in);
    if (of.kind != sys::change_kind::modified && of.kind != sys::change_kind::metadata)
        settle_moves_from(in, of.cookie);
    switch (of.kind) {
    case sys::change_kind::created: return appeared(in, of);
    case sys::change_kind::removed:
        report(change_kind::removed, in, of.name, of.is_directory);
        return remove_below(in, of.name);
    case sys::change_kind::moved_from: half_moves_.emplace_back(of.cookie, &in, of.name, of.is_directory); return;
    case sys::change_kind::moved_to: return moved_to(in, of);
    case sys::change_kind::modified: return report(change_kind::modified, in, of.name, of.is_directory);
    case sys::change_kind::closed: return report(change_kind::closed, in, of.name, of.is_directory);
    case sys::change_kind::metadata:
        // A watched directory and the one above it both report a change of it.
        if (!of.name.empty() || in.parent == nullptr) report(change_kind::metadata, in, of.name, of.is_directory);
        return;
    case sys::change_kind::own_metadata: return report(change_kind::metadata, in, "", true);
    default: return;
    }
}

/// A change in a directory on the route to a file, or of the file itself.
void watcher::take_on_route(watched_dir& in, const sys::change& of) {
    watched_root& root = root_of(in);
    watched_file& file = *root.file;
    if (of.kind == sys::change_kind::gone) {
        if (file.is_anchored && &in == file.route.front().get()) return gone(root);
        file.since = watched_file::news::unknown;
        return ask_for_lookup(root);
    }
    if (of.name != in.name) return;  // the inode has no name
    const bool is_last = &in == file.inode.get() || (file.is_whole && &in == file.route.back().get());
    switch (of.kind) {
    case sys::change_kind::modified:
        if (is_last) report_contents(root, change_kind::modified, of.is_directory);
        return;
    case sys::change_kind::closed:
        if (is_last) report_contents(root, change_kind::closed, of.is_directory);
        return;
    case sys::change_kind::metadata:
        if (is_last) report_contents(root, change_kind::metadata, of.is_directory);
        return;
    case sys::change_kind::created:
    case sys::change_kind::moved_to:
    case sys::change_kind::removed:
    case sys::change_kind::moved_from:
        if (!is_last) file.since = watched_file::news::unknown;
        if (file.since != watched_file::news::unknown) take_new_name(root, of);
        return ask_for_lookup(root);
    default: return;
    }
}

/// Another file, or none, has the name now. So what happens to the inode does not happen to the named file.
void watcher::take_new_name(watched_root& root, const sys::change& of) {
    const bool exists = of.kind == sys::change_kind::created || of.kind == sys::change_kind::moved_to;
    report_file(root, exists ? change_kind::created : change_kind::removed, of.is_directory);
    root.file->since = watched_file::news::reported;
    tree_.set_inode(root, -1);
}

void watcher::moved_to(watched_dir& in, const sys::change& of) {
    const auto half = take_half(in, of.cookie);
    if (!half) return appeared(in, of);
    const auto moved = half->in->below.find(half->name);
    const bool is_known = moved != half->in->below.end();
    // The name may already belong to another directory, which was created since and is reported by the queue later.
    if (is_known && (moved->second->scanned_in == epoch_ || is_in(in, *moved->second))) {
        take_back(*half->in, half->name);
        if (!in.is_removed) appeared(in, of);
        return;
    }
    report(change_kind::renamed, in, of.name, of.is_directory);
    reports_.back().old_path = path_of(*half->in) / half->name;
    if (is_known && root_of(in).is_recursive) {
        watched_dir& which = *moved->second;
        tree_.move(which, in, of.name);
        repeat_scans_in(which);
    } else {
        remove_below(*half->in, half->name);
        remove_below(in, of.name);
        if (of.is_directory) ask_for_scan(in, of.name);
    }
}

/// Takes the first half of a move. A directory may be in several roots, so there may be several: the best is one of the
/// same directory, then one of the same root.
std::optional<watcher::half_move> watcher::take_half(const watched_dir& in, std::uint32_t cookie) {
    const auto fitness = [&](const half_move& each) {
        if (each.cookie != cookie || each.in->is_removed) return 0;
        if (each.in == &in) return 3;
        return &root_of(*each.in) == &root_of(in) ? 2 : 1;
    };
    const auto best = std::ranges::max_element(half_moves_, {}, fitness);
    if (best == half_moves_.end() || fitness(*best) == 0) return std::nullopt;
    half_move taken = std::move(*best);
    half_moves_.erase(best);
    return taken;
}

void watcher::appeared(watched_dir& in, const sys::change& of) {
    // A scan found it, or another one of that name: what it reported may be wrong.
    if (in.below.contains(of.name)) take_back(in, of.name);
    report(change_kind::created, in, of.name, of.is_directory);
    if (of.is_directory) ask_for_scan(in, of.name);
}

/// A directory below a root that is gone was reported by the directory above it.
void watcher::gone(watched_dir& which) {
    if (which.parent != nullptr) return;
    watched_root& root = root_of(which);
    if (root.file) {
        report_file(root, change_kind::removed, false);
    } else {
        report(change_kind::removed, root, "", true);
    }
    tree_.remove(root);
}

void watcher::overflowed() {
    half_moves_.clear();
    scans_.clear();
    for (const auto& root : tree_.roots()) {
        tree_.remove_all_below(*root);
        scans_.emplace_back(scan_request::cause::overflow, root.get(), "");
    }
}

/// The kernel holds the locks of both directories until it has reported both halves of a move. So another change of
/// names in the first one says that there is no second half.
void watcher::settle_moves_from(const watched_dir& in, std::uint32_t other_than) {
    for (auto& half : half_moves_)
        if (half.in == &in && half.cookie != other_than) half.is_old = true;
    settle_old_moves();
}

void watcher::settle_old_moves() {
    for (const auto& half : half_moves_) {
        if (!half.is_old || half.in->is_removed) continue;
        report(change_kind::removed, *half.in, half.name, half.is_directory);
        remove_below(*half.in, half.name);
    }
    std::erase_if(half_moves_, [](const half_move& each) { return each.is_old; });
}

std::optional<watcher::scan_request> watcher::next_scan() {
    while (!scans_.empty()) {
        auto asked = std::move(scans_.front());
        scans_.pop_front();
        if (!asked.in->is_removed) return asked;
    }
    return std::nullopt;
}

std::size_t watcher::lookups() const noexcept {
    const auto end = std::ranges::find_if_not(scans_, &scan_request::is_lookup);
    return static_cast<std::size_t>(end - scans_.begin());
}

std::unique_ptr<watch_lookup> watcher::lookup_of(const scan_request& asked) const {
    return std::make_unique<watch_lookup>(queue_, root_of(*asked.in));
}

std::unique_ptr<watch_scan> watcher::scan_of(const scan_request& asked) const {
    const watched_root& root = root_of(*asked.in);
    auto extent = watch_scan::extent::directories_and_files;
    if (!root.is_recursive) {
        extent = watch_scan::extent::one_directory;
    } else if (asked.why != scan_request::cause::appeared) {
        extent = watch_scan::extent::directories;
    }
    return std::make_unique<watch_scan>(queue_, root, path_below_root(*asked.in) / asked.name, extent);
}

void watcher::add(const scan_request& asked, const watch_scan& done) {
    const auto& found = done.found();
    // The event of its removal was lost.
    const bool is_lost = asked.why == scan_request::cause::overflow && found.empty() && !done.unwatched();
    if (is_lost) return gone(*asked.in);
    std::vector<watched_dir*> dirs(found.size(), nullptr);
    for (std::size_t i = 0; i < found.size(); ++i) {
        const auto& each = found[i];
        watched_dir* const in = i == 0 ? asked.in : dirs[each.parent];
        if (i == 0 && asked.name.empty()) {
            tree_.set_watch(*in, each.watch);
            dirs[i] = in;
            continue;
        }
        if (i != 0 && asked.why == scan_request::cause::appeared)
            report(change_kind::created, *in, each.name, each.is_directory);
        if (each.watch < 0) continue;
        dirs[i] = &tree_.add(*in, i == 0 ? asked.name : each.name, each.watch);
        dirs[i]->scanned_in = epoch_;
    }
    if (asked.why == scan_request::cause::overflow)
        report_rescan(asked, std::make_error_code(std::errc::no_buffer_space));
    if (done.unwatched()) report_rescan(asked, done.unwatched());
    done_in_epoch_.push_back(asked);
}

void watcher::add(const scan_request& asked, const watch_lookup& done) {
    watched_root& root = root_of(*asked.in);
    if (!done.has_begun() && !done.unwatched()) return gone(root);
    if (done.has_begun()) {
        watched_file& file = *root.file;
        const auto ends_at = [](int watch, const std::string& name) { return std::pair(watch, name); };
        const bool is_same_name = file.is_whole && done.is_whole() &&
                                  ends_at(file.route.back()->watch, file.route.back()->name) ==
                                      ends_at(done.route().back().watch, done.route().back().name);
        const bool is_reported = file.since == watched_file::news::reported && is_same_name;
        const bool is_other = file.found != done.file();
        tree_.set_route(root, done.route());
        tree_.set_inode(root, done.file() ? done.file()->watch : -1);
        file.is_whole = done.is_whole();
        file.is_anchored = done.is_anchored();
        file.found = done.file();
        file.since = watched_file::news::none;
        if (asked.why == scan_request::cause::appeared && is_other && !is_reported)
            report_file(root, file.found ? change_kind::created : change_kind::removed,
                        file.found && file.found->is_directory);
    }
    if (asked.why == scan_request::cause::overflow)
        report_rescan(asked, std::make_error_code(std::errc::no_buffer_space));
    if (done.unwatched()) report_rescan(asked, done.unwatched());
}

void watcher::report(change_kind kind, const watched_dir& in, const std::string& name, bool is_directory) {
    auto path = path_of(in);
    reports_.emplace_back(kind, name.empty() ? std::move(path) : path / name, is_directory || name.empty());
}

void watcher::report_file(watched_root& root, change_kind kind, bool is_directory) {
    report(kind, root, root.file->name, is_directory);
    root.file->last_report = kind;
    root.file->last_report_in = reads_;
}

void watcher::report_contents(watched_root& root, change_kind kind, bool is_directory) {
    const bool is_repeated = root.file->last_report == kind && root.file->last_report_in == reads_;
    if (!is_repeated) report_file(root, kind, is_directory);
}

void watcher::report_rescan(const scan_request& of, std::error_code why) {
    watched_root& root = root_of(*of.in);
    if (root.file) {
        report_file(root, change_kind::rescan, false);
    } else {
        report(change_kind::rescan, *of.in, of.name, true);
    }
    reports_.back().reason = why;
}

void watcher::remove_below(watched_dir& in, const std::string& name) {
    const auto found = in.below.find(name);
    if (found != in.below.end()) tree_.remove(*found->second);
}

void watcher::take_back(watched_dir& in, const std::string& name) {
    report(change_kind::removed, in, name, true);
    remove_below(in, name);
}

/// A scan below a directory that was moved may have used its old path: it found nothing, or another directory.
void watcher::repeat_scans_in(const watched_dir& moved) {
    for (const auto& each : done_in_epoch_) {
        if (each.in->is_removed || !is_in(*each.in, moved)) continue;
        if (each.in->below.contains(each.name)) {
            take_back(*each.in, each.name);
            report(change_kind::created, *each.in, each.name, true);
        }
        ask_for_scan(*each.in, each.name);
    }
}

void watcher::ask_for_scan(watched_dir& in, const std::string& name) {
    if (!root_of(in).is_recursive) return;
    std::erase_if(scans_, [&](const scan_request& each) { return each.in == &in && each.name == name; });
    scans_.emplace_back(scan_request::cause::appeared, &in, name);
}

/// A lookup that was asked for is made later than now, so it also finds this change.
void watcher::ask_for_lookup(watched_root& root) {
    const bool is_asked = std::ranges::count(scans_, static_cast<watched_dir*>(&root), &scan_request::in) != 0;
    if (!is_asked) scans_.emplace_front(scan_request::cause::appeared, &root, "");
}

/// Frees removed directories, unless a half move or a request may refer to them.
void watcher::release() {
    if (!half_moves_.empty() || !scans_.empty() || !done_in_epoch_.empty()) return;
    for (const int watch : tree_.release_removed()) queue_->remove_watch(watch);
}

}  // namespace eddy::fs::detail
