// SPDX-License-Identifier: MIT
// A crawler: follows the links of a site, from its first page on, and prints each page and how it went. Limits the
// pages, the requests at the same time, and the time and the bytes of a page.
//     $ ./web_server 127.0.0.1:8080 build/site &
//     $ ./crawler http://127.0.0.1:8080/files/index.html
//     ok: http://127.0.0.1:8080/files/index.html
//     ok: http://127.0.0.1:8080/files/page_start.html
//     ...
#include <eddy/http.hpp>
#include <eddy/prelude.hpp>

#include <cstddef>
#include <cstdio>
#include <deque>
#include <expected>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
namespace http = eddy::http;
using eddy::result;
using eddy::task;
using eddy::try_;

// docs: limits
constexpr std::size_t most_pages = 100;
constexpr std::size_t most_at_once = 8;
constexpr std::size_t most_bytes = 1 << 20;  // of a page
constexpr auto most_time = 10s;              // of a page
// docs: end

/// Returns what is in href="...". A real crawler needs a parser of HTML.
std::vector<std::string> hrefs_in(std::string_view html) {
    constexpr std::string_view mark = "href=\"";
    std::vector<std::string> found;
    for (auto at = html.find(mark); at != std::string_view::npos; at = html.find(mark, at)) {
        at += mark.size();
        const auto end = html.find('"', at);
        if (end == std::string_view::npos) break;
        found.emplace_back(html.substr(at, end - at));
    }
    return found;
}

// docs: page
/// Returns the links of a page that lead to the same server.
task<result<std::vector<http::url>>> links_of(http::client web, http::url page) {
    std::vector<http::url> links;
    auto answer = co_await try_(web.get(page.to_string()));
    const std::string type(answer.headers.get("Content-Type").value_or(""));
    if (!is_success(answer.status)) co_return std::unexpected(make_error_code(std::errc::protocol_error));
    if (!type.starts_with("text/html")) co_return links;
    const auto text = co_await try_(answer.body.read_text(most_bytes));
    for (const auto& href : hrefs_in(text)) {
        auto link = page.resolve(href);
        if (link && link->has_same_origin(page)) links.push_back(*std::move(link));
    }
    co_return links;
}

task<std::vector<http::url>> visit(http::client web, http::url page) {
    auto links = co_await eddy::time::try_timeout(most_time, links_of(web, page));
    std::printf("%s: %s\n", links ? "ok" : links.error().message().c_str(), page.to_string().c_str());
    if (!links) co_return std::vector<http::url>();
    co_return *std::move(links);
}
// docs: end

// docs: crawl
task<void> crawl(http::url first) {
    const auto is_near = [first](const http::url& to) { return to.has_same_origin(first); };
    const http::client web(http::client_options().may_follow(is_near).max_idle(most_at_once));
    std::set<std::string> seen{first.to_string()};
    std::deque<http::url> waiting{first};
    eddy::join_set<std::vector<http::url>> running;
    for (;;) {
        while (!waiting.empty() && running.len() < most_at_once) {
            running.spawn(visit(web, std::move(waiting.front())));
            waiting.pop_front();
        }
        auto ended = co_await running.join_next();
        if (!ended) co_return;  // nothing runs, and nothing waits
        if (!*ended) continue;  // visit() has thrown
        for (auto& link : **ended) {
            const bool is_new = seen.size() < most_pages && seen.insert(link.to_string()).second;
            if (is_new) waiting.push_back(std::move(link));
        }
    }
}
// docs: end

}  // namespace

int main(int argc, char** argv) {
    const auto first = http::url::parse(argc > 1 ? argv[1] : "");
    if (!first) {
        std::fputs("usage: crawler URL\n", stderr);
        return 2;
    }
    eddy::core().run(crawl(*first));
    return 0;
}
