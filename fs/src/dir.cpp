// SPDX-License-Identifier: MIT
#include <eddy/fs/dir.hpp>

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <eddy/result.hpp>

#include "job.hpp"
#include "open_dir.hpp"
#include "opening.hpp"
#include "sys/beneath.hpp"
#include "sys/dir_entry_calls.hpp"
#include "sys/dir_reader.hpp"
#include "sys/metadata_calls.hpp"
#include "sys/open_calls.hpp"
#include "sys/path_text.hpp"
#include "sys/storage_calls.hpp"

namespace eddy::fs {
namespace {

using detail::call;
using detail::shared_dir;

constexpr std::size_t entries_in_batch = 512;

operation<file_metadata> find_metadata(const shared_dir& in, const std::filesystem::path& path, bool follow_link) {
    return detail::blocking(call("stat", in->path / path), [in, path = sys::text_of(path), follow_link](const call&) {
        return sys::metadata_beneath(in->fd.get(), path, follow_link);
    });
}

/// Calls `f` with the place of a path below the directory.
template <class F>
operation<void> at_place(const char* name, const shared_dir& in, const std::filesystem::path& path, F f) {
    return detail::blocking(call(name, in->path / path),
                            [in, path = sys::text_of(path), f](const call&) -> eddy::result<void> {
                                const auto at = sys::find_beneath(in->fd.get(), path);
                                if (!at) return std::unexpected(at.error());
                                return f(*at);
                            });
}

eddy::result<dir> made_dir(eddy::result<sys::unique_fd>&& opened, const std::filesystem::path& path) {
    if (!opened) return std::unexpected(opened.error());
    return detail::dir_access::make(*std::move(opened), path);
}

struct entry_batch {
    std::optional<sys::dir_reader> reader;  // empty after the last batch
    std::vector<sys::named_entry> items;
};

eddy::result<entry_batch> read_batch(const shared_dir& of, std::optional<sys::dir_reader> reader) {
    entry_batch batch;
    if (!reader) {
        auto opened = sys::dir_reader::open(of->fd.get());
        if (!opened) return std::unexpected(opened.error());
        reader.emplace(*std::move(opened));
    }
    const auto may_have_more = reader->read(batch.items, entries_in_batch);
    if (!may_have_more) return std::unexpected(may_have_more.error());
    if (*may_have_more) batch.reader = std::move(reader);
    return batch;
}

async_generator<result<dir_entry>> read_entries(shared_dir of) {
    std::optional<sys::dir_reader> reader;
    do {
        auto job = detail::blocking(call("read", of->path), [of, from = std::move(reader)](const call&) mutable {
            return read_batch(of, std::move(from));
        });
        auto batch = co_await std::move(job);
        if (!batch) {
            co_yield std::unexpected(std::move(batch).error());
            co_return;
        }
        reader = std::move(batch->reader);
        for (auto& item : batch->items) co_yield dir_entry(std::move(item.name), item.type);
    } while (reader);
}

}  // namespace

operation<file> dir::open(std::filesystem::path path, open_options options) const {
    call of("open", opened_->path / path);
    return detail::blocking(std::move(of),
                            [in = opened_, path = std::move(path), options](const call& its) -> eddy::result<file> {
                                auto fd = sys::open_file_beneath(in->fd.get(), sys::text_of(path), options);
                                if (!fd) return std::unexpected(fd.error());
                                return detail::own_file(*std::move(fd), its.path, options);
                            });
}

operation<file> dir::create(std::filesystem::path path) const {
    return open(std::move(path), open_options().write(true).create(true).truncate(true));
}

operation<dir> dir::open_dir(std::filesystem::path path) const {
    auto full = opened_->path / path;
    return detail::blocking(call("open", std::move(full)), [in = opened_, path = std::move(path)](const call& of) {
        return made_dir(sys::open_folder_beneath(in->fd.get(), sys::text_of(path)), of.path);
    });
}

operation<void> dir::create_dir(std::filesystem::path path) const {
    return at_place("create", opened_, path,
                    [](const sys::place& at) { return sys::make_directory(at.dir, at.name, 0777); });
}

async_generator<result<dir_entry>> dir::entries() const { return read_entries(opened_); }

operation<void> dir::rename(std::filesystem::path from, std::filesystem::path to) const {
    return rename(std::move(from), *this, std::move(to));
}

operation<void> dir::rename(std::filesystem::path from, const dir& target, std::filesystem::path to) const {
    call name("rename", opened_->path / from, target.opened_->path / to);
    return detail::blocking(
        std::move(name),
        [in = opened_, from = std::move(from), into = target.opened_,
         to = std::move(to)](const call& of) -> result<void> {
            const auto old_place = sys::find_beneath(in->fd.get(), sys::text_of(from));
            if (!old_place) return of.fail_at(side::first, old_place.error());
            const auto new_place = sys::find_beneath(into->fd.get(), sys::text_of(to));
            if (!new_place) return of.fail_at(side::second, new_place.error());
            const auto done = sys::rename_entry(old_place->dir, old_place->name, new_place->dir, new_place->name);
            if (done) return {};
            return of.fail_at(detail::failed_side(old_place->dir, old_place->name, done.error()), done.error());
        });
}

operation<void> dir::remove(std::filesystem::path path) const {
    return at_place("remove", opened_, path, [](const sys::place& at) { return sys::remove_entry(at.dir, at.name); });
}

operation<file_metadata> dir::metadata() const {
    return detail::blocking(call("stat", opened_->path),
                            [in = opened_](const call&) { return sys::metadata_of(in->fd.get()); });
}

operation<file_metadata> dir::metadata(std::filesystem::path path) const { return find_metadata(opened_, path, true); }

operation<file_metadata> dir::symlink_metadata(std::filesystem::path path) const {
    return find_metadata(opened_, path, false);
}

operation<void> dir::sync_all() const {
    return detail::blocking(call("sync", opened_->path),
                            [in = opened_](const call&) { return sys::sync_all(in->fd.get()); });
}

const std::filesystem::path& dir::path() const noexcept { return opened_->path; }

int dir::native_handle() const noexcept { return opened_->fd.get(); }

operation<dir> open_dir(std::filesystem::path path) {
    return detail::blocking(call("open", path),
                            [](const call& of) { return made_dir(sys::open_folder(sys::text_of(of.path)), of.path); });
}

}  // namespace eddy::fs
