// SPDX-License-Identifier: MIT
#include <eddy/http/files.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <eddy/bytes/bytes.hpp>
#include <eddy/detail/outcome.hpp>
#include <eddy/http/error.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/spawn_blocking.hpp>

#include "message/syntax.hpp"
#include "services/conditions.hpp"
#include "sys/served_file.hpp"

namespace eddy::detail {
namespace {

using http::method;
using http::status;
using open_file = std::shared_ptr<const sys::served_file>;

constexpr std::size_t piece_size = 64 * 1024;
constexpr std::string_view index_name = "index.html";

/// Returns the result of blocking work, or the reason why it has none.
template <class T>
result<T> joined(std::expected<result<T>, join_error>&& from) {
    if (!from) return std::unexpected(convert_error<std::error_code>(std::move(from.error())));
    return *std::move(from);
}

/// Reads `count` bytes, or up to the end of the file. Blocks.
result<eddy::bytes> read_piece(const sys::served_file& from, std::uint64_t position, std::size_t count) {
    std::string text;
    std::error_code failure;
    text.resize_and_overwrite(count, [&](char* to, std::size_t size) {
        std::size_t done = 0;
        while (done != size) {
            const auto room = std::as_writable_bytes(std::span(to + done, size - done));
            const auto read = sys::read_at(from.fd.get(), position + done, room);
            if (!read) failure = read.error();
            if (!read || *read == 0) break;
            done += *read;
        }
        return done;
    });
    if (failure) return std::unexpected(failure);
    return eddy::bytes(std::move(text));
}

/// Reads a part of a file while the body is read. The thread that reads a piece shares the file, so the body may be
/// destroyed meanwhile.
class file_source final : public described_source<file_source> {
public:
    file_source(open_file from, std::uint64_t begin, std::uint64_t count) noexcept
        : from_(std::move(from)), position_(begin), left_(count) {}

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) override {
        if (into.empty()) return eddy::ok(std::size_t{0});
        if (piece_.empty() && left_ != 0) {
            if (!reading_) start();
            auto ended = reading_->poll(cx);
            if (!ended) return not_ready;
            reading_.reset();
            auto piece = joined(*std::move(ended));
            if (!piece) return result<std::size_t>(std::unexpect, piece.error());
            if (piece->empty()) return eddy::ok(std::size_t{0});  // the file has become shorter
            piece_ = *std::move(piece);
            position_ += piece_.size();
            left_ -= piece_.size();
        }
        const auto count = std::min(into.size(), piece_.size());
        if (count != 0) std::memcpy(into.data(), piece_.data(), count);
        piece_.advance(count);
        return eddy::ok(count);
    }

    EDDY_WAITS_AS(file_source, reading_);

private:
    void start() {
        const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, piece_size));
        reading_.emplace(
            spawn_blocking([from = from_, at = position_, count] { return read_piece(*from, at, count); }));
    }

    open_file from_;
    std::uint64_t position_;
    std::uint64_t left_;
    eddy::bytes piece_;
    std::optional<join_handle<result<eddy::bytes>>> reading_;
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
    std::string raw(asked.path());
    std::ranges::transform(raw, raw.begin(), to_lower);
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
std::string etag_of(const sys::served_file& file) {
    std::array<char, 64> text{};
    char* at = text.data();
    *at++ = '"';
    for (const auto number :
         {static_cast<std::uint64_t>(file.seconds), static_cast<std::uint64_t>(file.nanoseconds), file.size}) {
        if (at != text.data() + 1) *at++ = '-';
        at = std::to_chars(at, text.data() + text.size(), number, 16).ptr;
    }
    *at++ = '"';
    return {text.data(), at};
}

/// Makes the response for an open file. Blocks.
result<http::response> answer_with(const http::request& asked, const open_file& file, std::string_view path) {
    const representation now(etag_of(*file), file->seconds, file->size);
    const auto part = select_part(asked, now);
    http::response answer(part.status);
    if (part.status == status::precondition_failed) return file_refusal(part.status);
    const auto unit = [&](std::string range) { return "bytes " + std::move(range) + "/" + std::to_string(now.size); };
    if (part.status == status::range_not_satisfiable) {
        answer = file_refusal(part.status);
        answer.headers.add("Content-Range", unit("*"));
        return answer;
    }
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
    if (part.count > piece_size || asked.method == method::head) {
        answer.body = body_access::from_source(std::make_unique<file_source>(file, part.begin, part.count), part.count);
        return answer;
    }
    auto content = read_piece(*file, part.begin, static_cast<std::size_t>(part.count));
    if (!content) return std::unexpected(content.error());
    if (content->size() != part.count) return std::unexpected(make_error_code(http::errc::body_too_short));
    answer.body = http::body(*std::move(content));
    return answer;
}

/// Answers a request. Blocks.
result<http::response> answer_request(const std::string& root, const http::request& asked, std::string path) {
    const bool names_folder = path.empty() || path.ends_with('/');
    if (names_folder) path.append(index_name);
    auto opened = sys::open_below(root, path);
    if (!opened) {
        // A missing root is a mistake of the program. Other errors concern one path.
        const auto folder = sys::open_below(root, "");
        if (!folder) return std::unexpected(folder.error());
        return file_refusal(status::not_found);
    }
    if (opened->is_folder && !names_folder) {
        std::string to(asked.path());
        to += '/';
        if (!asked.query().empty()) to.append("?").append(asked.query());
        return http::response::redirect(to, status::moved_permanently);
    }
    if (!opened->is_regular) return file_refusal(status::not_found);
    return answer_with(asked, std::make_shared<const sys::served_file>(*std::move(opened)), path);
}

task<result<http::response>> answer_file(std::shared_ptr<const std::string> root, http::request asked) {
    if (asked.method != method::get && asked.method != method::head) {
        auto refused = file_refusal(status::method_not_allowed);
        refused.headers.add("Allow", "GET, HEAD");
        co_return refused;
    }
    auto path = path_of(asked);
    if (!path) co_return file_refusal(status::not_found);
    auto work = spawn_blocking([root = std::move(root), asked = std::move(asked), path = *std::move(path)]() mutable {
        return answer_request(*root, asked, std::move(path));
    });
    auto answer = co_await work;
    co_return joined(std::move(answer));
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
