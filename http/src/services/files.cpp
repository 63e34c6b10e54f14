// SPDX-License-Identifier: MIT
#include <eddy/http/files.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <eddy/bytes/bytes.hpp>
#include <eddy/fs/detail/file_sender.hpp>
#include <eddy/fs/dir.hpp>
#include <eddy/fs/file.hpp>
#include <eddy/fs/metadata.hpp>
#include <eddy/future/detail/outcome.hpp>
#include <eddy/http/error.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>

#include "message/syntax.hpp"
#include "services/conditions.hpp"

namespace eddy::detail {
namespace {

using http::method;
using http::status;

/// The largest part that is read into memory, and sent together with the head.
constexpr std::size_t most_in_memory = 64 * 1024;
constexpr std::string_view index_name = "index.html";

/// A file that was opened, and what is known about it.
struct found_file {
    fs::file file;
    fs::file_metadata about;
};

/// A file, or the status of a response without one. Not an `expected`: eddy would report a status as the error of a
/// task whose client has gone.
struct found_or_status {
    std::optional<found_file> file;
    http::status status = http::status::ok;

    explicit found_or_status(http::status why) noexcept : status(why) {}
    explicit found_or_status(found_file&& found) noexcept : file(std::move(found)) {}
};

/// Reads a part of a file, as the body of a response.
class file_source final : public described_source<file_source> {
public:
    file_source(const fs::file& from, std::uint64_t begin, std::uint64_t count) : sender_(from, begin, count) {}

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) override {
        if (into.empty()) return eddy::ok(std::size_t{0});
        const auto count = sender_.poll_read(cx, into);
        if (!count) return not_ready;
        if (!*count) return result<std::size_t>(std::unexpect, count->error());
        return eddy::ok(**count);
    }
    fs::detail::file_sender* file() noexcept override { return &sender_; }

    static constexpr auto wait_shape() { return inspect::waits_as(&file_source::sender_); }

private:
    fs::detail::file_sender sender_;
};

std::string_view type_of(std::string_view path) noexcept {
    struct type {
        std::string_view extension;
        std::string_view name;
    };
    static constexpr std::array<type, 33> types = {{
        {"html", "text/html; charset=utf-8"},
        {"htm", "text/html; charset=utf-8"},
        {"css", "text/css; charset=utf-8"},
        {"js", "text/javascript; charset=utf-8"},
        {"mjs", "text/javascript; charset=utf-8"},
        {"json", "application/json"},
        {"map", "application/json"},
        {"webmanifest", "application/manifest+json"},
        {"txt", "text/plain; charset=utf-8"},
        {"md", "text/markdown; charset=utf-8"},
        {"csv", "text/csv; charset=utf-8"},
        {"xml", "application/xml"},
        {"svg", "image/svg+xml"},
        {"png", "image/png"},
        {"jpg", "image/jpeg"},
        {"jpeg", "image/jpeg"},
        {"gif", "image/gif"},
        {"webp", "image/webp"},
        {"avif", "image/avif"},
        {"ico", "image/vnd.microsoft.icon"},
        {"woff", "font/woff"},
        {"woff2", "font/woff2"},
        {"ttf", "font/ttf"},
        {"otf", "font/otf"},
        {"wasm", "application/wasm"},
        {"pdf", "application/pdf"},
        {"zip", "application/zip"},
        {"gz", "application/gzip"},
        {"mp3", "audio/mpeg"},
        {"ogg", "audio/ogg"},
        {"wav", "audio/wav"},
        {"mp4", "video/mp4"},
        {"webm", "video/webm"},
    }};
    const auto name = path.substr(path.rfind('/') + 1);
    const auto point = name.rfind('.');
    if (point == std::string_view::npos || point == 0) return "application/octet-stream";
    const auto* const found = std::ranges::find_if(
        types, [&](const type& each) { return http::equal_names(each.extension, name.substr(point + 1)); });
    return found == types.end() ? "application/octet-stream" : found->name;
}

/// Returns whether a decoded path may be opened: each part is the name of a file that is not hidden. The last part may
/// be empty.
bool is_servable(std::string_view path) noexcept {
    if (path.contains('\0') || path.contains('\\')) return false;
    while (!path.empty()) {
        const auto name = take_part(path, '/');
        if (name.empty() || (name.starts_with('.') && name != ".well-known")) return false;
    }
    return true;
}

/// Returns the path below the root that is requested, or nullopt if it must not be opened.
std::optional<std::string> path_of(const http::request& asked) {
    const auto raw = lower_case(asked.path());
    if (raw.contains("%2f")) return std::nullopt;
    std::optional<std::string> path;
    if (!asked.parameters.empty()) {
        path = asked.parameters.back().second;
    } else if (raw.starts_with('/')) {
        path = http::decode_percent(asked.path().substr(1));
    }
    if (!path || !is_servable(*path)) return std::nullopt;
    return path;
}

http::response file_refusal(status why) { return http::response::text(std::string(http::reason_of(why)) + "\n", why); }

/// Returns the ETag of a file. Two files with the same name and ETag have the same bytes, unless the clock of the file
/// system is coarse.
std::string etag_of(const fs::file_metadata& about) {
    std::array<char, 64> text{};
    char* at = text.data();
    *at++ = '"';
    const auto seconds = std::chrono::floor<std::chrono::seconds>(about.modified);
    for (const auto number : {static_cast<std::uint64_t>(seconds.time_since_epoch().count()),
                              static_cast<std::uint64_t>((about.modified - seconds).count()), about.size}) {
        if (at != text.data() + 1) *at++ = '-';
        at = std::to_chars(at, text.data() + text.size(), number, 16).ptr;
    }
    *at++ = '"';
    return {text.data(), at};
}

/// Makes the response for a file, without its body.
http::response head_for(const representation& now, const selected_part& part, std::string_view path) {
    if (part.status == status::precondition_failed) return file_refusal(part.status);
    const auto unit = [&](std::string range) { return "bytes " + std::move(range) + "/" + std::to_string(now.size); };
    if (part.status == status::range_not_satisfiable) {
        auto answer = file_refusal(part.status);
        answer.headers.add("Content-Range", unit("*"));
        return answer;
    }
    http::response answer(part.status);
    const auto date = format_date(now.modified);
    answer.headers.add("Last-Modified", std::string_view(date.data(), date.size()));
    answer.headers.add("ETag", now.etag);
    answer.headers.add("Content-Type", type_of(path));
    if (part.status == status::not_modified) {
        answer.headers.add("Content-Length", std::to_string(now.size));  // for layers, such as http::compress()
        return answer;
    }
    answer.headers.add("Accept-Ranges", "bytes");
    if (part.status == status::partial_content)
        answer.headers.add("Content-Range",
                           unit(std::to_string(part.begin) + '-' + std::to_string(part.begin + part.count - 1)));
    return answer;
}

/// Reads a part of a file into memory.
task<result<eddy::bytes>> read_part(const fs::file& from, selected_part part) {
    std::string text(static_cast<std::size_t>(part.count), '\0');
    for (std::size_t done = 0; done != text.size();) {
        const auto room = std::as_writable_bytes(std::span(text).subspan(done));
        const auto count = co_await from.read_at(room, part.begin + done);
        if (!count) co_return std::unexpected(count.error());
        if (*count == 0) co_return std::unexpected(make_error_code(http::errc::body_too_short));
        done += *count;
    }
    co_return eddy::bytes(std::move(text));
}

/// Opens the file `path` below the folder `root`. Returns a status if it cannot be opened: a redirection for a
/// folder. Blocks.
/// Errors: the folder cannot be opened, which is a mistake of the program; the file cannot be read.
fs::result<found_or_status> open_below(const std::string& root, const std::string& path) {
    const auto folder = fs::open_dir(root).run_here();
    if (!folder) return std::unexpected(folder.error());
    auto file = folder->open(path).run_here();
    if (!file)
        return found_or_status(file.error() == std::errc::is_a_directory ? status::moved_permanently
                                                                         : status::not_found);
    const auto about = file->metadata().run_here();
    if (!about) return std::unexpected(about.error());
    return found_or_status(found_file{*std::move(file), *about});
}

/// Makes the response for a file.
task<result<http::response>> answer_with(http::request asked, found_file found, std::string path) {
    const auto seconds_of = [](auto time) {
        return std::int64_t{std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count()};
    };
    const auto modified = seconds_of(found.about.modified);
    const bool is_strong =
        is_strong_date(modified, seconds_of(found.about.changed), seconds_of(std::chrono::system_clock::now()));
    const representation now(etag_of(found.about), modified, found.about.size, is_strong);
    const auto part = select_part(asked, now);
    auto answer = head_for(now, part, path);
    if (part.status != status::ok && part.status != status::partial_content) co_return answer;
    if (part.count > most_in_memory || asked.method == method::head) {
        auto source = std::make_unique<file_source>(found.file, part.begin, part.count);
        answer.body = body_access::from_source(std::move(source), part.count);
        co_return answer;
    }
    auto content = co_await read_part(found.file, part);
    if (!content) co_return std::unexpected(content.error());
    answer.body = http::body(*std::move(content));
    co_return answer;
}

task<result<http::response>> answer_file(std::shared_ptr<const std::string> root, http::request asked) {
    if (asked.method != method::get && asked.method != method::head) {
        auto refused = file_refusal(status::method_not_allowed);
        refused.headers.add("Allow", "GET, HEAD");
        co_return refused;
    }
    auto path = path_of(asked);
    if (!path) co_return file_refusal(status::not_found);
    const bool names_folder = path->empty() || path->ends_with('/');
    if (names_folder) path->append(index_name);
    auto work = spawn_blocking([root = std::move(root), path = *path] { return open_below(*root, path); });
    auto ended = co_await work;
    if (!ended) co_return std::unexpected(convert_error<std::error_code>(std::move(ended.error())));
    auto opened = *std::move(ended);
    if (!opened) {  // an exception, because its text has the path
        const auto& why = opened.error();
        throw std::system_error(why.code(), why.operation() + (" " + why.path().native()));
    }
    auto found = *std::move(opened);
    if (found.status == status::moved_permanently && !names_folder) {
        std::string to(asked.path());
        to += '/';
        if (!asked.query().empty()) to.append("?").append(asked.query());
        co_return http::response::redirect(to, status::moved_permanently);
    }
    if (!found.file) co_return file_refusal(status::not_found);
    auto answer = co_await answer_with(std::move(asked), *std::move(found.file), *std::move(path));
    co_return answer;
}

}  // namespace
}  // namespace eddy::detail

namespace eddy::http {

service files(std::string_view folder) {
    return [root = std::make_shared<const std::string>(folder)](request asked) {
        return detail::answer_file(root, std::move(asked));
    };
}

}  // namespace eddy::http
