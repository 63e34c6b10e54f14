// SPDX-License-Identifier: MIT
#include "replace_file.hpp"

#include <optional>
#include <string>
#include <utility>

#include <eddy/fs/metadata.hpp>
#include <eddy/fs/open_options.hpp>

#include "opening.hpp"
#include "sys/beneath.hpp"
#include "sys/content_calls.hpp"
#include "sys/dir_entry_calls.hpp"
#include "sys/fd.hpp"
#include "sys/metadata_calls.hpp"
#include "sys/open_calls.hpp"
#include "sys/path_text.hpp"
#include "sys/storage_calls.hpp"

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
        if (const auto done = sys::sync_all(fd_.get()); !done) return done;
        is_complete_ = true;
        return sys::close_file(fd_.release());
    }

    eddy::result<void> take_name(const std::string& name) {
        const auto done = sys::rename_entry(dir_, name_, dir_, name);
        if (done) is_complete_ = false;
        return done;
    }

private:
    eddy::result<void> imitate(const file_metadata& old) {
        const auto mine = sys::metadata_of(fd_.get());
        if (!mine) return std::unexpected(mine.error());
        // The owner first: that change clears bits of the permissions.
        if (mine->user != old.user || mine->group != old.group) {
            if (const auto done = sys::set_owner(fd_.get(), old.user, old.group); !done) return done;
        }
        return sys::set_permissions(fd_.get(), old.permissions);
    }

    const int dir_;
    const std::string name_;
    unique_fd fd_;
    bool is_complete_ = false;  // closed, and still under the temporary name
};

}  // namespace

eddy::result<void> replace_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
    if (const auto valid = check_path(path); !valid) return valid;
    std::filesystem::path target = path;
    auto old = sys::metadata_at(sys::current_directory, sys::text_of(path).c_str(), false);
    if (old && old->is_symlink()) {
        std::error_code error;
        target = std::filesystem::canonical(path, error);
        if (error) return std::unexpected(error);
        old = sys::metadata_at(sys::current_directory, sys::text_of(target).c_str(), false);
    }
    if (!old && old.error() != std::errc::no_such_file_or_directory) return std::unexpected(old.error());
    if (old) {
        if (const auto fits = sys::check_type(-1, old->type); !fits) return fits;
    }

    const auto parent = target.parent_path();
    auto dir = sys::open_folder(parent.empty() ? "." : sys::text_of(parent));
    if (!dir) return std::unexpected(dir.error());
    const std::string name = sys::text_of(target.filename());
    replacement made(dir->get());
    auto done = made.write(bytes, old ? std::optional(*old) : std::nullopt);
    if (done) done = made.take_name(name);
    // The directory, or the disk could still have the old name after a crash.
    if (done) done = sys::sync_all(dir->get());
    return done;
}

}  // namespace eddy::fs::detail
