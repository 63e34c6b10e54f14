// SPDX-License-Identifier: MIT
// One cookie jar on several threads.
// runs: tsan
#include <eddy/http/cookie_jar.hpp>

#include <eddy/http/headers.hpp>
#include <eddy/http/url.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <thread>
#include <vector>

namespace {

namespace http = eddy::http;

TEST(HttpCookieThreads, StressJarIsUsedOnSeveralThreads) {
    http::cookie_jar jar(http::cookie_jar_options().max_cookies(20).max_per_domain(5));
    const auto use = [&](int number) {
        const auto site = http::url::parse("http://host" + std::to_string(number % 2) + ".test/").value();
        for (int i = 0; i < 500; ++i) {
            http::headers fields;
            fields.add("Set-Cookie", "n" + std::to_string(i % 9) + "=" + std::to_string(number));
            jar.receive(site, fields);
            EXPECT_FALSE(jar.cookies_for(site).empty());
            if (i % 50 == 0) jar.load(jar.snapshot());
        }
    };
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back(use, i);
    threads.clear();
    EXPECT_EQ(jar.snapshot().size(), std::size_t{10});
}

}  // namespace
