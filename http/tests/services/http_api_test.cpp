// SPDX-License-Identifier: MIT
// The example http_api, with curl as the client.
#ifdef EDDY_TEST_HTTP_EXAMPLES
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <eddy/net.hpp>

#include <csignal>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "support/http/curl.hpp"
#include "support/net.hpp"
#include "support/process.hpp"
#include "support/runtime.hpp"
#include "support/temp_dir.hpp"

namespace {

using support::curl;
using support::process;

/// The server, and requests of curl to it.
class running_api {
public:
    /// Returns what curl prints.
    [[nodiscard]] std::string get(const std::string& path, std::vector<std::string> arguments = {}) const {
        arguments.push_back(base_ + path);
        const auto got = curl(std::move(arguments));
        EXPECT_EQ(got.code, 0) << got.err;
        return got.out;
    }
    /// Same, for requests with the token.
    [[nodiscard]] std::string get_private(const std::string& path, std::vector<std::string> arguments = {}) const {
        arguments.insert(arguments.end(), {"-H", "Authorization: Bearer secret"});
        return get(path, std::move(arguments));
    }
    [[nodiscard]] std::string status_of_file(int id) const {
        return get_private("/files/" + std::to_string(id), {"-o", "/dev/null", "-w", "%{http_code}"});
    }
    /// Returns a connection to the server.
    [[nodiscard]] support::raw_socket connected() const { return support::raw_socket::connected(addr_); }
    void signal() { server_.signal(SIGINT); }
    auto wait() { return server_.wait(); }
    /// Ends the server, and returns its log.
    std::string end() {
        signal();
        const auto ended = wait();
        EXPECT_EQ(ended.code, 0);
        return ended.err;
    }

private:
    process server_{{"http_api", "127.0.0.1:0", "https://app.example", "1000000"}};
    eddy::net::socket_addr addr_ = support::addr_in(server_.line());
    std::string base_ = "http://" + addr_.to_string();
};

TEST(HttpApi, PagesOfAnotherOriginUseIt) {
    running_api api;
    const auto preflight = api.get("/notes", {"-i", "-X", "OPTIONS", "-H", "Origin: https://app.example", "-H",
                                              "Access-Control-Request-Method: POST"});
    EXPECT_TRUE(preflight.starts_with("HTTP/1.1 204 No Content\r\n")) << preflight;
    EXPECT_TRUE(preflight.contains("\r\nAccess-Control-Allow-Origin: https://app.example\r\n")) << preflight;
    const auto refused = api.get("/notes", {"-i", "-H", "Origin: https://app.example", "-H", "X-Request-Id: 7"});
    EXPECT_TRUE(refused.starts_with("HTTP/1.1 401 Unauthorized\r\n")) << refused;
    EXPECT_TRUE(refused.contains("\r\nAccess-Control-Allow-Origin: https://app.example\r\n")) << refused;
    EXPECT_TRUE(refused.contains("\r\nWWW-Authenticate: Bearer realm=\"notes\"\r\n")) << refused;
    EXPECT_TRUE(refused.contains("\r\nX-Request-Id: 7\r\n")) << refused;
    EXPECT_TRUE(refused.contains("\r\nServer-Timing: app;dur=")) << refused;
    const auto log = api.end();
    EXPECT_TRUE(log.contains(R"("method":"GET","target":"/notes","version":"1.1","status":401,"bytes":18,)")) << log;
    EXPECT_TRUE(log.contains("\"id\":\"7\"}\n")) << log;
}

TEST(HttpApi, HealthCheckFailsWhileConnectionsAreStillAccepted) {
    running_api api;
    const auto health = [&] {
        const auto client = api.connected();
        client.send("GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        return client.receive(1000).substr(0, 12);
    };
    EXPECT_EQ(health(), "HTTP/1.1 200");
    api.signal();
    EXPECT_TRUE(support::spin_until([&] { return health() == "HTTP/1.1 503"; }));
    EXPECT_EQ(api.wait().code, 0);
}

TEST(HttpApi, NotesAreJson) {
    running_api api;
    const auto post = [&](std::string body, const std::string& type = "application/json") {
        return api.get_private("/notes", {"-d", std::move(body), "-H", "Content-Type: " + type});
    };
    EXPECT_EQ(post(R"({"text": "buy tea"})"), "{\"id\":1,\"text\":\"buy tea\"}\n");
    EXPECT_EQ(api.get_private("/notes/1"), "{\"id\":1,\"text\":\"buy tea\"}\n");
    EXPECT_EQ(api.get_private("/notes?limit=1"), "[{\"id\":1,\"text\":\"buy tea\"}]\n");
    EXPECT_EQ(api.get_private("/notes?limit=0"), "[]\n");
    EXPECT_EQ(api.get_private("/notes/2"), "no such note\n");
    EXPECT_EQ(api.get_private("/notes/x"), "parameter \"id\": an integer from -2147483648 to 2147483647 is needed\n");
    EXPECT_EQ(api.get_private("/notes?limit=-1"), "parameter \"limit\": an integer from 0 to 4294967295 is needed\n");
    EXPECT_TRUE(post("{}").contains("key 'text' not found")) << post("{}");
    EXPECT_EQ(post("{}", "text/plain"), "a body of the type application/json is needed\n");
    api.end();
}

TEST(HttpApi, FormsAreImported) {
    running_api api;
    EXPECT_EQ(api.get_private("/import", {"-F", "note=buy tea", "-F", "note=buy \"milk\";type=a/b"}),
              "{\"imported\":2}\n");
    EXPECT_EQ(api.get_private("/notes/2"), "{\"id\":2,\"text\":\"buy \\\"milk\\\"\"}\n");
    const std::vector<std::string> status = {"-o", "/dev/null", "-w", "%{http_code}"};
    const auto status_of = [&](std::vector<std::string> arguments) {
        arguments.insert(arguments.end(), status.begin(), status.end());
        return api.get_private("/import", std::move(arguments));
    };
    EXPECT_EQ(status_of({"-F", "note=" + std::string(1001, 'x')}), "413");
    EXPECT_EQ(status_of({"-d", "note=x"}), "400");
    EXPECT_EQ(status_of({"-F", "other=x"}), "400");
    const auto log = api.end();
    EXPECT_TRUE(log.contains(R"("target":"/import","version":"1.1","status":413,)")) << log;
    EXPECT_TRUE(log.contains(R"("target":"/import","version":"1.1","status":400,)")) << log;
}

TEST(HttpApi, FilesAreStored) {
    running_api api;
    const support::temp_dir folder;
    const auto path = folder / "photo";
    const std::string photo(1 << 20, 'x');
    std::ofstream(path) << photo;
    EXPECT_EQ(api.get_private("/files", {"-F", "file=@" + path, "-F", "file=@/dev/null"}),
              "[{\"bytes\":1048576,\"id\":1},{\"bytes\":0,\"id\":2}]\n");
    EXPECT_TRUE(api.get_private("/files/1") == photo);
    EXPECT_EQ(api.get_private("/files/2"), "");
    EXPECT_EQ(api.get_private("/files", {"-F", "file=x"}), "the form has another part than files \"file\"\n");
    std::ofstream(path) << std::string((8 << 20) + 1, 'x');
    EXPECT_EQ(api.get_private("/files", {"-F", "file=@" + path}), "a file has at most 8 MiB\n");
    EXPECT_EQ(api.status_of_file(3), "404");
    api.end();
}

TEST(HttpApi, FilesOfRefusedFormsAreRemoved) {
    running_api api;
    const support::temp_dir folder;
    const auto small = "file=@" + (folder / "small");
    const auto large = "file=@" + (folder / "large");
    std::ofstream(folder / "small") << "hello";
    std::ofstream(folder / "large") << std::string((8 << 20) + 1, 'x');
    EXPECT_EQ(api.get_private("/files", {"-F", small, "-F", large}), "a file has at most 8 MiB\n");
    EXPECT_EQ(api.get_private("/files", {"-F", small, "-F", "file=x"}),
              "the form has another part than files \"file\"\n");
    for (int id = 1; id != 4; ++id) EXPECT_EQ(api.status_of_file(id), "404") << id;
    EXPECT_EQ(api.get_private("/files", {"-F", small}), "[{\"bytes\":5,\"id\":4}]\n");
    EXPECT_EQ(api.status_of_file(4), "200");
    api.end();
}

TEST(HttpApi, FileOfAClientThatGoesAwayIsRemoved) {
    running_api api;
    auto client = api.connected();
    client.send(
        "POST /files HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer secret\r\nContent-Length: 1000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        "--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nhello");
    EXPECT_TRUE(support::spin_until([&] { return api.status_of_file(1) == "200"; }));
    client.close();
    EXPECT_TRUE(support::spin_until([&] { return api.status_of_file(1) == "404"; }));
    api.end();
}

/// The methods and paths of the routes in the program's source.
std::set<std::string> routes_in_source() {
    std::ifstream file(EDDY_HTTP_API_SOURCE);
    const std::string text(std::istreambuf_iterator<char>(file), {});
    const std::regex route(R"re(\.(get|post|put|patch|del)\("(/[^"]*)")re");
    std::set<std::string> routes;
    for (std::sregex_iterator each(text.begin(), text.end(), route), end; each != end; ++each) {
        const std::string method = (*each)[1] == "del" ? "delete" : (*each)[1].str();
        routes.insert(method + " " + (*each)[2].str());
    }
    return routes;
}

TEST(HttpApi, DescriptionHasAllRoutes) {
    running_api api;
    const auto description = nlohmann::json::parse(api.get("/openapi.json"));
    std::set<std::string> described;
    for (const auto& [path, operations] : description.at("paths").items())
        for (const auto& operation : operations.items())
            if (operation.key() != "parameters") described.insert(operation.key() + " " + path);
    EXPECT_EQ(described, routes_in_source());
    EXPECT_EQ(described.size(), 11U);
    api.end();
}

TEST(HttpApi, CookieCountsVisits) {
    running_api api;
    const auto first = api.get("/visits", {"-i"});
    EXPECT_TRUE(first.ends_with("\r\n\r\nvisit 1\n")) << first;
    const auto begin = first.find("Set-Cookie: visits=1.") + 12;
    const auto cookie = first.substr(begin, first.find(';', begin) - begin);
    EXPECT_EQ(api.get("/visits", {"-H", "Cookie: a=b; " + cookie}), "visit 2\n");
    EXPECT_EQ(api.get("/visits", {"-H", "Cookie: visits=9" + cookie.substr(8)}), "visit 1\n") << "it was changed";
    api.end();
}

TEST(HttpApi, RefusedRequestsAreLogged) {
    running_api api;
    EXPECT_EQ(api.get("/notes", {"-o", "/dev/null", "-w", "%{http_code}", "-H", "X: " + std::string(20'000, 'x')}),
              "431");
    const auto log = api.end();
    EXPECT_TRUE(log.contains(R"("client":"127.0.0.1","method":"GET","target":"/notes","status":431})")) << log;
}

}  // namespace
#endif
