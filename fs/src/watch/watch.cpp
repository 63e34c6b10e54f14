// SPDX-License-Identifier: MIT
#include <eddy/fs/watch.hpp>

#include <expected>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/io/async_fd.hpp>
#include <eddy/result.hpp>

#include "job.hpp"
#include "sys/beneath.hpp"
#include "sys/changes.hpp"
#include "sys/path_text.hpp"
#include "tree/in_steps.hpp"
#include "watch/watch_tree.hpp"
#include "watch/watcher.hpp"

namespace eddy::fs {
namespace {

using detail::call;
using detail::shared_queue;
using detail::watched_root;
using scan_request = detail::watcher::scan_request;

/// The queue as a source of readiness.
class queue_source {
public:
    explicit queue_source(shared_queue queue) noexcept : queue_(std::move(queue)) {}
    [[nodiscard]] int native_handle() const noexcept { return queue_->native_handle(); }
    [[nodiscard]] const shared_queue& queue() const noexcept { return queue_; }

private:
    shared_queue queue_;
};
using change_queue = io::async_fd<queue_source>;

/// Opens a directory, or the directory that contains a file.
eddy::result<std::unique_ptr<watched_root>> open_root(const std::filesystem::path& given, bool is_recursive) {
    const auto path = sys::without_end_slashes(given);
    auto root = std::make_unique<watched_root>();
    root->is_recursive = is_recursive;
    root->path = path;
    auto folder = sys::open_folder(sys::text_of(path));
    const bool is_file = !folder && (folder.error() == std::errc::not_a_directory ||
                                     folder.error() == std::errc::no_such_file_or_directory);
    if (is_file) {
        auto found = sys::find_anywhere(sys::text_of(path));
        if (!found) return std::unexpected(found.error());
        root->path = path.parent_path();
        root->file.emplace();
        root->file->name = std::move(found->name);
        folder = std::move(found->opened);
    }
    if (!folder) return std::unexpected(folder.error());
    std::error_code error;
    root->place = root->path.empty() ? std::filesystem::current_path(error) : absolute(root->path, error);
    if (error) root->place = root->path;  // the current directory was removed
    const auto identity = sys::identity_of(folder->get());
    if (!identity) return std::unexpected(identity.error());
    root->identity = *identity;
    return root;
}

/// Completes changes, on a thread for blocking work if that blocks.
task<result<sys::taken_changes>> complete(shared_queue queue, sys::taken_changes taken) {
    if (taken.is_complete) co_return taken;
    auto rest = detail::blocking(
        call("watch", ""),
        [queue = std::move(queue), mine = std::move(taken)](const call&) mutable -> eddy::result<sys::taken_changes> {
            queue->complete(mine);
            return std::move(mine);
        });
    co_return co_await std::move(rest);
}

/// Takes what the queue has now.
task<void> take_available(detail::watcher& of, shared_queue queue) {
    constexpr int most = 64;  // so that a program that makes changes all the time does not keep it here
    for (int i = 0; i < most; ++i) {
        auto taken = queue->take();
        if (!taken) co_return of.take(sys::taken_changes());  // the next read repeats an error
        const auto changes = co_await complete(queue, *std::move(taken));
        if (!changes) co_return;  // the next job repeats it
        of.take(*changes);
        if (changes->is_all) co_return;
    }
}

/// Does the work of a scan or of a lookup, and adds its result.
template <class Work>
task<result<void>> run_work(detail::watcher& of, scan_request asked, std::unique_ptr<Work> work) {
    auto done = co_await detail::run_in_steps(call("watch", path_of(*asked.in) / asked.name), std::move(work));
    if (!done) co_return std::unexpected(std::move(done).error());
    if (asked.why == scan_request::cause::beginning && !(*done)->has_begun()) {
        const auto why = (*done)->unwatched();
        co_return std::unexpected(
            error(why ? why : std::make_error_code(std::errc::no_such_file_or_directory), "watch", path_of(*asked.in)));
    }
    of.add(asked, **done);
    co_return {};
}

task<result<void>> run_request(detail::watcher& of, const scan_request& asked) {
    if (asked.is_lookup()) return run_work(of, asked, of.lookup_of(asked));
    return run_work(of, asked, of.scan_of(asked));
}

/// Runs the next scan or lookup. Returns false if there is none.
task<result<bool>> run_scan(detail::watcher& of, shared_queue queue) {
    const auto asked = of.next_scan();
    if (!asked) co_return false;
    auto done = co_await run_request(of, *asked);
    if (!done) co_return std::unexpected(std::move(done).error());
    co_await take_available(of, std::move(queue));
    co_return true;
}

change_stream report_changes(std::unique_ptr<detail::watcher> watcher, change_queue queue) {
    for (;;) {
        for (auto left = watcher->lookups(); left > 0; --left) {
            auto looked = co_await run_scan(*watcher, queue.get().queue());
            if (looked) continue;
            co_yield std::unexpected(std::move(looked).error());
            co_return;
        }
        for (auto& reports = watcher->reports(); !reports.empty();) {
            change next = std::move(reports.front());
            reports.pop_front();
            co_yield std::move(next);
        }
        auto scanned = co_await run_scan(*watcher, queue.get().queue());
        if (!scanned) {
            co_yield std::unexpected(std::move(scanned).error());
            co_return;
        }
        if (*scanned) continue;
        if (watcher->is_empty()) co_return;
        if (watcher->has_half_moves()) {  // if the other half is not there now, it will not come
            co_await take_available(*watcher, queue.get().queue());
            continue;
        }
        auto taken = co_await queue.async_io(io::interest::readable,
                                             [](const queue_source& from) { return from.queue()->take(); });
        if (!taken) {
            co_yield std::unexpected(error(taken.error(), "watch"));
            co_return;
        }
        auto changes = co_await complete(queue.get().queue(), *std::move(taken));
        if (!changes) {
            co_yield std::unexpected(std::move(changes).error());
            co_return;
        }
        watcher->take(*changes);
    }
}

}  // namespace

task<result<change_stream>> watch(std::vector<std::filesystem::path> paths, watch_options options) {
    if (options.pause()) co_return co_await detail::watch_by_polling(std::move(paths), options);
    auto make = detail::blocking(call("watch", paths.empty() ? "" : paths.front()),
                                 [](const call&) { return sys::make_change_queue(); });
    auto queue = co_await std::move(make);
    if (!queue) co_return std::unexpected(std::move(queue).error());
    auto watcher = std::make_unique<detail::watcher>(*queue);
    for (const auto& path : paths) {
        auto opening = detail::blocking(call("watch", path), [is_recursive = options.is_recursive()](const call& of) {
            return open_root(of.path, is_recursive);
        });
        auto root = co_await std::move(opening);
        if (!root) co_return std::unexpected(std::move(root).error());
        watcher->add_root(*std::move(root));
        auto scanned = co_await run_scan(*watcher, *queue);
        if (!scanned) co_return std::unexpected(std::move(scanned).error());
    }
    auto source = change_queue::make(queue_source(*queue), io::interest::readable);
    if (!source) co_return std::unexpected(error(source.error().to_error_code(), "watch"));
    co_return report_changes(std::move(watcher), *std::move(source));
}

task<result<change_stream>> watch(std::filesystem::path path, watch_options options) {
    std::vector<std::filesystem::path> paths;
    paths.push_back(std::move(path));
    return watch(std::move(paths), options);
}

}  // namespace eddy::fs
