// SPDX-License-Identifier: MIT
#include <eddy/fs/walk.hpp>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/result.hpp>
#include <eddy/stream/futures_unordered.hpp>

#include "job.hpp"
#include "open_dir.hpp"
#include "sys/beneath.hpp"
#include "sys/dir_entry_calls.hpp"
#include "sys/dir_reader.hpp"
#include "sys/metadata_calls.hpp"
#include "sys/path_text.hpp"

namespace eddy::fs {
namespace {

using detail::call;
using detail::dir_access;

constexpr std::size_t entries_in_slice = 512;

/// A directory that a walk has to read, or the rest of one.
struct unread_dir {
    std::filesystem::path path;
    std::size_t depth;          // of its entries
    std::optional<dir> parent;  // null for the first one
    std::string name;           // in the parent
    std::optional<dir> opened;  // null if it was not opened yet
    std::optional<sys::dir_reader> reader;

    unread_dir(std::filesystem::path its_path, std::size_t its_depth) : path(std::move(its_path)), depth(its_depth) {}
};

/// What a job has read.
struct walk_slice {
    std::optional<walk_batch> batch;
    std::vector<std::string> subdirectories;
    std::optional<unread_dir> rest;
};

/// What all jobs of a walk share.
struct walk_settings {
    walk_options options;
    std::optional<std::uint64_t> device;  // the only one that is entered

    explicit walk_settings(walk_options&& its) : options(std::move(its)) {}
};

eddy::result<dir> open_unread(const unread_dir& which) {
    auto fd = which.parent ? sys::open_subdirectory(which.parent->native_handle(), which.name)
                           : sys::open_folder(sys::text_of(which.path));
    if (!fd) return std::unexpected(fd.error());
    return dir_access::make(*std::move(fd), which.path);
}

/// Reads the metadata, if it is wanted. Returns false if the entry was removed meanwhile.
bool complete_entry(const dir& of, walk_entry& entry, const walk_options& options) {
    if (!options.reads_metadata()) return true;
    auto metadata = sys::metadata_at(of.native_handle(), entry.name.c_str(), false);
    if (!metadata) return metadata.error() != std::errc::no_such_file_or_directory;
    entry.metadata = *metadata;
    return true;
}

void add_entry(walk_slice& to, sys::named_entry&& item, const walk_options& options) {
    walk_batch& batch = *to.batch;
    const auto& path = batch.directory.path();
    walk_entry entry(std::move(item.name), item.type);
    if (!complete_entry(batch.directory, entry, options)) return;
    if (entry.type == std::filesystem::file_type::directory && options.reaches(batch.depth + 1) &&
        options.enters(path, entry)) {
        to.subdirectories.push_back(entry.name);
    }
    if (options.returns(batch.depth, path, entry)) batch.entries.push_back(std::move(entry));
}

eddy::result<walk_slice> read_slice(unread_dir from, walk_settings& settings) {
    walk_slice slice;
    if (!from.opened) {
        auto opened = open_unread(from);
        if (!opened) return std::unexpected(opened.error());
        from.opened.emplace(*std::move(opened));
        from.parent.reset();
    }
    if (!from.reader) {
        if (settings.options.stays_on_file_system()) {
            const auto identity = sys::identity_of(from.opened->native_handle());
            if (!identity) return std::unexpected(identity.error());
            if (!settings.device) settings.device = identity->device;
            if (settings.device != identity->device) return slice;
        }
        auto reader = sys::dir_reader::open(from.opened->native_handle());
        if (!reader) return std::unexpected(reader.error());
        from.reader.emplace(*std::move(reader));
    }
    std::vector<sys::named_entry> items;
    const auto may_have_more = from.reader->read(items, entries_in_slice);
    if (!may_have_more) return std::unexpected(may_have_more.error());
    slice.batch.emplace(*from.opened, from.depth);
    for (auto& item : items) add_entry(slice, std::move(item), settings.options);
    if (*may_have_more) slice.rest.emplace(std::move(from));
    return slice;
}

operation<walk_slice> read_on_pool(unread_dir from, std::shared_ptr<walk_settings> settings) {
    call of("read", from.path);
    return detail::blocking(std::move(of), [from = std::move(from), settings = std::move(settings)](
                                               const call&) mutable { return read_slice(std::move(from), *settings); });
}

/// Adds what a slice has left to read. The last one added is read first, so that few directories are open.
void add_unread(std::vector<unread_dir>& to, walk_slice& slice) {
    if (slice.rest) to.push_back(*std::move(slice.rest));
    for (auto& name : slice.subdirectories) {
        const dir& parent = slice.batch->directory;
        unread_dir& added = to.emplace_back(parent.path() / sys::path_from(name), slice.batch->depth + 1);
        added.parent.emplace(parent);
        added.name = std::move(name);
    }
}

async_generator<result<walk_batch>> walk_from(unread_dir first, walk_options options) {
    const auto settings = std::make_shared<walk_settings>(std::move(options));
    const auto concurrency = settings->options.concurrent_directories();
    std::vector<unread_dir> unread;
    futures_unordered<operation<walk_slice>> reading;
    if (settings->options.reaches(1)) unread.push_back(std::move(first));
    for (;;) {
        for (; reading.size() < concurrency && !unread.empty(); unread.pop_back())
            reading.push(read_on_pool(std::move(unread.back()), settings));
        auto slice = co_await reading.next();
        if (!slice) co_return;
        if (!*slice) {
            co_yield std::unexpected(std::move(*slice).error());
            continue;
        }
        if (!(*slice)->batch) continue;
        add_unread(unread, **slice);
        if (!(*slice)->batch->entries.empty()) co_yield *std::move((*slice)->batch);
    }
}

}  // namespace

async_generator<result<walk_batch>> walk(std::filesystem::path from, walk_options options) {
    return walk_from(unread_dir(std::move(from), 1), std::move(options));
}

async_generator<result<walk_batch>> walk(dir from, walk_options options) {
    unread_dir first(from.path(), 1);
    first.opened.emplace(std::move(from));
    return walk_from(std::move(first), std::move(options));
}

}  // namespace eddy::fs
