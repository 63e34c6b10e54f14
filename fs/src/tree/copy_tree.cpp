// SPDX-License-Identifier: MIT
#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/fs/dir.hpp>
#include <eddy/fs/metadata.hpp>
#include <eddy/fs/tree.hpp>
#include <eddy/result.hpp>

#include "contents_copy.hpp"
#include "job.hpp"
#include "open_dir.hpp"
#include "sys/beneath.hpp"
#include "sys/copy_calls.hpp"
#include "sys/dir_entry_calls.hpp"
#include "sys/dir_reader.hpp"
#include "sys/metadata_calls.hpp"
#include "sys/open_calls.hpp"
#include "sys/path_text.hpp"
#include "tree/descent.hpp"
#include "tree/dir_chain.hpp"
#include "tree/in_steps.hpp"

namespace eddy::fs {
namespace {

/// A name for the copy of an entry that exists, until it replaces that one.
std::string temporary_name() { return ".copy." + sys::random_name(); }

/// A file that is being copied. The destructor removes the copy if it is not complete.
class file_copy {
public:
    /// Creates the copy, under a temporary name if it is to replace a file.
    static eddy::result<file_copy> begin(int from, int to, const std::string& name, bool overwrites) {
        auto source = sys::open_file(from, name.c_str(), open_options().read(true).no_follow(true));
        if (!source) return std::unexpected(source.error());
        const auto found = sys::metadata_of(source->get());
        if (!found) return std::unexpected(found.error());
        if (!found->is_regular())  // it was one before it was opened
            return std::unexpected(std::make_error_code(std::errc::resource_unavailable_try_again));
        const auto options = open_options().write(true).create_new(true).mode(std::filesystem::perms::owner_write);
        std::string written_as = name;
        auto target = sys::open_file(to, name.c_str(), options);
        if (!target && target.error() == std::errc::file_exists && overwrites) {
            written_as = temporary_name();
            target = sys::open_file(to, written_as.c_str(), options);
        }
        if (!target) return std::unexpected(target.error());
        return file_copy(*std::move(source), *std::move(target), *found, to, name, std::move(written_as));
    }
    file_copy(file_copy&& other) noexcept
        : from_(std::move(other.from_)),
          to_(std::move(other.to_)),
          contents_(std::move(other.contents_)),
          found_(other.found_),
          dir_(other.dir_),
          name_(std::move(other.name_)),
          written_as_(std::move(other.written_as_)),
          is_complete_(std::exchange(other.is_complete_, true)) {}
    file_copy& operator=(file_copy&&) = delete;
    ~file_copy() {
        if (!is_complete_) static_cast<void>(sys::remove_entry(dir_, written_as_));
    }

    /// Copies a part. Returns whether the copy is complete.
    eddy::result<bool> step() {
        const auto is_whole = contents_.step(bytes_in_step);
        return is_whole && *is_whole ? finish() : is_whole;
    }

    [[nodiscard]] const file_metadata& found() const noexcept { return found_; }

private:
    static constexpr std::size_t bytes_in_step = 32 * 1024 * 1024;

    file_copy(sys::unique_fd from, sys::unique_fd to, const file_metadata& found, int dir, const std::string& name,
              std::string written_as)
        : from_(std::move(from)),
          to_(std::move(to)),
          contents_(from_.get(), to_.get()),
          found_(found),
          dir_(dir),
          name_(name),
          written_as_(std::move(written_as)) {}

    eddy::result<bool> finish() {
        const auto applied = sys::apply_metadata(to_.get(), found_);
        if (!applied) return std::unexpected(applied.error());
        const auto closed = sys::close_file(to_.release());
        if (!closed) return std::unexpected(closed.error());
        if (written_as_ != name_) {
            const auto renamed = sys::rename_entry(dir_, written_as_, dir_, name_);
            if (!renamed) return std::unexpected(renamed.error());
        }
        is_complete_ = true;
        return true;
    }

    sys::unique_fd from_;
    sys::unique_fd to_;
    detail::contents_copy contents_;
    file_metadata found_;
    int dir_;
    std::string name_;
    std::string written_as_;
    bool is_complete_ = false;
};

/// Copies what a descent visits into a directory.
class copier {
public:
    static eddy::result<copier> into(sys::unique_fd target, const file_metadata& source, const copy_options& options) {
        const auto identity = sys::identity_of(target.get());
        if (!identity) return std::unexpected(identity.error());
        if (*identity == identity_in(source)) return std::unexpected(make_error_code(errc::same_file));
        auto again = sys::open_for_search(target.get(), ".");
        if (!again) return std::unexpected(again.error());
        return copier(std::move(target), *std::move(again), *identity, options);
    }

    eddy::result<bool> file(int from, const sys::named_entry& entry) {
        if (!copying_) {
            const auto begun = begin(from, entry);
            if (!begun) return std::unexpected(begun.error());
            if (!copying_) return counted();
        }
        const auto is_complete = copying_->step();
        if (!is_complete || !*is_complete) return is_complete;
        remember_link(copying_->found(), entry.name);
        copying_.reset();
        return counted();
    }

    eddy::result<bool> enter(int from, const std::string& name) {
        const auto found = sys::metadata_of(from);
        if (!found) return std::unexpected(found.error());
        if (identity_in(*found) == target_identity_) return false;  // not into itself
        const auto made = sys::make_directory(target(), name, 0700);
        const bool is_there = !made && made.error() == std::errc::file_exists && options_.overwrites();
        if (!made && !is_there) return std::unexpected(made.error());
        const auto entered = to_.enter(name);
        if (!entered) return std::unexpected(entered.error());
        const auto identity = sys::identity_of(target());
        if (!identity) return std::unexpected(identity.error());
        if (*identity == identity_in(*found)) return std::unexpected(make_error_code(errc::same_file));
        entered_.push_back(*found);
        names_.push_back(name);
        ++copied_;
        return true;
    }

    eddy::result<bool> left(int, const std::string&) {
        const auto copy = to_.leave();
        if (!copy) return std::unexpected(copy.error());
        // Last: a new entry changes the times, and the permissions may forbid one, or the way back.
        const auto applied = sys::apply_metadata(copy->get(), entered_.back());
        if (!applied) return std::unexpected(applied.error());
        entered_.pop_back();
        names_.pop_back();
        return true;
    }

    bool skips(int, const std::string&, std::error_code) { return false; }

    [[nodiscard]] std::uint64_t copied() const noexcept { return copied_; }

private:
    copier(sys::unique_fd target, sys::unique_fd again, const sys::file_identity& identity, const copy_options& options)
        : options_(options), target_(std::move(again)), target_identity_(identity), to_(std::move(target)) {}

    static sys::file_identity identity_in(const file_metadata& found) noexcept { return {found.device, found.inode}; }

    eddy::result<bool> counted() {
        ++copied_;
        return true;
    }

    /// Copies the entry, or begins to: `copying_` is set then.
    eddy::result<void> begin(int from, const sys::named_entry& entry) {
        const auto found = sys::metadata_at(from, entry.name.c_str(), false);
        if (!found) return std::unexpected(found.error());
        const auto first = found->links > 1 ? links_.find(identity_in(*found)) : links_.end();
        if (first != links_.end()) {
            const auto place = sys::find_beneath(target_.get(), sys::text_of(first->second));
            if (!place) return std::unexpected(place.error());
            return make(entry.name,
                        [&](const auto& as) { return sys::link_entry(place->dir, place->name, target(), as); });
        }
        if (!found->is_regular()) {
            const auto made = make(entry.name, [&](const auto& as) {
                return found->is_symlink() ? sys::copy_symlink(from, entry.name, target(), as)
                                           : sys::copy_special(from, entry.name, target(), as);
            });
            if (made) remember_link(*found, entry.name);
            return made;
        }
        auto begun = file_copy::begin(from, target(), entry.name, options_.overwrites());
        if (!begun) return std::unexpected(begun.error());
        copying_.emplace(*std::move(begun));
        return eddy::ok();
    }

    /// Calls `creates` with the name of a new entry. If the name exists and is to be replaced, that is done by a
    /// rename: without the new entry, the old one stays. A directory is not replaced.
    eddy::result<void> make(const std::string& name, const auto& creates) {
        auto made = creates(name);
        if (made || made.error() != std::errc::file_exists || !options_.overwrites()) return made;
        const auto temporary = temporary_name();
        made = creates(temporary);
        if (made) made = sys::rename_entry(target(), temporary, target(), name);
        // Also after a rename: between two names of one file, rename(2) does nothing.
        static_cast<void>(sys::remove_entry(target(), temporary));
        return made;
    }

    /// The directory that gets the entries.
    [[nodiscard]] int target() const noexcept { return to_.innermost(); }

    void remember_link(const file_metadata& found, const std::string& name) {
        if (found.links < 2) return;
        std::filesystem::path path;
        for (const auto& each : names_) path /= sys::path_from(each);
        links_.emplace(identity_in(found), path / sys::path_from(name));
    }

    copy_options options_;
    sys::unique_fd target_;
    sys::file_identity target_identity_;
    detail::dir_chain to_;
    std::vector<std::string> names_;                             // of the directories in to_
    std::vector<file_metadata> entered_;                         // their originals
    std::map<sys::file_identity, std::filesystem::path> links_;  // copies of files with several names
    std::optional<file_copy> copying_;                           // in the innermost directory
    std::uint64_t copied_ = 0;
};

/// The two directories of a copy: their paths, or open ones.
struct copy_ends {
    std::filesystem::path from_path;
    std::filesystem::path to_path;
    detail::shared_dir from;  // null for a path
    detail::shared_dir to;    // null for a path, which is created

    copy_ends(std::filesystem::path source, std::filesystem::path target)
        : from_path(std::move(source)), to_path(std::move(target)) {}
};

/// The work of copy_tree().
class tree_copy {
public:
    tree_copy(copy_ends ends, const copy_options& options) : ends_(std::move(ends)), options_(options) {}
    tree_copy(const tree_copy&) = delete;
    tree_copy& operator=(const tree_copy&) = delete;

    result<bool> step() {
        if (!visit_) {
            if (const auto begun = begin(); !begun) return std::unexpected(begun.error());
        }
        const auto is_complete = visit_->step();
        if (!is_complete) return std::unexpected(failure(is_complete.error().code(), is_complete.error().path()));
        if (!*is_complete || ends_.to) return is_complete;
        const auto applied = sys::apply_metadata(target_.get(), root_);
        if (!applied) return failed_at(side::second, applied.error());
        return true;
    }

    [[nodiscard]] std::uint64_t copied() noexcept { return visit_->visitor().copied(); }

private:
    result<void> begin() {
        auto source = ends_.from ? sys::open_folder_beneath(ends_.from->fd.get(), ".")
                                 : sys::open_folder(sys::text_of(ends_.from_path));
        if (!source) return failed_at(side::first, source.error());
        const auto found = sys::metadata_of(source->get());
        if (!found) return failed_at(side::first, found.error());
        root_ = *found;
        auto target = open_target();
        if (!target) return failed_at(side::second, target.error());
        auto again = sys::open_folder_beneath(target->get(), ".");
        if (!again) return failed_at(side::second, again.error());
        target_ = *std::move(again);
        auto visitor = copier::into(*std::move(target), root_, options_);
        if (!visitor) return failed_at(side::unknown, visitor.error());
        visit_.emplace(*std::move(source), "copy", std::filesystem::path(), *std::move(visitor));
        return {};
    }

    eddy::result<sys::unique_fd> open_target() {
        if (ends_.to) return sys::open_folder_beneath(ends_.to->fd.get(), ".");
        const auto place = sys::find_anywhere(sys::text_of(ends_.to_path));
        if (!place) return std::unexpected(place.error());
        const auto made = sys::make_directory(place->dir, place->name, 0700);
        const bool is_there = !made && made.error() == std::errc::file_exists && options_.overwrites();
        if (!made && !is_there) return std::unexpected(made.error());
        return sys::open_subdirectory(place->dir, place->name);
    }

    /// Makes an error about one of the directories themselves.
    std::unexpected<error> failed_at(side failed, std::error_code code) const {
        return std::unexpected(failure(code, {}, failed));
    }
    /// Makes an error about a path below both directories.
    error failure(std::error_code code, const std::filesystem::path& below, side failed = side::unknown) const {
        if (code == std::errc::file_exists) {
            code = errc::target_exists;
            failed = side::second;
        }
        if (below.empty() || below == ".") return error(code, "copy", ends_.from_path, ends_.to_path, failed);
        return error(code, "copy", ends_.from_path / below, ends_.to_path / below, failed);
    }

    copy_ends ends_;
    copy_options options_;
    file_metadata root_;
    sys::unique_fd target_;
    std::optional<detail::descent<copier>> visit_;
};

task<result<std::uint64_t>> run_copy(copy_ends ends, copy_options options) {
    detail::call of("copy", ends.from_path, ends.to_path);
    auto work = std::make_unique<tree_copy>(std::move(ends), options);
    auto done = co_await detail::run_in_steps(std::move(of), std::move(work));
    if (!done) co_return std::unexpected(std::move(done).error());
    co_return (*done)->copied();
}

}  // namespace

task<result<std::uint64_t>> copy_tree(std::filesystem::path from, std::filesystem::path to, copy_options options) {
    return run_copy(copy_ends(std::move(from), std::move(to)), options);
}

task<result<std::uint64_t>> copy_tree(dir from, dir to, copy_options options) {
    copy_ends ends(from.path(), to.path());
    ends.from = detail::dir_access::parts(from);
    ends.to = detail::dir_access::parts(to);
    return run_copy(std::move(ends), options);
}

}  // namespace eddy::fs
