// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/fs/watch.hpp>

#include "sys/changes.hpp"
#include "watch/watch_lookup.hpp"
#include "watch/watch_scan.hpp"
#include "watch/watch_tree.hpp"

namespace eddy::fs::detail {

/// Turns the changes that the kernel reports into those that a program sees, and keeps the tree of watched directories.
/// Does no blocking work: next_scan() returns what is to be done on another thread.
class watcher {
public:
    explicit watcher(shared_queue queue) noexcept : queue_(std::move(queue)) {}

    /// Adds a root. It is watched once its scan was added, which is the next one.
    void add_root(std::unique_ptr<watched_root> root);

    /// Takes the changes of one read of the queue. The halves of moves that an earlier read has left alone are then
    /// reported as removed.
    void take(const sys::taken_changes& taken);
    /// Returns whether the second half of a move is missing.
    [[nodiscard]] bool has_half_moves() const noexcept { return !half_moves_.empty(); }

    /// A directory to scan, or the root of a file to look up, and why.
    struct scan_request {
        enum class cause : unsigned char { beginning, appeared, overflow };

        cause why;
        watched_dir* in;  // the directory above it; a root is scanned itself
        std::string name;

        [[nodiscard]] bool is_lookup() const noexcept { return root_of(std::as_const(*in)).file.has_value(); }

        scan_request(cause its_cause, watched_dir* above, std::string its_name) noexcept
            : why(its_cause), in(above), name(std::move(its_name)) {}
    };
    /// Returns the next scan, if there is one. Add its result before the next call of take().
    [[nodiscard]] std::optional<scan_request> next_scan();
    /// Returns how many of the next scans are lookups of files. Do them before the changes are reported: what is
    /// written to a new file after the program has looked at it is then reported by the file.
    [[nodiscard]] std::size_t lookups() const noexcept;
    /// Makes the work of a scan, or the one of a lookup.
    [[nodiscard]] std::unique_ptr<watch_scan> scan_of(const scan_request& asked) const;
    [[nodiscard]] std::unique_ptr<watch_lookup> lookup_of(const scan_request& asked) const;
    /// Takes the result. Take what the queue has next, so that later renames of what was found are known to be later.
    void add(const scan_request& asked, const watch_scan& done);
    void add(const scan_request& asked, const watch_lookup& done);

    [[nodiscard]] std::deque<change>& reports() noexcept { return reports_; }
    /// Returns whether nothing is watched any more.
    [[nodiscard]] bool is_empty() const noexcept { return tree_.roots().empty(); }

private:
    struct half_move {
        std::uint32_t cookie;
        watched_dir* in;
        std::string name;
        bool is_directory;
        bool is_old = false;

        half_move(std::uint32_t its_cookie, watched_dir* from, std::string its_name, bool of_directory) noexcept
            : cookie(its_cookie), in(from), name(std::move(its_name)), is_directory(of_directory) {}
    };

    void take_one(const sys::change& of);
    void take_at(watched_dir& in, const sys::change& of);
    void take_on_route(watched_dir& in, const sys::change& of);
    void take_new_name(watched_root& root, const sys::change& of);
    void appeared(watched_dir& in, const sys::change& of);
    std::optional<half_move> take_half(const watched_dir& in, std::uint32_t cookie);
    void moved_to(watched_dir& in, const sys::change& of);
    void gone(watched_dir& which);
    void overflowed();
    void settle_moves_from(const watched_dir& in, std::uint32_t other_than);
    void settle_old_moves();

    void report(change_kind kind, const watched_dir& in, const std::string& name, bool is_directory);
    void report_file(watched_root& root, change_kind kind, bool is_directory);
    void report_contents(watched_root& root, change_kind kind, bool is_directory);
    void report_rescan(const scan_request& of, std::error_code why);
    void take_back(watched_dir& in, const std::string& name);
    void remove_below(watched_dir& in, const std::string& name);
    void ask_for_scan(watched_dir& in, const std::string& name);
    void ask_for_lookup(watched_root& root);
    void repeat_scans_in(const watched_dir& moved);
    void release();

    shared_queue queue_;
    watch_tree tree_;
    std::deque<change> reports_;
    std::vector<half_move> half_moves_;
    std::deque<scan_request> scans_;  // lookups are first, except after an overflow
    std::uint64_t reads_ = 0;         // of the queue
    // Counts how often the queue was emptied. What was found by a scan of this epoch may be newer than what the queue
    // still has about its name. So in this epoch, a rename of it is not believed, see moved_to().
    std::uint64_t epoch_ = 1;
    std::vector<scan_request> done_in_epoch_;
};

/// watch() with watch_options::poll_every(): without a watcher, by comparison.
[[nodiscard]] task<result<change_stream>> watch_by_polling(std::vector<std::filesystem::path> paths,
                                                           watch_options options);

}  // namespace eddy::fs::detail
