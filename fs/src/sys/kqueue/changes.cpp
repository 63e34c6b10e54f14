// SPDX-License-Identifier: MIT
// kqueue(2) reports that an open directory or file has changed, and not what. So the queue keeps a list of the entries
// of each directory, and each file in it open. It reads a directory that has changed again, and compares.
#include "sys/changes.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <expected>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <unordered_map>

#include "sys/dir_entry_calls.hpp"
#include "sys/dir_reader.hpp"
#include "sys/fd.hpp"
#include "sys/kevents.hpp"
#include "sys/metadata_calls.hpp"
#include "sys/syscall.hpp"

namespace eddy::sys {
namespace {

constexpr unsigned gone_notes = NOTE_DELETE | NOTE_RENAME | NOTE_REVOKE;
constexpr unsigned contents_notes = NOTE_WRITE | NOTE_EXTEND;
constexpr unsigned metadata_notes = NOTE_ATTRIB | NOTE_LINK;
#if defined(NOTE_CLOSE_WRITE)
constexpr unsigned close_notes = NOTE_CLOSE_WRITE;
#else
constexpr unsigned close_notes = 0;
#endif

#if defined(O_EVTONLY)
constexpr int for_events = O_EVTONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
#else
constexpr int for_events = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
#endif

bool is_shortage(std::error_code why) noexcept {
    return why == std::errc::too_many_files_open || why == std::errc::too_many_files_open_in_system;
}

/// An entry of a watched directory.
struct known_entry {
    file_identity identity;
    bool is_directory = false;
    unique_fd opened;  // a regular file. No other one gets its identity meanwhile

    /// Returns whether an entry with the same identity is the same one. The queue, or the tree that uses it, keeps the
    /// directories open that it watches.
    [[nodiscard]] bool keeps_identity() const noexcept { return is_directory || opened; }
};
using entry_list = std::map<std::string, known_entry, std::less<>>;

/// A name in a watched directory.
struct located_name {
    int watch;
    std::string name;

    located_name(int in, std::string its_name) noexcept : watch(in), name(std::move(its_name)) {}
    friend auto operator<=>(const located_name&, const located_name&) = default;
};

/// An entry that has appeared, or is gone.
struct located_entry {
    located_name at;
    known_entry entry;

    located_entry(located_name where, known_entry what) noexcept : at(std::move(where)), entry(std::move(what)) {}
};

struct moved_entry {
    located_name from;
    located_entry to;

    moved_entry(located_name its_old, located_entry its_new) noexcept
        : from(std::move(its_old)), to(std::move(its_new)) {}
};

/// What has changed in all directories that were read again.
struct differences {
    std::vector<located_entry> gone;
    std::vector<located_entry> appeared;
    std::vector<moved_entry> moved;

    differences() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

/// Turns an entry that is gone and one that has appeared into one that was moved, if they are the same.
void find_moves(differences& all) {
    std::map<file_identity, std::size_t> gone;
    for (std::size_t i = 0; i < all.gone.size(); ++i)
        if (all.gone[i].entry.keeps_identity()) gone.emplace(all.gone[i].entry.identity, i);
    std::vector<bool> is_moved(all.gone.size(), false);
    std::erase_if(all.appeared, [&](located_entry& each) {
        const auto same = gone.find(each.entry.identity);
        if (same == gone.end() || all.gone[same->second].entry.is_directory != each.entry.is_directory) return false;
        located_entry& old = all.gone[same->second];
        is_moved[same->second] = true;
        gone.erase(same);
        all.moved.emplace_back(std::move(old.at), located_entry(std::move(each.at), std::move(old.entry)));
        return true;
    });
    std::size_t at = 0;
    std::erase_if(all.gone, [&](const located_entry&) { return is_moved[at++]; });
}

/// Puts the moves into an order in which none replaces what another one has not moved yet. A cycle has no such order:
/// one of its moves becomes an entry that is gone and one that has appeared.
void sort_moves(differences& all) {
    std::set<located_name> sources;
    for (const auto& each : all.moved) sources.insert(each.from);
    std::vector<moved_entry> sorted;
    while (!all.moved.empty()) {
        const auto before = all.moved.size();
        std::erase_if(all.moved, [&](moved_entry& each) {
            if (sources.contains(each.to.at)) return false;
            sources.erase(each.from);
            sorted.push_back(std::move(each));
            return true;
        });
        if (all.moved.size() != before) continue;
        moved_entry cut = std::move(all.moved.back());
        all.moved.pop_back();
        sources.erase(cut.from);
        all.gone.emplace_back(std::move(cut.from), known_entry());
        all.gone.back().entry.is_directory = cut.to.entry.is_directory;
        all.appeared.push_back(std::move(cut.to));
    }
    all.moved = std::move(sorted);
}

class vnode_queue final : public change_queue {
public:
    explicit vnode_queue(unique_fd queue) noexcept : queue_(std::move(queue)) {}

    [[nodiscard]] int native_handle() const noexcept override { return queue_.get(); }

    [[nodiscard]] result<int> add_watch(int fd, watched what) override {
        constexpr int flags = O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC;
        auto opened = what == watched::file ? duplicate(fd)
                                            : own_or_error(retry_interrupted([&] { return ::openat(fd, ".", flags); }));
        if (!opened) return std::unexpected(opened.error());
        const auto identity = identity_of(opened->get());
        if (!identity) return std::unexpected(identity.error());
        for (auto& [watch, each] : watched_) {
            if (each.identity != *identity) continue;
            if (what != watched::entries || each.what == what) return watch;
            each.what = what;
            if (const auto done = open_all(watch, each); !done) return std::unexpected(done.error());
            return watch;
        }
        const int watch = next_watch_++;
        watched_object& added = watched_[watch];
        added.opened = *std::move(opened);
        added.identity = *identity;
        added.what = what;
        const auto done = begin(watch, added);
        if (done) return watch;
        remove_watch(watch);
        return std::unexpected(done.error());
    }

    void remove_watch(int watch) noexcept override {
        const auto found = watched_.find(watch);
        if (found == watched_.end()) return;
        for (const auto& [name, entry] : found->second.entries) owners_.erase(entry.opened.get());
        owners_.erase(found->second.opened.get());
        changed_.erase(watch);
        watched_.erase(found);  // kqueue(2): closed descriptors have no filters
    }

    [[nodiscard]] result<taken_changes> take() override {
        taken_changes taken;
        std::array<kevent_record, 64> events{};
        for (;;) {
            const int count =
                retry_interrupted([&] { return wait_for_kevents(queue_.get(), events, std::chrono::nanoseconds(0)); });
            if (count < 0) return std::unexpected(last_error());
            for (int i = 0; i < count; ++i) note(events[static_cast<std::size_t>(i)], taken.changes);
            if (static_cast<std::size_t>(count) < events.size()) break;
        }
        taken.is_complete = changed_.empty();
        if (taken.is_complete && taken.changes.empty())
            return std::unexpected(std::make_error_code(std::errc::operation_would_block));
        return taken;
    }

    void complete(taken_changes& changes) override {
        differences all;
        for (const int watch : std::exchange(changed_, {})) compare(watch, all, changes.changes);
        find_moves(all);
        sort_moves(all);
        report(all, changes.changes);
        changes.is_complete = true;
    }

private:
    /// A directory, or a file.
    struct watched_object {
        unique_fd opened;
        file_identity identity;
        watched what = watched::names;
        entry_list entries;
    };

    /// Begins to watch a file, or a directory and what is in it. The filter comes first, so that no change is missed.
    result<void> begin(int watch, watched_object& which) {
        if (const auto added = add_filter(which.opened.get(), located_name(watch, "")); !added) return added;
        if (which.what == watched::file) return {};
        auto entries = read(which);
        if (!entries) return std::unexpected(entries.error());
        which.entries = *std::move(entries);
        return open_all(watch, which);
    }

    result<void> open_all(int watch, watched_object& dir) {
        for (auto& [name, entry] : dir.entries)
            if (const auto opened = open(dir, located_name(watch, name), entry); !opened) return opened;
        return {};
    }

    result<void> add_filter(int fd, located_name of) {
        std::array records{make_record(static_cast<std::uintptr_t>(fd), EVFILT_VNODE, EV_ADD | EV_CLEAR,
                                       gone_notes | contents_notes | metadata_notes | close_notes, nullptr)};
        if (const auto changed = change_kevents(queue_.get(), records); !changed) return changed;
        if (const int why = error_of(records[0]); why != 0)
            return std::unexpected(std::error_code(why, std::generic_category()));
        owners_.insert_or_assign(fd, std::move(of));
        return {};
    }

    /// Reads the entries of a directory, without the descriptors.
    static result<entry_list> read(const watched_object& dir) {
        auto reader = dir_reader::open(dir.opened.get());
        // The entries of a directory that was removed are gone.
        if (!reader && reader.error() == std::errc::no_such_file_or_directory) return entry_list();
        if (!reader) return std::unexpected(reader.error());
        entry_list found;
        std::vector<named_entry> names;
        for (bool may_have_more = true; may_have_more;) {
            names.clear();
            const auto more = reader->read(names, 512);
            if (!more) return std::unexpected(more.error());
            may_have_more = *more;
            for (auto& each : names) {
                const auto metadata = metadata_at(dir.opened.get(), each.name.c_str(), false);
                if (!metadata) continue;  // it is gone
                known_entry& added = found[std::move(each.name)];
                added.identity = {metadata->device, metadata->inode};
                added.is_directory = metadata->is_directory();
            }
        }
        return found;
    }

    /// Opens a regular file, and watches it. A file that may not be read, and what is no file, stays closed; so do all
    /// files if only the names of the directory are watched.
    /// Errors: too_many_files_open.
    result<void> open(const watched_object& dir, const located_name& at, known_entry& entry) {
        if (dir.what == watched::names || entry.is_directory || entry.opened) return {};
        const auto metadata = metadata_at(dir.opened.get(), at.name.c_str(), false);
        if (!metadata || !metadata->is_regular()) return {};
        auto opened =
            own_or_error(retry_interrupted([&] { return ::openat(dir.opened.get(), at.name.c_str(), for_events); }));
        if (!opened && is_shortage(opened.error())) return std::unexpected(opened.error());
        if (!opened) return {};
        const auto identity = identity_of(opened->get());
        if (!identity || *identity != entry.identity) return {};  // replaced, which is reported
        if (const auto added = add_filter(opened->get(), at); !added) return added;
        entry.opened = *std::move(opened);
        return {};
    }

    void note(const kevent_record& event, std::vector<change>& to) {
        const auto owner = owners_.find(static_cast<int>(event.ident));
        if (owner == owners_.end()) return;
        const auto& [watch, name] = owner->second;
        const auto has = [&](unsigned notes) { return (static_cast<unsigned>(event.fflags) & notes) != 0; };
        const bool is_file = !name.empty() || watched_.at(watch).what == watched::file;
        if (!is_file) {
            if (has(gone_notes)) to.emplace_back(change_kind::gone, true, watch, 0, "");
            if (has(contents_notes | NOTE_LINK)) changed_.insert(watch);
            if (has(NOTE_ATTRIB)) to.emplace_back(change_kind::own_metadata, true, watch, 0, "");
            return;
        }
        if (name.empty() && has(gone_notes)) to.emplace_back(change_kind::gone, false, watch, 0, "");
        if (has(contents_notes)) to.emplace_back(change_kind::modified, false, watch, 0, name);
        if (has(close_notes)) to.emplace_back(change_kind::closed, false, watch, 0, name);
        if (has(metadata_notes)) to.emplace_back(change_kind::metadata, false, watch, 0, name);
    }

    /// Reads a directory again, and moves what has changed to `into`.
    void compare(int watch, differences& into, std::vector<change>& changes) {
        const auto found = watched_.find(watch);
        if (found == watched_.end()) return;
        auto now = read(found->second);
        if (!now) {
            changes.emplace_back(change_kind::unwatched, true, watch, 0, "");
            return;
        }
        entry_list& before = found->second.entries;
        for (auto each = now->begin(); each != now->end();) {
            const auto known = before.find(each->first);
            const bool is_same = known != before.end() && known->second.identity == each->second.identity &&
                                 known->second.is_directory == each->second.is_directory;
            if (is_same) {
                each->second = std::move(known->second);
                before.erase(known);
                ++each;
                continue;
            }
            into.appeared.emplace_back(located_name(watch, each->first), std::move(each->second));
            each = now->erase(each);
        }
        for (auto& [name, entry] : before) into.gone.emplace_back(located_name(watch, name), std::move(entry));
        before = *std::move(now);
    }

    void report(differences& all, std::vector<change>& to) {
        for (auto& [at, entry] : all.gone) {
            owners_.erase(entry.opened.get());
            to.emplace_back(change_kind::removed, entry.is_directory, at.watch, 0, std::move(at.name));
        }
        for (auto& each : all.moved) {
            ++last_cookie_;
            to.emplace_back(change_kind::moved_from, each.to.entry.is_directory, each.from.watch, last_cookie_,
                            std::move(each.from.name));
            appear(change_kind::moved_to, std::move(each.to), to);
        }
        for (auto& each : all.appeared) appear(change_kind::created, std::move(each), to);
    }

    void appear(change_kind how, located_entry&& which, std::vector<change>& to) {
        auto& [at, entry] = which;
        watched_object& in = watched_.at(at.watch);
        to.emplace_back(how, entry.is_directory, at.watch, how == change_kind::moved_to ? last_cookie_ : 0, at.name);
        if (entry.opened) owners_.insert_or_assign(entry.opened.get(), at);
        if (!open(in, at, entry)) to.emplace_back(change_kind::unwatched, true, at.watch, 0, "");
        in.entries.insert_or_assign(at.name, std::move(entry));
    }

    unique_fd queue_;
    std::unordered_map<int, watched_object> watched_;  // by number
    std::unordered_map<int, located_name> owners_;     // by descriptor; no name for the directory itself
    std::set<int> changed_;                            // directories to read again
    int next_watch_ = 1;
    std::uint32_t last_cookie_ = 0;
};

}  // namespace

result<std::shared_ptr<change_queue>> make_change_queue() {
    auto made = make_kqueue();
    if (!made) return std::unexpected(made.error());
    return std::make_shared<vnode_queue>(*std::move(made));
}

}  // namespace eddy::sys
