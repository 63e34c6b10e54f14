// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <eddy/result.hpp>

/// Changes in directories, as the system reports them: inotify(7), or kqueue(2). On Windows there are none yet.
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
    gone,       // the directory or file itself was removed, moved or unmounted
    ignored,    // the watch ended
    overflow,   // changes were lost
    unwatched,  // changes of the directory were lost: the process has too many open files
};

/// A change in a directory, or of a file.
struct change {
    change_kind kind;
    bool is_directory;     // what the name refers to
    int watch;             // the directory or file
    std::uint32_t cookie;  // the same for both halves of a move
    std::string name;      // empty if the change concerns the directory or file itself

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

/// What a watch reports.
enum class watched : unsigned char {
    names,    // of a directory: which names it has
    entries,  // of a directory: also the changes of the files with these names
    file,     // the changes of an open file, by whichever name. They have no name
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

    /// Adds the open directory or file `fd`. Returns its number. One that was added before keeps its number, which no
    /// other one gets, and what it already reports. Blocks.
    /// Errors: no_space_on_device for the limit of watches of a user; too_many_files_open; permission_denied if it may
    /// not be read.
    [[nodiscard]] virtual result<int> add_watch(int fd, watched what) = 0;

    /// Removes a directory or file. Does nothing if it was removed.
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
