// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <string>
#include <utility>

#include <eddy/http.hpp>
#include <eddy/task.hpp>

// What a request of a client gets, as text.

namespace support {

using http_answer = std::expected<eddy::http::response, eddy::http::client_error>;

/// Returns the text of a response, or the error of the request, or in parentheses that of the body.
inline eddy::task<std::string> text_of(eddy::task<http_answer> asking, bool with_status = false) {
    auto answer = co_await std::move(asking);
    if (!answer) co_return answer.error().message();
    const auto text = co_await answer->body.read_text();
    const std::string status = with_status ? std::to_string(eddy::http::to_int(answer->status)) + " " : "";
    co_return status + (text ? *text : "(" + text.error().message() + ")");
}
inline eddy::task<std::string> text_of(eddy::http::client web, std::string url) {
    co_return co_await text_of(web.get(std::move(url)));
}

/// The same after the status: "200 text".
inline eddy::task<std::string> status_and_text_of(eddy::task<http_answer> asking) {
    return text_of(std::move(asking), true);
}

}  // namespace support
