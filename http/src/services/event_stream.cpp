// SPDX-License-Identifier: MIT
#include <eddy/http/event_stream.hpp>

#include <algorithm>
#include <optional>

#include <eddy/error.hpp>

namespace eddy::http {
namespace {

constexpr std::string_view line_breaks = "\r\n";

void check_line(std::string_view text, std::source_location where) {
    if (text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos)
        throw misuse("the name or the id of an event must not have a line break or NUL", where);
}

}  // namespace

event::event(std::string_view data) {
    // CR LF, CR and LF end a line. A line that is empty is a part of the text, too.
    for (bool is_last = false; !is_last;) {
        const auto end = data.find_first_of(line_breaks);
        is_last = end == std::string_view::npos;
        text_.append("data: ").append(data.substr(0, end)).append("\n");
        if (!is_last) data.remove_prefix(end + (data.substr(end).starts_with(line_breaks) ? 2 : 1));
    }
}

event& event::name(std::string_view text, std::source_location where) {
    check_line(text, where);
    text_.append("event: ").append(text).append("\n");
    return *this;
}

event& event::id(std::string_view text, std::source_location where) {
    check_line(text, where);
    text_.append("id: ").append(text).append("\n");
    return *this;
}

event& event::retry(std::chrono::nanoseconds after) {
    const auto count = std::chrono::ceil<std::chrono::milliseconds>(after).count();
    text_.append("retry: ").append(std::to_string(std::max<std::int64_t>(count, 0))).append("\n");
    return *this;
}

}  // namespace eddy::http

namespace eddy::detail {

http::response event_response(std::unique_ptr<body_source> events) {
    http::response answer;
    answer.headers.add("Content-Type", "text/event-stream");
    answer.headers.add("Cache-Control", "no-cache");
    answer.body = body_access::from_source(std::move(events));
    return answer;
}

}  // namespace eddy::detail
