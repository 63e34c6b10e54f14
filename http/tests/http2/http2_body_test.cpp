// SPDX-License-Identifier: MIT
// runs: once
#include "h2/stream.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <system_error>

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

/// Returns the error of a read; none if it has not failed.
std::error_code error_of_read(http2_body& from) {
    std::array<std::byte, 16> buffer{};
    const eddy::waker none;
    eddy::context cx(none);
    const auto count = from.poll_read(cx, buffer);
    return count && !*count ? count->error() : std::error_code();
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

TEST(Http2Body, ErrorFollowsReceivedBytes) {
    const auto mailbox = std::make_shared<http2_mailbox>();
    const auto body = std::make_shared<http2_body>(mailbox, 1, false);
    EXPECT_TRUE(body->append("abc"));
    body->finish(std::make_error_code(std::errc::io_error));
    EXPECT_FALSE(body->append("d"));
    EXPECT_EQ(read(*body, 2), 2U);
    EXPECT_EQ(body->news().consumed, 2U);
    EXPECT_EQ(read(*body, 2), 1U);
    EXPECT_EQ(error_of_read(*body), std::errc::io_error);
    EXPECT_EQ(body->detach(), 1U);  // the byte that news() has not reported
    EXPECT_EQ(error_of_read(*body), std::errc::io_error);
    mailbox->end();  // it has the body in its list, and the body owns it
}

TEST(Http2Body, BytesThatAreNeverReadAreReportedOnce) {
    const auto mailbox = std::make_shared<http2_mailbox>();
    const auto body = std::make_shared<http2_body>(mailbox, 1, false);
    EXPECT_TRUE(body->append("abc"));
    body->finish(std::make_error_code(std::errc::io_error));
    EXPECT_EQ(read(*body, 1), 1U);
    EXPECT_EQ(body->detach(), 3U);
    EXPECT_EQ(body->detach(), 0U);
    EXPECT_EQ(error_of_read(*body), std::errc::io_error);
    mailbox->end();  // it has the body in its list, and the body owns it
}

TEST(Http2Body, DroppedBodyIsReported) {
    const auto mailbox = std::make_shared<http2_mailbox>();
    const auto body = std::make_shared<http2_body>(mailbox, 1, true);
    EXPECT_EQ(error_of_read(*body), std::error_code());  // asks for "100 Continue"
    EXPECT_FALSE(body->news().is_dropped);
    static_cast<void>(mailbox->take());
    body->drop();
    EXPECT_EQ(mailbox->take().size(), 1U);
    EXPECT_TRUE(body->news().is_dropped);
}

TEST(Http2Body, DroppedBodyNeedsNoContinue) {
    const auto mailbox = std::make_shared<http2_mailbox>();
    const auto unasked = std::make_shared<http2_body>(mailbox, 1, true);
    unasked->drop();
    EXPECT_FALSE(unasked->ask());
    const auto asked = std::make_shared<http2_body>(mailbox, 3, true);
    EXPECT_EQ(error_of_read(*asked), std::error_code());
    asked->drop();
    EXPECT_FALSE(asked->news().asks);
    mailbox->end();
}

TEST(Http2Body, DropAfterTheEndOfTheConnectionKeepsNothingAlive) {
    const auto mailbox = std::make_shared<http2_mailbox>();
    auto body = std::make_shared<http2_body>(mailbox, 1, false);
    const std::weak_ptr<http2_body> seen = body;
    mailbox->end();
    body->drop();
    body.reset();
    EXPECT_TRUE(seen.expired());
}

}  // namespace
