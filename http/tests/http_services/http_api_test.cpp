// SPDX-License-Identifier: MIT
// The example http_api, with curl as the client.
#ifdef EDDY_TEST_HTTP_EXAMPLES
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "support/curl.hpp"
#include "support/net.hpp"
#include "support/process.hpp"

namespace {

using support::curl;
using support::process;

/// The server, and the URL of a path.
class running_api {
public:
    [[nodiscard]] std::string url(const std::string& path) const { return base_ + path; }
    /// Ends the server, and expects that it has reported no error.
    void end() {
        server_.signal(SIGINT);
        const auto ended = server_.wait();
        EXPECT_EQ(ended.code, 0);
        EXPECT_EQ(ended.err, "");
    }

private:
    process server_{{"http_api", "127.0.0.1:0", "https://app.example"}};
    std::string base_ = "http://" + support::addr_in(server_.line()).to_string();
};

#define NEEDS_CURL() \
    if (::access("/usr/bin/curl", X_OK) != 0) GTEST_SKIP() << "Debian's package curl is not installed"

TEST(HttpApi, PagesOfAnotherOriginUseIt) {
    NEEDS_CURL();
    running_api api;
    const auto preflight = curl({"-i", "-X", "OPTIONS", "-H", "Origin: https://app.example", "-H",
                                 "Access-Control-Request-Method: PUT", api.url("/notes/monday")});
    EXPECT_TRUE(preflight.out.starts_with("HTTP/1.1 204 No Content\r\n")) << preflight.out;
    EXPECT_TRUE(preflight.out.contains("\r\nAccess-Control-Allow-Origin: https://app.example\r\n")) << preflight.out;
    EXPECT_EQ(curl({"-X", "PUT", "-d", "buy tea", api.url("/notes/monday")}).code, 0);
    const auto got =
        curl({"-i", "-H", "Origin: https://app.example", "-H", "X-Request-Id: 7", api.url("/notes/monday")});
    EXPECT_TRUE(got.out.contains("\r\nAccess-Control-Allow-Origin: https://app.example\r\n")) << got.out;
    EXPECT_TRUE(got.out.contains("\r\nX-Request-Id: 7\r\n")) << got.out;
    EXPECT_TRUE(got.out.ends_with("\r\n\r\nbuy tea\n")) << got.out;
    api.end();
}

}  // namespace
#endif
