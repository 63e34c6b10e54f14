// SPDX-License-Identifier: MIT
#include <eddy/fs/glob.hpp>

#include <algorithm>
#include <cstddef>
#include <expected>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/detail/utf8.hpp>
#include <eddy/result.hpp>

#include "job.hpp"
#include "opening.hpp"
#include "sys/beneath.hpp"
#include "sys/dir_reader.hpp"
#include "sys/metadata_calls.hpp"
#include "sys/open_calls.hpp"
#include "sys/path_text.hpp"

namespace eddy::fs {
namespace {

using std::filesystem::file_type;

// ---- One name ----

/// Removes the first character of a text that is not empty, and returns it. Well-formed UTF-8 has the order of its
/// code points, so ranges compare the texts.
std::string_view take_character(std::string_view& from) noexcept {
    std::size_t size = 1;
    for (std::size_t i = 2; i <= 4 && i <= from.size(); ++i)
        if (static_cast<unsigned char>(from[0]) >= 0xc2 && eddy::detail::is_utf8(from.substr(0, i))) {
            size = i;
            break;
        }
    const auto first = from.substr(0, size);
    from.remove_prefix(size);
    return first;
}

/// Same as above, in a pattern: a character after a backslash stands for itself.
std::string_view take_literal(std::string_view& from) noexcept {
    const auto first = take_character(from);
    return first == "\\" && !from.empty() ? take_character(from) : first;
}

/// Compares a character with a set in brackets, which is removed from `pattern`. Returns nullopt if it has no end.
std::optional<bool> matches_set(std::string_view& pattern, std::string_view character) noexcept {
    auto rest = pattern.substr(1);
    const bool is_negated = rest.starts_with('!') || rest.starts_with('^');
    if (is_negated) rest.remove_prefix(1);
    bool is_found = false;
    for (bool is_first = true; is_first || !rest.starts_with(']'); is_first = false) {
        if (rest.empty()) return std::nullopt;
        const auto low = take_literal(rest);
        auto high = low;
        if (rest.size() > 1 && rest[0] == '-' && rest[1] != ']') {
            rest.remove_prefix(1);
            high = take_literal(rest);
        }
        if (low <= character && character <= high) is_found = true;
    }
    pattern = rest.substr(1);
    return is_found != is_negated;
}

/// Matches the first character of `name`, which is not empty, and removes it and its pattern. The pattern does not
/// begin with `*`.
bool matches_one(std::string_view& pattern, std::string_view& name) noexcept {
    if (pattern.empty()) return false;
    const auto character = take_character(name);
    if (pattern[0] == '[') {
        if (const auto matches = matches_set(pattern, character)) return *matches;
    } else if (pattern[0] == '?') {
        pattern.remove_prefix(1);
        return true;
    }
    return take_literal(pattern) == character;
}

}  // namespace

bool matches_glob(std::string_view pattern, std::string_view name) noexcept {
    if (name.starts_with('.') && !pattern.starts_with('.') && !pattern.starts_with("\\.")) return false;
    // After a mismatch, the last `*` takes one more character. Those before it need no other attempt.
    std::optional<std::string_view> after_star;
    std::string_view rest;
    while (!name.empty()) {
        if (pattern.starts_with('*')) {
            pattern.remove_prefix(1);
            after_star = pattern;
            rest = name;
        } else if (!matches_one(pattern, name)) {
            if (!after_star) return false;
            take_character(rest);
            pattern = *after_star;
            name = rest;
        }
    }
    return pattern.find_first_not_of('*') == std::string_view::npos;
}

namespace {

// ---- A whole pattern ----

/// A part of a pattern, between slashes.
struct glob_part {
    enum class kind : unsigned char { literal, wildcard, any_depth };
    kind what;
    std::string text;  // of a literal: without backslashes
};

/// The parts of a pattern that come next in a directory. A directory is reached once, with all of them, so that each
/// path is found once: `**` may match in several ways.
using positions = std::vector<std::size_t>;

struct glob_dir {
    std::filesystem::path path;
    positions at;
};

/// A search for all paths that match a pattern, in steps that take a bounded time.
class glob_search {
public:
    explicit glob_search(const std::string& pattern) : root_(eddy::sys::path_from(pattern).root_path()) {
        std::string_view rest(pattern);
        rest.remove_prefix(eddy::sys::text_of(root_).size());
        only_dirs_ = rest.ends_with('/');
        while (!rest.empty()) {
            const auto text = rest.substr(0, rest.find('/'));
            rest.remove_prefix(std::min(text.size() + 1, rest.size()));
            add_part(text);
        }
        reach({root_, {}}, file_type::directory, {0}, {});
    }

    /// Visits the next directories.
    void step() {
        constexpr std::size_t most_dirs = 64;
        constexpr std::size_t most_paths = 512;
        for (std::size_t i = 0; i < most_dirs && found_.size() < most_paths && !unread_.empty(); ++i) {
            const auto next = std::move(unread_.back());
            unread_.pop_back();
            visit(next);
        }
    }
    [[nodiscard]] bool is_complete() const noexcept { return unread_.empty(); }
    std::vector<result<std::filesystem::path>> take_found() noexcept { return std::exchange(found_, {}); }

private:
    void add_part(std::string_view text) {
        using kind = glob_part::kind;
        if (text.empty()) return;
        if (text == "**") {
            const bool is_repeated = !parts_.empty() && parts_.back().what == kind::any_depth;
            if (!is_repeated) parts_.emplace_back(kind::any_depth, std::string());
            return;
        }
        std::string plain;
        bool is_literal = true;
        for (auto rest = text; !rest.empty();) {
            if (rest.front() == '*' || rest.front() == '?' || rest.front() == '[') is_literal = false;
            plain += take_literal(rest);
        }
        if (is_literal)
            parts_.emplace_back(kind::literal, std::move(plain));
        else
            parts_.emplace_back(kind::wildcard, std::string(text));
    }

    void visit(const glob_dir& dir) {
        const auto first_new = unread_.size();
        const auto is_literal = [&](std::size_t i) { return parts_[i].what == glob_part::kind::literal; };
        const bool reads = !std::ranges::all_of(dir.at, is_literal);
        std::vector<std::string_view> looked_up;
        for (const auto i : dir.at) {
            const auto& name = parts_[i].text;
            if (!is_literal(i) || (reads && !is_dots(name)) || std::ranges::find(looked_up, name) != looked_up.end())
                continue;
            looked_up.emplace_back(name);
            look_up(dir, name);
        }
        if (reads) read(dir);
        std::reverse(unread_.begin() + static_cast<std::ptrdiff_t>(first_new), unread_.end());
    }

    void look_up(const glob_dir& dir, const std::string& name) {
        const auto path = dir.path / eddy::sys::path_from(name);
        const auto about =
            eddy::sys::metadata_at(eddy::sys::current_directory, eddy::sys::text_of(path).c_str(), false);
        if (about)
            reach(dir, about->type, name);
        else
            note_failure(about.error(), path);
    }

    void read(const glob_dir& dir) {
        const auto opened = eddy::sys::open_folder(dir.path.empty() ? "." : eddy::sys::text_of(dir.path));
        if (!opened) return note_failure(opened.error(), dir.path);
        auto reader = eddy::sys::dir_reader::open(opened->get());
        if (!reader) return note_failure(reader.error(), dir.path);
        std::vector<eddy::sys::named_entry> entries;
        for (bool has_more = true; has_more;) {
            const auto done = reader->read(entries, 512);
            if (!done) note_failure(done.error(), dir.path);
            has_more = done.value_or(false);
        }
        std::ranges::sort(entries, {}, &eddy::sys::named_entry::name);
        for (const auto& each : entries) reach(dir, each.type, each.name);
    }

    static bool is_dots(std::string_view name) noexcept { return name == "." || name == ".."; }

    /// Handles an entry of a directory.
    void reach(const glob_dir& dir, file_type type, const std::string& name) {
        positions after;
        positions within;
        for (const auto i : dir.at) {
            const auto& [what, text] = parts_[i];
            const bool is_literal = what == glob_part::kind::literal;
            const bool matches = is_literal ? text == name : !is_dots(name) && matches_glob(text, name);
            if (what == glob_part::kind::any_depth) {
                if (!name.starts_with('.')) within.push_back(i);
            } else if (matches) {
                after.push_back(i + 1);
            }
        }
        if (!after.empty() || !within.empty())
            reach({dir.path / eddy::sys::path_from(name), {}}, type, std::move(after), std::move(within));
    }

    /// Handles a path at which the parts before `after` have matched, or which is a part of a `**` of `within`.
    void reach(glob_dir&& at, file_type type, positions after, positions within) {
        const auto end = parts_.size();
        const bool is_match =
            std::ranges::find(after, end) != after.end() || std::ranges::find(within, end - 1) != within.end();
        add_skipped(after);
        const bool is_match_as_dir = std::ranges::find(after, end) != after.end();  // `**` stands for no directory
        add_skipped(within);
        if (type == file_type::symlink) within.clear();
        std::ranges::set_union(after, within, std::back_inserter(at.at));
        std::erase(at.at, end);
        const bool may_have_entries = type == file_type::directory || type == file_type::symlink;
        if ((is_match && !only_dirs_) || ((is_match || is_match_as_dir) && is_dir(at.path, type)))
            add_match(only_dirs_ ? at.path / "" : at.path);
        if (may_have_entries && !at.at.empty()) unread_.push_back(std::move(at));
    }

    /// Adds the parts that come next if each `**` stands for no directory. The positions are in order before and after.
    void add_skipped(positions& to) const {
        for (std::size_t i = 0; i < to.size(); ++i) {
            if (to[i] == parts_.size() || parts_[to[i]].what != glob_part::kind::any_depth) continue;
            const auto place = to.begin() + static_cast<std::ptrdiff_t>(i) + 1;
            if (place == to.end() || *place != to[i] + 1) to.insert(place, to[i] + 1);
        }
    }

    static bool is_dir(const std::filesystem::path& path, file_type type) {
        if (type != file_type::symlink) return type == file_type::directory;
        const auto target =
            eddy::sys::metadata_at(eddy::sys::current_directory, eddy::sys::text_of(path).c_str(), true);
        return target && target->is_directory();
    }

    void add_match(std::filesystem::path path) {
        if (!path.empty()) found_.emplace_back(std::move(path));
    }
    /// What is no directory, or is removed meanwhile, has no matches.
    void note_failure(std::error_code why, const std::filesystem::path& path) {
        if (why == std::errc::not_a_directory || why == std::errc::no_such_file_or_directory) return;
        found_.emplace_back(std::unexpect, why, "read", path.empty() ? "." : path);
    }

    std::filesystem::path root_;
    std::vector<glob_part> parts_;
    bool only_dirs_ = false;
    std::vector<glob_dir> unread_;  // the last one is next
    std::vector<result<std::filesystem::path>> found_;
};

}  // namespace

async_generator<result<std::filesystem::path>> glob(std::string pattern) {
    const detail::call of("glob", eddy::sys::path_from(pattern));
    if (const auto valid = detail::check_path(of.path); !valid) {
        co_yield std::unexpected(of.fail(valid.error()));
        co_return;
    }
    auto search = std::make_unique<glob_search>(pattern);
    for (bool is_first = true; is_first || !search->is_complete(); is_first = false) {
        auto work = [mine =
                         std::move(search)](const detail::call&) mutable -> eddy::result<std::unique_ptr<glob_search>> {
            mine->step();
            return std::move(mine);
        };
        auto step = detail::blocking(of, std::move(work));
        auto done = co_await std::move(step);
        if (!done) {
            co_yield std::unexpected(std::move(done).error());
            co_return;
        }
        search = *std::move(done);
        for (auto& each : search->take_found()) co_yield std::move(each);
    }
}

}  // namespace eddy::fs
