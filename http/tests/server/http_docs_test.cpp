// SPDX-License-Identifier: MIT
// Blocks of code in http/docs/http.md; see docs_test.cpp.
// covers: P147
#include <eddy/fs.hpp>
#include <eddy/http.hpp>
#include <eddy/prelude.hpp>
#include <eddy/proto.hpp>
#include <eddy/test.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "support/temp_dir.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;
namespace fs = eddy::fs;
namespace http = eddy::http;
namespace io = eddy::io;
namespace net = eddy::net;
namespace proto = eddy::proto;

// ---- A server ----

// docs: middleware
/// Answers 401 to requests without the token.
http::service with_token(http::service inner, std::string token) {
    return [inner, expected = "Bearer " + token](http::request asked) -> task<result<http::response>> {
        if (asked.headers.get("Authorization") != expected)
            co_return http::response::text("no access\n", http::status::unauthorized);
        co_return co_await inner(std::move(asked));
    };
}
// docs: end

// docs: events
eddy::async_generator<http::event> count_down(int from) {
    for (int i = from; i > 0; --i) {
        co_yield http::event(std::to_string(i)).name("tick").id(std::to_string(i));
        co_await eddy::time::sleep(1s);
    }
    co_yield http::event("start").retry(60s);
}

task<http::response> ticks(http::request asked) {
    int last = 11;  // of a client that has lost its connection: the last event that it has received
    const auto id = asked.headers.get("Last-Event-ID").value_or("");
    std::from_chars(id.data(), id.data() + id.size(), last);  // changes nothing if the client sends no number
    co_return http::event_stream(count_down(std::clamp(last, 1, 11) - 1));
}
// docs: end

TEST(HttpDocs, EventsContinueAfterTheLastOne) {
    eddy::test::run_paused([]() -> task<void> {
        http::request asked(http::method::get, "/");
        asked.headers.add("Last-Event-ID", "2");
        auto answer = co_await ticks(std::move(asked));
        const auto text = co_await answer.body.read_text();
        EXPECT_EQ(text.value(), "data: 1\nevent: tick\nid: 1\n\ndata: start\nretry: 60000\n\n");
    });
}

TEST(HttpDocs, LastEventIdOfAnyTextIsHandled) {
    eddy::test::run_paused([]() -> task<void> {
        for (const char* id : {"", "x", "99999999999", "-2147483648", "2147483647"}) {
            http::request asked(http::method::get, "/");
            asked.headers.add("Last-Event-ID", id);
            auto answer = co_await ticks(std::move(asked));
            const auto text = co_await answer.body.read_text();
            const bool starts_anew = text.value().starts_with("data: 10\n");
            const bool is_over = text.value().starts_with("data: start\n");
            EXPECT_TRUE(starts_anew || is_over) << id;
        }
    });
}

// docs: handler for tests
http::router make_app() {
    http::router app;
    app.post("/double/{number}", [](const http::request& asked) -> task<http::response> {
        const auto number = asked.param<int>("number");
        if (!number) co_return http::response::text("a number is needed", http::status::bad_request);
        co_return http::response::text(std::to_string(2 * *number));
    });
    return app;
}
// docs: end

// docs: test
TEST(App, DoublesNumbers) {
    eddy::test::run_paused([]() -> task<void> {
        const auto app = make_app();
        auto answer = co_await app(http::request(http::method::post, "/double/21"));
        const auto text = co_await answer.value().body.read_text();
        EXPECT_EQ(text.value(), "42");
        const auto refused = co_await app(http::request(http::method::post, "/double/x"));
        EXPECT_EQ(refused.value().status, http::status::bad_request);
    });
}
// docs: end

/// Lines that are imported one after the other.
class table {
public:
    task<bool> import_next() {
        ++lines;
        co_await eddy::time::sleep(1s);
        co_return false;
    }
    task<void> save() {
        saved = lines;
        co_return;
    }

    int lines = 0;
    int saved = 0;
};

// docs: client gone
/// Imports lines until the client goes away, and saves what was imported.
task<http::response> import_lines(table& into, http::request asked) {
    const auto gone = asked.client_gone();
    while (!gone.is_cancelled()) {
        const bool is_complete = co_await into.import_next();
        if (is_complete) break;
    }
    co_await into.save();
    co_return http::response(http::status::ok);  // discarded if the client has gone
}
// docs: end

TEST(HttpDocs, ServiceSavesItsWorkWhenTheClientGoes) {
    table into;
    eddy::test::run_paused([&]() -> task<void> {
        auto [near, far] = io::duplex(1000);
        const auto app = [&into](http::request asked) { return import_lines(into, std::move(asked)); };
        auto serving = eddy::spawn(http::serve_connection(std::move(far), app));
        {
            auto client = std::move(near);
            static_cast<void>(co_await io::write_all(client, "PUT / HTTP/1.1\r\nHost: a\r\n\r\n"));
            co_await eddy::time::sleep(10500ms);
        }
        const auto ended = co_await serving;
        EXPECT_TRUE(ended.has_value());
    });
    EXPECT_EQ(into.saved, 11);
}

// docs: clients behind a proxy
/// Returns the address that the proxy has added to X-Forwarded-For: the last one.
std::string client_of(const http::request& asked) {
    std::string_view last;
    for (const auto& [name, value] : asked.headers)
        if (http::equal_names(name, "X-Forwarded-For")) last = value;
    last.remove_prefix(last.rfind(',') + 1);  // 0 without a comma
    last.remove_prefix(std::min(last.find_first_not_of(' '), last.size()));
    return std::string(last);
}

http::service limited(http::service app) {
    return std::move(app) | http::client_limit(http::client_limit_options(5, 1min).client(client_of));
}
// docs: end

/// Sends a request with these lines as fields X-Forwarded-For. Returns Retry-After of the response, or "".
task<std::string> wait_of(const http::service& app, std::string_view lines) {
    http::request asked(http::method::get, "/");
    for (const auto line : std::views::split(lines, '\n')) asked.headers.add("x-forwarded-for", std::string_view(line));
    const auto answer = co_await app(std::move(asked));
    co_return std::string(answer.value().headers.get("Retry-After").value_or(""));
}

TEST(HttpDocs, ClientsBehindAProxyAreToldApart) {
    eddy::test::run_paused([]() -> task<void> {
        const auto hello = [](http::request) -> task<http::response> { co_return http::response::text("hello"); };
        const auto app = limited(hello);
        const char* const forms[] = {"192.0.2.1", "192.0.2.0, 192.0.2.1", "192.0.2.0\n192.0.2.1"};
        for (int i = 0; i < 5; ++i) {
            const auto wait = co_await wait_of(app, forms[i % 3]);
            EXPECT_EQ(wait, "") << i;
        }
        for (const auto* const form : forms) {
            const auto wait = co_await wait_of(app, form);
            EXPECT_EQ(wait, "12") << form;
        }
        for (const char* const other : {"192.0.2.2", "192.0.2.1, 192.0.2.3", ""}) {
            const auto wait = co_await wait_of(app, other);
            EXPECT_EQ(wait, "") << other;
        }
    });
}

TEST(HttpDocs, HealthChecksAreNotLimited) {
    eddy::test::run_paused([]() -> task<void> {
        const eddy::sync::cancellation_token ending;
        http::router routes;
        routes.get("/", [](http::request) -> task<http::response> { co_return http::response::text("hello"); });
        // docs: health outside of the limit
        const auto limited = routes | http::client_limit(http::client_limit_options(5, 1min));
        http::router app;
        app.get("/health", http::health(ending)).any("/{path...}", limited);
        // docs: end
        std::string seen;
        for (const char* const path : {"/", "/", "/", "/", "/", "/", "/health", "/health"}) {
            http::request asked(http::method::get, path);
            asked.peer = net::socket_addr::parse("192.0.2.1:1").value();
            const auto answer = co_await app(std::move(asked));
            seen += std::to_string(http::to_int(answer.value().status)) + " ";
        }
        EXPECT_EQ(seen, "200 200 200 200 200 429 200 200 ");
        ending.cancel();
        const auto ended = co_await app(http::request(http::method::get, "/health"));
        EXPECT_EQ(ended.value().status, http::status::service_unavailable);
    });
}

TEST(HttpDocs, MiddlewareAndLayersCanAnswerRequests) {
    eddy::test::run_paused([]() -> task<void> {
        http::router app;
        app.get("/slow", [](http::request) -> task<http::response> {
            co_await eddy::time::sleep(1h);
            co_return http::response::text("late");
        });
        // docs: layers
        const auto unavailable = [](std::error_code error) -> result<http::response> {
            const bool is_busy = error == eddy::errc::overloaded || error == eddy::errc::timed_out;
            if (!is_busy) return std::unexpected(error);  // the server answers: see Errors
            return http::response::text(error.message() + "\n", http::status::service_unavailable);
        };
        const auto limited = app | proto::timeout(5s) | proto::concurrency_limit(100) | proto::load_shed();
        const auto all = with_token(limited | proto::recover(unavailable), "secret");
        // docs: end
        app.post("/body", [](http::request asked) -> task<result<http::response>> {
            co_return http::response::text(co_await try_(asked.body.read_text(2)));
        });
        http::request large(http::method::post, "/body");
        large.headers.set("Authorization", "Bearer secret");
        large.body = "long";
        EXPECT_EQ((co_await all(std::move(large))).error(), http::errc::body_too_large);
        const auto refused = co_await all(http::request(http::method::get, "/slow"));
        EXPECT_EQ(refused.value().status, http::status::unauthorized);
        http::request asked(http::method::get, "/slow");
        asked.headers.set("Authorization", "Bearer secret");
        const auto late = co_await all(std::move(asked));
        EXPECT_EQ(late.value().status, http::status::service_unavailable);
    });
}

// ---- A client ----

/// Serves on a free port, while `script(url)` runs.
void serve_during(http::service app, task<void> (*script)(std::string)) {
    eddy::core loop;
    loop.run([](http::service served, task<void> (*played)(std::string)) -> task<void> {
        auto listener = (co_await net::tcp_listener::bind("127.0.0.1:0")).value();
        const std::string url = "http://" + listener.local_addr().value().to_string();
        auto serving = eddy::spawn(http::serve(std::move(listener), std::move(served)));
        co_await played(url);
        serving.abort();
    }(std::move(app), script));
}

// docs: text_of
task<result<std::string>> text_of(http::client web, std::string url) {
    auto answer = co_await try_(web.get(std::move(url)));
    if (!is_success(answer.status)) co_return std::unexpected(make_error_code(std::errc::protocol_error));
    co_return co_await answer.body.read_text();
}
// docs: end

// docs: many
/// Returns the texts of all URLs, or the first error. Requests up to five URLs at the same time. Each URL gets up to
/// four attempts. An attempt may take 10 s, including the time for the body.
task<result<std::vector<std::string>>> fetch_all(http::client web, std::vector<std::string> urls) {
    const auto fetch = [web](std::string url) {
        const auto attempt = [web, url] { return eddy::time::try_timeout(10s, text_of(web, url)); };
        return eddy::retry(eddy::time::backoff(100ms).max_retries(3), attempt);
    };
    co_return co_await eddy::streams::iter(std::move(urls)).map(fetch).buffered(5).collect();
}
// docs: end

TEST(HttpDocs, ManyUrlsAreFetchedInOrder) {
    http::router app;
    const auto failures = std::make_shared<int>(0);
    app.get("/{name}", [failures](http::request asked) -> task<http::response> {
        const std::string name(asked.param("name"));
        if (name == "3" && ++*failures < 3) co_return http::response(http::status::service_unavailable);
        co_return http::response::text(name);
    });
    serve_during(app, [](std::string url) -> task<void> {
        std::vector<std::string> urls;
        for (int i = 0; i < 20; ++i) urls.push_back(url + "/" + std::to_string(i));
        const auto texts = co_await fetch_all(http::client(), urls);
        EXPECT_EQ(texts.value().size(), 20U);
        for (std::size_t i = 0; i < texts->size(); ++i) EXPECT_EQ((*texts)[i], std::to_string(i));
    });
}

// docs: json
/// Requests JSON once.
task<result<std::string>> ask_json(http::client web, std::string url) {
    http::request asked(http::method::get);  // send() sets its target
    asked.headers.set("Accept", "application/json");
    auto answer = co_await try_(web.send(std::move(url), std::move(asked)));
    if (to_int(answer.status) >= 500) co_return std::unexpected(make_error_code(eddy::errc::overloaded));
    if (!is_success(answer.status)) co_return std::unexpected(make_error_code(std::errc::protocol_error));
    co_return co_await answer.body.read_text();
}

/// Requests JSON, and repeats attempts that may succeed later. An attempt may take 2 s, and all together `limit`.
task<result<std::string>> json_of(http::client web, std::string url, std::chrono::milliseconds limit) {
    const auto attempt = [web, url] { return eddy::time::try_timeout(2s, ask_json(web, url)); };
    const auto is_temporary = [](std::error_code error) {  // not a status such as 404, a wrong URL or certificate
        return error == eddy::errc::overloaded || error == std::errc::timed_out ||
               error == std::errc::connection_refused || error == std::errc::connection_reset;
    };
    auto text = eddy::retry(eddy::time::backoff(100ms).max_retries(5), attempt, is_temporary);
    co_return co_await eddy::time::try_timeout(limit, std::move(text));
}
// docs: end

TEST(HttpDocs, JsonIsRequestedAgainAfterTemporaryErrors) {
    http::router app;
    const auto asked = std::make_shared<int>(0);
    app.get("/busy", [asked](http::request) -> task<http::response> {
        if (++*asked < 3) co_return http::response(http::status::bad_gateway);
        co_return http::response::json("[1]");
    });
    app.get("/gone", [asked](http::request) -> task<http::response> {
        co_return http::response::json(std::to_string(++*asked), http::status::gone);
    });
    app.get("/slow", [](http::request) -> task<http::response> {
        co_await eddy::time::sleep(1h);
        co_return http::response();
    });
    app.get("/count",
            [asked](http::request) -> task<http::response> { co_return http::response::json(std::to_string(*asked)); });
    serve_during(app, [](std::string url) -> task<void> {
        const http::client web;
        const auto busy = co_await json_of(web, url + "/busy", 1min);
        EXPECT_EQ(busy.value(), "[1]");
        const auto gone = co_await json_of(web, url + "/gone", 1min);
        EXPECT_EQ(gone.error(), std::errc::protocol_error);
        const auto count = co_await json_of(web, url + "/count", 1min);
        EXPECT_EQ(count.value(), "4") << "three requests of /busy, and one of /gone";
        const auto slow = co_await json_of(web, url + "/slow", 100ms);
        EXPECT_EQ(slow.error(), std::errc::timed_out);
        const auto wrong = co_await json_of(web, "localhost/x", 1min);
        EXPECT_EQ(wrong.error(), http::errc::bad_url);
    });
}

void show_progress(std::uint64_t, std::optional<std::uint64_t>) {}

// docs: download
/// Writes a body to a file while it is received.
task<result<void>> save(http::body from, std::string path) {
    auto file = co_await try_(fs::file::create(path));
    const auto size = from.size();  // nullopt if the server has not announced it
    std::vector<char> some(64 * 1024);
    for (std::uint64_t done = 0;;) {
        const auto count = co_await try_(io::read(from, some));
        if (count == 0) break;
        co_await try_(io::write_all(file, std::span(some).first(count)));
        done += count;
        show_progress(done, size);
    }
    co_await try_(file.close());
    co_return eddy::ok();
}
// docs: end

// docs: upload
/// Sends a file. Each part is read just before it is sent.
task<result<http::response>> upload(http::client web, std::string url, std::string path) {
    auto file = co_await try_(fs::file::open(path));
    const auto size = co_await try_(file.size());
    auto body = http::body::from_reader(std::move(file), size);
    co_return co_await try_(web.put(url, "application/octet-stream", std::move(body)));
}
// docs: end

std::string text_in(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

TEST(HttpDocs, FilesAreSentAndReceived) {
    http::router app;
    app.put("/echo", [](http::request asked) -> task<http::response> {
        co_return http::response(http::status::ok, std::move(asked.body));
    });
    serve_during(app, [](std::string url) -> task<void> {
        const support::temp_dir folder;
        const auto from = folder / "from";
        const auto to = folder / "to";
        std::ofstream(from) << std::string(200'000, 'x') << "end";
        auto answer = co_await upload(http::client(), url + "/echo", from);
        EXPECT_EQ(answer.value().body.size(), 200'003U);
        const auto saved = co_await save(std::move(answer.value().body), to);
        EXPECT_TRUE(saved.has_value());
        EXPECT_TRUE(text_in(to) == text_in(from));
    });
}

// docs: trailers
eddy::async_generator<std::string> write_lines(std::shared_ptr<int> count) {
    while (*count < 1000) co_yield "line " + std::to_string(++*count) + "\n";
}

/// Sends lines, and then their number in the trailer field Lines.
task<http::response> report(http::request) {
    const auto count = std::make_shared<int>(0);
    auto body = http::body::from_reader(io::stream_reader(write_lines(count)));
    auto number = [count] {
        http::headers trailers;
        trailers.add("Lines", std::to_string(*count));
        return trailers;
    };
    co_return http::response(http::status::ok, std::move(body).with_trailers(std::move(number)));
}

/// Returns whether the report is complete.
task<result<bool>> check(http::client web, std::string url) {
    auto answer = co_await try_(web.get(url));
    const auto text = co_await try_(answer.body.read_text());
    const auto count = std::to_string(std::ranges::count(text, '\n'));
    co_return answer.body.trailers().get("Lines") == count;
}
// docs: end

TEST(HttpDocs, TrailerFieldsFollowTheBody) {
    http::router app;
    app.get("/report", report);
    serve_during(app, [](std::string url) -> task<void> {
        const auto is_complete = co_await check(http::client(), url + "/report");
        EXPECT_TRUE(is_complete.value());
    });
}

// docs: may follow
bool is_allowed(const http::url& to) {
    std::string_view host = to.host();
    if (host.ends_with('.')) host.remove_suffix(1);  // "localhost." is the same host
    return host == "localhost" || host == "example.org" || host.ends_with(".example.org");
}

/// Requests a URL from outside, for example one that a user has entered.
task<result<http::response>> get_allowed(std::string text) {
    const auto first = co_await try_(http::url::parse(text));
    if (!is_allowed(first)) co_return std::unexpected(make_error_code(std::errc::permission_denied));
    const http::client web(http::client_options().may_follow(is_allowed));
    co_return co_await try_(web.get(std::move(text)));
}
// docs: end

TEST(HttpDocs, OnlyAllowedHostsAreRequested) {
    http::router app;
    app.get("/away", [](http::request asked) -> task<http::response> {
        const std::string host(asked.headers.get("Host").value_or(""));
        co_return http::response::redirect("http://127.0.0.1" + host.substr(host.find(':')) + "/fine");
    });
    app.get("/here", [](http::request) -> task<http::response> { co_return http::response::redirect("/fine"); });
    app.get("/fine", [](http::request) -> task<http::response> { co_return http::response::text("fine"); });
    serve_during(app, [](std::string url) -> task<void> {
        const auto refused = co_await get_allowed(url + "/fine");
        EXPECT_EQ(refused.error(), std::errc::permission_denied);
        const std::string local = "http://localhost" + url.substr(url.rfind(':'));
        const auto away = co_await get_allowed(local + "/away");
        EXPECT_EQ(away.value().status, http::status::see_other);
        auto here = co_await get_allowed(local + "/here");
        EXPECT_EQ(co_await here.value().body.read_text(), "fine");
        EXPECT_TRUE(is_allowed(http::url::parse("http://LOCALHOST.:1/").value()));
        EXPECT_FALSE(is_allowed(http::url::parse("http://notexample.org/").value()));
    });
}

// docs: cookie jar
http::client client_with_cookies(std::vector<http::stored_cookie> former) {
    const auto jar = std::make_shared<http::cookie_jar>();
    jar->load(std::move(former));  // what snapshot() has returned before the end of the last run
    return http::client(http::client_options().cookies(jar));
}

/// Signs in, and requests a page of the session that begins with it.
task<result<std::string>> account_page(http::client web, std::string site) {
    co_await try_(web.post(site + "/login", "application/x-www-form-urlencoded", "name=a&password=b"));
    auto page = co_await try_(web.get(site + "/account"));
    co_return co_await try_(page.body.read_text());
}
// docs: end

TEST(HttpDocs, CookiesOfASessionAreSent) {
    http::router app;
    app.post("/login", [](http::request) -> task<http::response> {
        http::response answer(http::status::ok);
        answer.headers.add("Set-Cookie", http::cookie("session", "7").to_string());
        co_return answer;
    });
    app.get("/account", [](http::request asked) -> task<http::response> {
        co_return http::response::text(std::string(asked.headers.get("Cookie").value_or("")));
    });
    serve_during(app, [](std::string url) -> task<void> {
        http::stored_cookie theme;
        theme.name = "theme";
        theme.value = "dark";
        theme.domain = "127.0.0.1";
        theme.path = "/";
        const auto web = client_with_cookies(std::vector(1, theme));
        EXPECT_EQ(co_await account_page(web, url), "theme=dark; session=7");
    });
}

// docs: retries
http::client patient_client() {
    const auto policy = proto::retry_policy(eddy::time::backoff(100ms).max_retries(4));
    return http::client(http::client_options().retries(policy).retry_after(10s));
}
// docs: end

TEST(HttpDocs, BusyServerIsAskedAgain) {
    int busy = 2;
    http::router app;
    app.post("/", [&](http::request) -> task<http::response> {
        http::response answer = http::response::text("done");
        if (busy-- > 0) {
            answer.status = http::status::service_unavailable;
            answer.headers.add("Retry-After", "0");
        }
        co_return answer;
    });
    serve_during(app, [](std::string url) -> task<void> {
        auto answer = co_await patient_client().post(url + "/", "text/plain", "x");
        EXPECT_EQ(co_await answer.value().body.read_text(), "done");
    });
}

// docs: proxies
http::client client_behind_proxy(const std::string& proxy) {  // "http://user:p%40ss@proxy.example.org:3128"
    auto chosen = http::proxies::none().for_all(proxy).except(".example.org, 10.0.0.0/8");
    return http::client(http::client_options().proxies(std::move(chosen)));
}
// docs: end

TEST(HttpDocs, ProxyForwardsRequestsExceptToExcludedHosts) {
    http::router app;
    app.any("/{path...}", [](http::request asked) -> task<http::response> {
        co_return http::response::text(std::string(asked.headers.get("Host").value_or("")));
    });
    serve_during(app, [](std::string url) -> task<void> {  // the server acts as a proxy
        const auto web = client_behind_proxy(url);
        auto answer = (co_await web.get("http://one.test/")).value();
        EXPECT_EQ(co_await answer.body.read_text(), "one.test");
        const std::string label(64, 'a');  // too long: no name server is asked
        const auto excluded = co_await web.get("http://" + label + ".example.org/");
        EXPECT_EQ(excluded.error().phase(), http::phase::resolve);
    });
}

// ---- HTTP/1.1 without a connection ----

// docs: engine
/// Returns the bytes that a server sends to a client that has sent `input`, which may be several requests.
std::string answer_bytes(std::string_view input) {
    using event = http::h1::engine::event;
    std::string out;
    for (bool is_open = true; is_open && !input.empty();) {
        http::h1::server_engine engine;  // one for each request
        std::string body;
        for (auto found = engine.receive(input); found != event::end; found = engine.receive(input)) {
            if (found == event::incomplete) return out;  // append received bytes to the input, and call receive() again
            if (found == event::data) body += engine.data();
            if (found != event::failed) continue;
            engine.write_refusal(out);
            return out;
        }
        const auto answer = http::response::text(engine.request().target + ' ' + body + '\n');
        engine.write_head(out, answer);
        engine.write_data(out, answer.body.in_memory()->text());
        engine.write_end(out);
        is_open = engine.keeps_alive();
    }
    return out;
}
// docs: end

TEST(HttpDocs, EngineAnswersBytes) {
    const auto answered = answer_bytes(
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
        "GET /b HTTP/1.1\r\nHost: x\r\n\r\n"
        "GET /c HTTP/1.1\r\n\r\n");
    const auto has = [&](std::string_view text) { return answered.find(text) != std::string::npos; };
    EXPECT_TRUE(answered.starts_with("HTTP/1.1 200 OK\r\n")) << answered;
    EXPECT_TRUE(has("\r\n\r\n/a hi\nHTTP/1.1 200 OK\r\n")) << answered;
    EXPECT_TRUE(has("\r\n\r\n/b \nHTTP/1.1 400 Bad Request\r\n")) << answered;
    EXPECT_TRUE(has("Connection: close\r\n")) << answered;
    EXPECT_EQ(answer_bytes("GET / HTTP/1.1\r\nHo"), "");
}

}  // namespace
