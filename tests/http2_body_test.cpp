// SPDX-License-Identifier: MIT
#include "http/http2_body.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <memory>
#include <span>

#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>

namespace {

using eddy::detail::http2_body;
using eddy::detail::http2_mailbox;

/// Reads at most `most` bytes, and returns how many.
std::size_t read(http2_body& from, std::size_t most) {
    std::array<std::byte, 16> buffer{};
    const eddy::waker none;
    eddy::context cx(none);
    const auto count = from.poll_read(cx, std::span(buffer).first(most));
    return count && *count ? **count : 0;
}

TEST(Http2Body, ReadBeforeTheEndOfTheConnectionKeepsNothingAlive) {
    auto mailbox = std::make_shared<http2_mailbox>();
    auto body = std::make_shared<http2_body>(mailbox, 1, false);
    const std::weak_ptr<http2_body> seen = body;
    EXPECT_TRUE(body->append("abc"));
    EXPECT_EQ(read(*body, 1), 1U);
    mailbox->end();
    body.reset();
    EXPECT_TRUE(seen.expired());
}

TEST(Http2Body, ReadAfterTheEndOfTheConnectionKeepsNothingAlive) {
    auto mailbox = std::make_shared<http2_mailbox>();
    auto body = std::make_shared<http2_body>(mailbox, 1, false);
    const std::weak_ptr<http2_body> seen = body;
    EXPECT_TRUE(body->append("abc"));
    body->finish();
    mailbox->end();
    EXPECT_EQ(read(*body, 16), 3U);
    body.reset();
    EXPECT_TRUE(seen.expired());
}

}  // namespace
