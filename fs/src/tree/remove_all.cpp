// SPDX-License-Identifier: MIT
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

#include <eddy/fs/dir.hpp>
#include <eddy/fs/tree.hpp>
#include <eddy/result.hpp>

#include "job.hpp"
#include "open_dir.hpp"
#include "sys/beneath.hpp"
#include "sys/dir_entry_calls.hpp"
#include "sys/dir_reader.hpp"
#include "sys/path_text.hpp"
#include "tree/descent.hpp"
#include "tree/in_steps.hpp"

namespace eddy::fs {
namespace {

/// Removes what a descent visits.
class remover {
public:
    eddy::result<bool> file(int dir, const sys::named_entry& entry) {
        const auto removed = sys::remove_entry(dir, entry.name);
        if (!removed && removed.error() != std::errc::no_such_file_or_directory)
            return std::unexpected(removed.error());
        if (removed) ++removed_;
        return true;
    }

    eddy::result<bool> enter(int, const std::string&) {
        if (++depth_ > repeats_.size()) repeats_.push_back(0);
        return true;
    }

    bool skips(int dir, const std::string& name, std::error_code why) {
        // An empty directory can be removed without the right to read it.
        const bool is_removed = why == std::errc::permission_denied && sys::remove_subdirectory(dir, name).has_value();
        if (is_removed) ++removed_;
        return is_removed || why == std::errc::no_such_file_or_directory;
    }

    eddy::result<bool> left(int outer, const std::string& name) {
        const auto removed = sys::remove_subdirectory(outer, name);
        int& repeats = repeats_[--depth_];
        // Another process creates files in it, or the file system did not return all entries while they were removed.
        if (!removed && removed.error() == std::errc::directory_not_empty && repeats < most_repeats) {
            ++repeats;
            return false;
        }
        repeats = 0;
        if (!removed && removed.error() != std::errc::no_such_file_or_directory)
            return std::unexpected(removed.error());
        if (removed) ++removed_;
        return true;
    }

    [[nodiscard]] std::uint64_t removed() const noexcept { return removed_; }

private:
    // So that a process that creates files all the time does not keep it busy.
    static constexpr int most_repeats = 100;

    std::uint64_t removed_ = 0;
    std::size_t depth_ = 0;
    std::vector<int> repeats_;  // of the directory in each depth
};

/// The work of remove_all(). Its steps also find the entry.
class removal {
public:
    removal(detail::shared_dir in, detail::call of, std::string path)
        : in_(std::move(in)), of_(std::move(of)), path_(std::move(path)) {}

    result<bool> step() {
        if (visit_) return visit_->step();
        auto top = in_ ? sys::find_beneath(in_->fd.get(), path_) : sys::find_anywhere(path_);
        if (top && !top->opened) {
            auto opened = sys::open_for_search(top->dir, ".");
            if (!opened) return std::unexpected(of_.fail(opened.error()));
            top->opened = *std::move(opened);
        }
        if (!top && top.error() == std::errc::no_such_file_or_directory) return true;
        if (!top) return std::unexpected(of_.fail(top.error()));
        auto above = sys::without_end_slashes(of_.path).parent_path();
        visit_.emplace(std::move(top->opened), of_.operation, std::move(above), std::move(top->name), remover());
        return visit_->step();
    }

    [[nodiscard]] std::uint64_t removed() noexcept { return visit_ ? visit_->visitor().removed() : 0; }

private:
    detail::shared_dir in_;  // null for a path of the process
    detail::call of_;
    std::string path_;
    std::optional<detail::descent<remover>> visit_;
};

task<result<std::uint64_t>> run_removal(detail::shared_dir in, detail::call of, std::string path) {
    auto work = std::make_unique<removal>(std::move(in), of, std::move(path));
    auto done = co_await detail::run_in_steps(std::move(of), std::move(work));
    if (!done) co_return std::unexpected(std::move(done).error());
    co_return (*done)->removed();
}

}  // namespace

task<result<std::uint64_t>> dir::remove_all(std::filesystem::path path) const {
    return run_removal(opened_, detail::call("remove", opened_->path / path), sys::text_of(path));
}

task<result<std::uint64_t>> remove_all(std::filesystem::path path) {
    return run_removal(nullptr, detail::call("remove", path), sys::text_of(path));
}

}  // namespace eddy::fs
