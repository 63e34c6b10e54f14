// SPDX-License-Identifier: MIT
// An HTTP service for programs and for pages of another origin: notes in JSON and files, with what a service on the web
// has besides: users, forms, cookies, limits, a log, metrics, and a description for tools (OpenAPI 3.1).
//     $ ./http_api 127.0.0.1:8080 https://app.example
//     $ curl -H 'Authorization: Bearer secret' --json '{"text": "buy tea"}' http://127.0.0.1:8080/notes
//     {"id":1,"text":"buy tea"}
//     $ curl -H 'Authorization: Bearer secret' 'http://127.0.0.1:8080/notes?limit=10'
//     [{"id":1,"text":"buy tea"}]
//     $ curl -H 'Authorization: Bearer secret' -F 'note=buy milk' -F 'note=<list.txt' http://127.0.0.1:8080/import
//     {"imported":2}
//     $ curl -H 'Authorization: Bearer secret' -F 'file=@photo.jpg' http://127.0.0.1:8080/files
//     [{"bytes":48213,"id":1}]
//     $ curl http://127.0.0.1:8080/openapi.json
// The log is on standard error. The third argument is the number of requests that a client may send in a minute.
#include <eddy/fs.hpp>
#include <eddy/http.hpp>
#include <eddy/http/json.hpp>
#include <eddy/prelude.hpp>

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
namespace fs = eddy::fs;
namespace http = eddy::http;
namespace io = eddy::io;
namespace net = eddy::net;
using eddy::result;
using eddy::task;
using eddy::try_;
using nlohmann::json;

// The file http_api/openapi.json, which CMake makes a string literal.
constexpr std::string_view description =
#include "openapi.json.inc"
    ;

// ---- Notes ----

// All handlers run on one event loop, so the notes need no lock.
class notes {
public:
    int add(std::string text) {
        all_.emplace(++last_, std::move(text));
        return last_;
    }
    bool remove(int id) { return all_.erase(id) != 0; }
    [[nodiscard]] const std::string* find(int id) const {
        const auto found = all_.find(id);
        return found == all_.end() ? nullptr : &found->second;
    }
    [[nodiscard]] const std::map<int, std::string>& all() const { return all_; }

private:
    std::map<int, std::string> all_;
    int last_ = 0;
};

http::response refuse(std::string_view why) { return http::response::text(why, http::status::bad_request); }

json to_json(int id, const std::string& text) {
    json value;
    value["id"] = id;
    value["text"] = text;
    return value;
}

// docs: json
/// The body of a new note: {"text": "buy tea"}.
struct new_note {
    std::string text;

    new_note() {}  // not an aggregate: GCC 12 destroys one twice in a coroutine
};
void from_json(const json& from, new_note& to) { from.at("text").get_to(to.text); }

task<result<http::response>> add_note(notes& all, http::request asked) {
    auto made = co_await try_(http::read_json<new_note>(asked, 64 << 10));
    if (!made) co_return std::move(made.error());  // 400 or 415, with the reason
    const int id = all.add(made->text);
    auto answer = http::json_response(to_json(id, made->text), http::status::created);
    answer.headers.add("Location", "/notes/" + std::to_string(id));
    co_return answer;
}

task<http::response> list_notes(const notes& all, http::request asked) {
    auto limit = http::query_parameter<unsigned>(asked, "limit", 100);
    if (!limit) co_return std::move(limit.error());  // 400: parameter "limit": an integer from 0 to ... is needed
    auto list = json::array();
    for (const auto& [id, text] : all.all()) {
        if (list.size() == *limit) break;
        list.push_back(to_json(id, text));
    }
    co_return http::json_response(list);
}
// docs: end

task<http::response> get_note(const notes& all, http::request asked) {
    auto id = http::path_parameter<int>(asked, "id");
    if (!id) co_return std::move(id.error());
    const auto* const text = all.find(*id);
    if (text == nullptr) co_return http::response::text("no such note\n", http::status::not_found);
    co_return http::json_response(to_json(*id, *text));
}

task<http::response> remove_note(notes& all, http::request asked) {
    auto id = http::path_parameter<int>(asked, "id");
    if (!id) co_return std::move(id.error());
    if (!all.remove(*id)) co_return http::response::text("no such note\n", http::status::not_found);
    co_return http::response(http::status::no_content);
}

// docs: form
/// Adds a note for each field or file "note" of a form. A note has at most 1,000 bytes.
task<result<http::response>> import_notes(notes& all, http::request asked) {
    http::multipart form(asked);
    int count = 0;
    while (auto part = co_await try_(form.next())) {
        if (part->name != "note") co_return refuse("the form has another field than \"note\"\n");
        all.add(co_await try_(part->body.read_text(1000)));
        ++count;
    }
    if (count == 0) co_return refuse("the form has no field \"note\"\n");
    json answer;
    answer["imported"] = count;
    co_return http::json_response(answer);
}
// docs: end

// ---- Files ----

/// A folder of files that have numbers as names. The names that clients send are not used.
struct uploads {
    std::filesystem::path folder;
    int last = 0;

    explicit uploads(std::filesystem::path in) : folder(std::move(in)) {}
    [[nodiscard]] std::filesystem::path path_of(int id) const { return folder / std::to_string(id); }
};

constexpr std::uint64_t most_of_file = 8 << 20;
constexpr auto too_large = http::status::content_too_large;

// docs: upload
/// The files of a request. The destructor removes them, unless keep() was called: if the request fails, and also if its
/// client goes away, which destroys the coroutine. A destructor cannot await, so it blocks for the short time that this
/// takes.
class unfinished_files {
public:
    unfinished_files() = default;
    unfinished_files(const unfinished_files&) = delete;
    unfinished_files& operator=(const unfinished_files&) = delete;
    ~unfinished_files() {
        std::error_code ignored;
        for (const auto& path : paths_) std::filesystem::remove(path, ignored);
    }

    void add(std::filesystem::path path) { paths_.push_back(std::move(path)); }
    void keep() { paths_.clear(); }

private:
    std::vector<std::filesystem::path> paths_;
};

/// Stores the files of a form while they arrive, so a file of any size takes little memory.
task<result<http::response>> store_files(uploads& all, http::request asked) {
    http::multipart form(asked, http::multipart_options().max_parts(50));
    auto stored = json::array();
    unfinished_files files;
    while (auto part = co_await try_(form.next())) {
        if (part->name != "file" || !part->filename)
            co_return refuse("the form has another part than files \"file\"\n");
        const int id = ++all.last;
        files.add(all.path_of(id));
        auto file = co_await try_(fs::file::create_new(all.path_of(id)));
        auto content = io::take(std::ref(part->body), most_of_file + 1);
        const auto bytes = co_await try_(io::copy(content, file));  // an error is answered with 400 or 408
        if (bytes > most_of_file) co_return http::response::text("a file has at most 8 MiB\n", too_large);
        json one;
        one["id"] = id;
        one["bytes"] = bytes;
        stored.push_back(std::move(one));
    }
    if (stored.empty()) co_return refuse("the form has no file\n");
    files.keep();
    co_return http::json_response(stored, http::status::created);
}
// docs: end

// ---- Users ----

// docs: cookie
/// Counts the visits of a browser, in a cookie that it cannot change.
task<http::response> count_visits(http::cookie_key key, http::request asked) {
    const std::string before(key.value(asked.headers, "visits").value_or("0"));
    const auto visits = std::to_string(std::stoi(before) + 1);
    auto answer = http::response::text("visit " + visits + "\n");
    answer.headers.add("Set-Cookie", key.sign("visits", visits).max_age(24h * 365).to_string());
    co_return answer;
}
// docs: end

/// Adds what only users with the token may call.
void add_private_routes(http::router& app, notes& all, uploads& files) {
    // docs: auth
    const auto has_token = [](const http::request&, std::string_view token) -> task<http::access> {
        co_return http::equal_secrets(token, "secret") ? http::access::granted : http::access::unknown;
    };
    const auto for_users = http::bearer_auth(has_token, "notes");
    app.get("/notes", for_users([&all](http::request asked) { return list_notes(all, std::move(asked)); }));
    // docs: end
    app.post("/notes", for_users([&all](http::request asked) { return add_note(all, std::move(asked)); }));
    app.get("/notes/{id}", for_users([&all](http::request asked) { return get_note(all, std::move(asked)); }));
    app.del("/notes/{id}", for_users([&all](http::request asked) { return remove_note(all, std::move(asked)); }));
    app.post("/import", for_users([&all](http::request asked) { return import_notes(all, std::move(asked)); }));
    app.post("/files", for_users([&files](http::request asked) { return store_files(files, std::move(asked)); }));
    app.get("/files/{id}", for_users(http::files(files.folder)));
}

/// What everyone may call.
http::router public_routes() {
    http::router app;
    const http::cookie_key key("a secret of a real service is random, and not in its source");
    app.get("/visits", [key](http::request asked) { return count_visits(key, std::move(asked)); });
    app.get("/openapi.json", [](http::request) -> task<http::response> {
        co_return http::response::of_type("application/json", description);
    });
    return app;
}

// ---- The server ----

/// Writes the lines of the log that were collected in the buffer of standard error: a system call for each line would
/// take longer than the line.
task<void> write_log() {
    std::setvbuf(stderr, nullptr, _IOFBF, 64 << 10);
    for (;;) {
        std::fflush(stderr);
        co_await eddy::time::sleep(100ms);
    }
}

task<result<void>> run_server(std::string where, std::string origin, unsigned requests) {
    const auto ending = co_await try_(eddy::signal::shutdown_token());  // Ctrl-C and SIGTERM, from here on
    // Later, so that a load balancer sees the answer 503 of /health before it is refused.
    const auto end = eddy::signal::shutdown_delayed(ending, 2s);
    notes all;
    uploads files(co_await try_(fs::temp_dir()));
    const http::metrics counters;
    auto routes = public_routes();
    routes.get("/health", http::health(ending)).get("/metrics", counters.endpoint());
    add_private_routes(routes, all, files);
    // docs: layers
    const http::access_log log(http::log_format::json, [](std::string_view line) {
        // One call for the line and its end: another thread may write a line at the same time.
        std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
    });
    const auto pages = http::cors_options()
                           .origin(origin)
                           .credentials(true)
                           .headers("Authorization, Content-Type")
                           .exposed_headers("X-Request-Id")
                           .max_age(10min);
    const auto app = routes | http::client_limit(http::client_limit_options(requests, 1min)) | http::compress() |
                     http::server_timing() | http::cors(pages) | log.layer() | http::request_id();
    auto options = http::serve_options().body_limit(32 << 20).body_timeout(1min);
    options.on_refused(log.refusals()).metrics(counters);
    // docs: end
    const auto writing = eddy::spawn(write_log());
    auto listener = co_await try_(net::tcp_listener::bind(where));
    std::printf("listening on %s\n", listener.local_addr().value().to_string().c_str());
    std::fflush(stdout);
    options.max_connections(1000).shutdown(end).drain(5s);
    co_await try_(http::serve(std::move(listener), app, std::move(options)));
    writing.abort();
    co_await try_(fs::remove_all(files.folder));
    co_return eddy::ok();
}

}  // namespace

int main(int argc, char** argv) {
    eddy::core core;
    auto serving = run_server(argc > 1 ? argv[1] : "127.0.0.1:8080", argc > 2 ? argv[2] : "https://app.example",
                              argc > 3 ? static_cast<unsigned>(std::stoul(argv[3])) : 1000);
    const auto ended = core.run(std::move(serving));
    if (ended) return 0;
    std::fprintf(stderr, "http_api: %s\n", ended.error().message().c_str());
    return 1;
}
