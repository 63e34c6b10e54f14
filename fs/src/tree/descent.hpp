// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/fs/error.hpp>
#include <eddy/result.hpp>

#include "sys/dir_reader.hpp"
#include "sys/fd.hpp"
#include "sys/path_text.hpp"
#include "tree/dir_chain.hpp"

namespace eddy::fs::detail {

/// A depth-first visit of a tree of directories, in steps that take a bounded time. No symbolic link is followed, and
/// each name is resolved in an open directory: see dir_chain.
///
/// A visitor has these functions. Those that return an eddy::result end the visit with an error.
///     file(dir, entry)     visits an entry that is no directory. Returns false if it must be called again.
///     enter(dir, name)     begins the subdirectory `dir` with that name. Returns false to leave it out.
///     left(outer, name)    the visit is back in `outer`. Returns false if `name` must be visited again.
///     skips(dir, name, code)   returns whether a directory that cannot be opened because of `code` is left out
template <class Visitor>
class descent {
public:
    /// Visits `top` and all below it. Errors of `operation` have paths that begin with `path`.
    descent(sys::unique_fd top, const char* operation, std::filesystem::path path, Visitor visitor)
        : operation_(operation), path_(std::move(path)), visitor_(std::move(visitor)), dirs_(std::move(top)) {
        levels_.emplace_back("");
        levels_.back().is_read = false;
    }
    /// Visits the entry `name` of `top`, and all below it.
    descent(sys::unique_fd top, const char* operation, std::filesystem::path path, std::string name, Visitor visitor)
        : operation_(operation), path_(std::move(path)), visitor_(std::move(visitor)), dirs_(std::move(top)) {
        levels_.emplace_back("");
        levels_.back().pending.push_back(std::move(name));
    }

    /// Visits the next entries. Returns whether the visit is complete.
    result<bool> step() {
        for (std::size_t i = 0; i < entries_in_step; ++i) {
            const auto state = advance();
            if (!state) return result<bool>(std::unexpect, state.error(), operation_, failed_path());
            if (*state != visit::goes_on) return *state == visit::is_complete;
        }
        return false;
    }

    [[nodiscard]] Visitor& visitor() noexcept { return visitor_; }

private:
    static constexpr std::size_t entries_in_step = 512;

    enum class visit : unsigned char { goes_on, pauses, is_complete };

    struct level {
        std::string name;                  // of the directory
        std::vector<std::string> pending;  // subdirectories that were not visited
        bool is_read = true;

        explicit level(std::string its_name) noexcept : name(std::move(its_name)) {}
    };

    eddy::result<visit> advance() {
        if (next_ < items_.size()) return visit_item();
        if (!levels_.back().is_read) return read();
        if (!levels_.back().pending.empty()) return enter();
        if (levels_.size() == 1) return visit::is_complete;
        return leave();
    }

    eddy::result<visit> read() {
        items_.clear();
        next_ = 0;
        if (!reader_) {
            auto opened = sys::dir_reader::open(dirs_.innermost());
            if (!opened) return failure(opened.error(), "");
            reader_.emplace(*std::move(opened));
        }
        const auto may_have_more = reader_->read(items_, entries_in_step);
        if (!may_have_more) return failure(may_have_more.error(), "");
        if (!*may_have_more) {
            reader_.reset();
            levels_.back().is_read = true;
        }
        return visit::goes_on;
    }

    eddy::result<visit> visit_item() {
        const auto& item = items_[next_];
        if (item.type == std::filesystem::file_type::directory) {
            levels_.back().pending.push_back(item.name);
        } else {
            const auto is_complete = visitor_.file(dirs_.innermost(), item);
            if (!is_complete) return failure(is_complete.error(), item.name);
            if (!*is_complete) return visit::pauses;
        }
        ++next_;
        return visit::goes_on;
    }

    eddy::result<visit> enter() {
        std::string name = std::move(levels_.back().pending.back());
        levels_.back().pending.pop_back();
        const auto entered = dirs_.enter(name);
        if (!entered && entered.error() == std::errc::not_a_directory) {  // a file, or it was replaced by one
            items_.assign(1, sys::named_entry(std::move(name), std::filesystem::file_type::unknown));
            next_ = 0;
            return visit::goes_on;
        }
        if (!entered && visitor_.skips(dirs_.innermost(), name, entered.error())) return visit::goes_on;
        if (!entered) return failure(entered.error(), name);
        const auto begun = visitor_.enter(dirs_.innermost(), name);
        if (!begun) return failure(begun.error(), name);
        if (!*begun) {
            const auto back = dirs_.leave();
            if (!back) return failure(back.error(), name);
            return visit::goes_on;
        }
        levels_.emplace_back(std::move(name));
        levels_.back().is_read = false;
        return visit::goes_on;
    }

    eddy::result<visit> leave() {
        const auto back = dirs_.leave();
        if (!back) return failure(back.error(), "");
        const std::string name = std::move(levels_.back().name);
        levels_.pop_back();
        const auto is_complete = visitor_.left(dirs_.innermost(), name);
        if (!is_complete) return failure(is_complete.error(), name);
        if (!*is_complete) levels_.back().pending.push_back(name);
        return visit::goes_on;
    }

    std::unexpected<std::error_code> failure(std::error_code code, const std::string& name) {
        failed_name_ = name;
        return std::unexpected(code);
    }
    std::filesystem::path failed_path() const {
        auto path = path_;
        for (const auto& each : levels_)
            if (!each.name.empty()) path /= sys::path_from(each.name);
        if (!failed_name_.empty()) path /= sys::path_from(failed_name_);
        return path;
    }

    const char* operation_;
    std::filesystem::path path_;
    Visitor visitor_;
    dir_chain dirs_;
    std::vector<level> levels_;
    std::optional<sys::dir_reader> reader_;
    std::vector<sys::named_entry> items_;  // of the innermost directory
    std::size_t next_ = 0;                 // the first of them that was not visited
    std::string failed_name_;
};

}  // namespace eddy::fs::detail
