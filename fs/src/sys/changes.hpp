// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <eddy/result.hpp>

/// Changes in directories, as the system reports them: inotify(7), or kqueue(2).
namespace eddy::sys {

enum class change_kind : unsigned char {
    created,
    modified,
    closed,  // by a program that had it open for writing
    metadata,
    own_metadata,  // of the directory; the queue does not report it to the directory above
    removed,
    moved_from,
    moved_to,
    gone,       // the directory itself was removed, moved or unmounted
    ignored,    // the watch ended
    overflow,   // changes were lost
    unwatched,  // changes of the directory were lost: the process has too many open files
};

/// A change in a directory.
struct change {
    change_kind kind;
    bool is_directory;     // what the name refers to
    int watch;             // the directory
    std::uint32_t cookie;  // the same for both halves of a move
    std::string name;      // empty if the change concerns the directory itself

    change(change_kind what, bool of_directory, int its_watch, std::uint32_t its_cookie, std::string its_name) noexcept
        : kind(what), is_directory(of_directory), watch(its_watch), cookie(its_cookie), name(std::move(its_name)) {}
};

/// The changes that a queue had.
struct taken_changes {
    std::vector<change> changes;
    bool is_all = true;       // the queue had no others
    bool is_complete = true;  // otherwise call change_queue::complete()

    taken_changes() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

/// A queue of changes.
/// Thread safety: one thread at a time.
class change_queue {
public:
    change_queue() = default;
    change_queue(const change_queue&) = delete;
    change_queue& operator=(const change_queue&) = delete;
    virtual ~change_queue() = default;

    /// Returns its descriptor, which is readable while it has changes.
    [[nodiscard]] virtual int native_handle() const noexcept = 0;

    /// Adds the open directory `dir`. Returns its number, which is the same for a directory that was added before.
    /// Blocks.
    /// Errors: no_space_on_device for the limit of watches of a user; too_many_files_open.
    [[nodiscard]] virtual result<int> add_watch(int dir) = 0;

    /// Removes a directory. Does nothing if it was removed.
    virtual void remove_watch(int watch) noexcept = 0;

    /// Takes changes. Never waits.
    /// Errors: operation_would_block if there are none.
    [[nodiscard]] virtual result<taken_changes> take() = 0;

    /// Finds out what has changed in the directories that the last take() has reported. Blocks.
    virtual void complete(taken_changes& changes) = 0;
};

/// Makes a queue of changes.
/// Errors: too_many_files_open also for the limit of queues of a user.
[[nodiscard]] result<std::shared_ptr<change_queue>> make_change_queue();

}  // namespace eddy::sys
