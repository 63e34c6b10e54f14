// SPDX-License-Identifier: MIT
#include "replace_file.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <eddy/fs/error.hpp>
#include <eddy/fs/metadata.hpp>
#include <eddy/fs/open_options.hpp>

#include "opening.hpp"
#include "sys/beneath.hpp"
#include "sys/content_calls.hpp"
#include "sys/copy_calls.hpp"
#include "sys/dir_entry_calls.hpp"
#include "sys/fd.hpp"
#include "sys/metadata_calls.hpp"
#include "sys/open_calls.hpp"
#include "sys/path_text.hpp"
#include "sys/storage_calls.hpp"
#include "sys/syscall.hpp"

namespace eddy::fs::detail {
namespace {

using eddy::sys::unique_fd;
namespace sys = eddy::sys;

/// The new file, under a temporary name in the directory of the old one. The destructor removes it if it has not taken
/// that one's name.
class replacement : eddy::detail::immovable {
public:
    explicit replacement(int dir) : dir_(dir), name_(".write." + sys::random_name()) {}
    ~replacement() {
        if (fd_ || is_complete_) static_cast<void>(sys::remove_entry(dir_, name_));
    }

    eddy::result<void> write(std::span<const std::byte> bytes, const std::optional<file_metadata>& old) {
        // Without an old file, the umask applies. With one, others must not read the new file before it has its owner.
        auto options = open_options().write(true).create_new(true);
        if (old) options.mode(std::filesystem::perms(0600));
        auto opened = sys::open_file(dir_, name_.c_str(), options);
        if (!opened) return std::unexpected(opened.error());
        fd_ = *std::move(opened);
        if (const auto done = sys::write_all(fd_.get(), bytes, 0); !done) return done;
        if (old) {
            if (const auto done = imitate(*old); !done) return done;
        }
        // Before the rename: otherwise the name could be on the disk without the contents.
        return sys::sync_all(fd_.get());
    }

    /// Replaces the old file. `dir` is the directory, open for reading, or empty if it may not be read.
    eddy::result<void> take_name(const std::string& name, const unique_fd& dir) {
        unique_fd synced;
        if (!dir) {
            auto another = sys::duplicate(fd_.get());
            if (!another) return std::unexpected(another.error());
            synced = *std::move(another);
        }
        is_complete_ = true;
        if (const auto done = sys::close_file(fd_.release()); !done) return done;
        if (const auto done = sys::rename_entry(dir_, name_, dir_, name); !done) return done;
        is_complete_ = false;
        // The directory, or the disk could still have the old name after a crash.
        return dir ? sys::sync_all(dir.get()) : sys::sync_file_system(synced.get());
    }

private:
    eddy::result<void> imitate(const file_metadata& old) {
        const auto mine = sys::metadata_of(fd_.get());
        if (!mine) return std::unexpected(mine.error());
        // The owner first: that change clears bits of the permissions. Some file systems refuse any change.
        if (!sys::has_owner_of(*mine, old)) {
            const auto owned = sys::apply_owner(fd_.get(), old);
            if (!owned) return std::unexpected(owned.error());
            if (!*owned) return std::unexpected(std::make_error_code(std::errc::operation_not_permitted));
        }
        return sys::set_permissions(fd_.get(), old.permissions);
    }

    const int dir_;
    const std::string name_;
    unique_fd fd_;
    bool is_complete_ = false;  // closed, and still under the temporary name
};

/// A file that is to be replaced, or created: `about` is empty then.
struct old_file {
    std::filesystem::path path;
    std::optional<file_metadata> about;

    explicit old_file(std::filesystem::path its) noexcept : path(std::move(its)) {}
};

/// Returns the error with which the system refuses to follow a link: it may forbid that (fs.protected_symlinks), or
/// find too many links. The file need not exist.
eddy::result<void> check_link(const std::filesystem::path& link) {
    const auto followed = sys::metadata_at(sys::current_directory, sys::text_of(link).c_str(), true);
    if (!followed && followed.error() != std::errc::no_such_file_or_directory) return std::unexpected(followed.error());
    return {};
}

/// Follows the symbolic links to the file, which need not exist, as open(2) with O_CREAT does.
eddy::result<old_file> find_old(const std::filesystem::path& path) {
    constexpr int most_links = 40;  // as in Linux; others may appear meanwhile
    old_file found(path);
    for (int links = 0;; ++links) {
        const auto about = sys::metadata_at(sys::current_directory, sys::text_of(found.path).c_str(), false);
        if (!about && about.error() == std::errc::no_such_file_or_directory) return found;
        if (!about) return std::unexpected(about.error());
        if (!about->is_symlink()) {
            found.about = *about;
            return found;
        }
        if (links == most_links) return std::unexpected(std::make_error_code(std::errc::too_many_symbolic_link_levels));
        std::error_code error;
        const auto target = std::filesystem::read_symlink(found.path, error);
        if (error) return std::unexpected(error);
        // Asks about each link after it was read: another user may have made it just before.
        if (const auto allowed = check_link(found.path); !allowed) return std::unexpected(allowed.error());
        found.path = found.path.parent_path() / target;
    }
}

}  // namespace

eddy::result<void> replace_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
    if (const auto valid = check_path(path); !valid) return valid;
    const auto old = find_old(path);
    if (!old) return std::unexpected(old.error());
    if (old->about) {
        if (const auto fits = sys::check_type(-1, old->about->type); !fits) return fits;
    } else if (!old->path.has_filename()) {  // a slash at the end
        return std::unexpected(make_error_code(errc::directory));
    }
    const auto at = sys::find_anywhere(sys::text_of(old->path));
    if (!at) return std::unexpected(at.error());
    const auto dir = sys::open_folder_beneath(at->dir, ".");
    if (!dir && dir.error() != std::errc::permission_denied) return std::unexpected(dir.error());
    replacement made(at->dir);
    if (const auto done = made.write(bytes, old->about); !done) return done;
    const unique_fd unreadable;
    return made.take_name(at->name, dir ? *dir : unreadable);
}

}  // namespace eddy::fs::detail
