// SPDX-License-Identifier: MIT
// The mailbox between the task of a connection and the readers of its bodies: no chunk, no end and no news is lost, and
// news that are made while others are taken arrive.
// covers: S92
#include <eddy/detail/proto_inbox.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "explore/explore.hpp"
#include "explore/sleeping_task.hpp"

namespace {

using eddy::detail::body_inbox;
using explore::check;
using explore::holds;
using explore::sleeping_task;
using inbox = body_inbox<int>;

/// Returns the next item of a body, as an awaiting task does.
std::optional<eddy::result<int>> next(inbox& of, eddy::detail::inbox_body<int>& from, sleeping_task& task) {
    for (;;) {
        const eddy::waker waker = task.waker();
        eddy::context cx(waker);
        auto item = of.poll_next(from, cx);
        if (item) return *std::move(item);
        task.sleep();
    }
}
/// Returns the next news, as the task of a connection does.
eddy::detail::body_news next_news(inbox& of, sleeping_task& task) {
    for (;;) {
        const eddy::waker waker = task.waker();
        eddy::context cx(waker);
        if (const auto news = of.next_news(cx)) return *news;
        task.sleep();
    }
}

TEST(ExploreBodyInbox, ReaderGetsChunksAndEnd) {
    EXPECT_TRUE(holds({.preemptions = 2}, [] {
        const auto of = std::make_unique<inbox>();
        sleeping_task reader;
        const auto body = of->open(1);
        explore::thread connection([&] {
            int chunk = 7;
            check(of->put(*body, chunk), "there is capacity");
            of->end(*body, std::make_error_code(std::errc::io_error));
        });
        const auto first = next(*of, *body, reader);
        check(first && *first && **first == 7, "the chunk arrives");
        const auto last = next(*of, *body, reader);
        check(last && !*last, "the error arrives after the chunk");
    }));
}

TEST(ExploreBodyInbox, NewsDuringNewsAreNotLost) {
    EXPECT_TRUE(holds({.preemptions = 2}, [] {
        const auto of = std::make_unique<inbox>();
        sleeping_task connection;
        const auto body = of->open(1);
        for (int i = 0; i < 16; ++i) {
            int chunk = i;
            check(of->put(*body, chunk), "there is capacity");
        }
        explore::thread reading([&] {
            sleeping_task reader;
            for (int i = 0; i < 16; ++i) static_cast<void>(next(*of, *body, reader));
            of->drop(*body);
        });
        std::uint32_t read = 0;
        bool is_dropped = false;
        while (!is_dropped) {
            const auto news = next_news(*of, connection);
            read += news.read;
            is_dropped = news.is_dropped;
        }
        check(read == 16, "every chunk is counted once");
        check(of->is_dropped(*body), "the reader is gone");
    }));
}

TEST(ExploreBodyInbox, BodyMayEndWhileItsReaderMakesNews) {
    EXPECT_TRUE(holds({.preemptions = 2}, [] {
        const auto of = std::make_unique<inbox>();
        sleeping_task connection;
        auto body = of->open(1);
        auto other = of->open(2);
        explore::thread reading([&] {
            of->drop(*body);
            of->drop(*other);
        });
        of->end(*body, std::error_code());
        auto news = next_news(*of, connection);
        if (news.id == 1) news = next_news(*of, connection);
        check(news.id == 2 && news.is_dropped, "the news of the other body arrive");
    }));
}

TEST(ExploreBodyInbox, DropDuringPutDestroysChunk) {
    EXPECT_TRUE(holds({.preemptions = 2}, [] {
        const auto of = std::make_unique<body_inbox<std::unique_ptr<int>>>();
        const auto body = of->open(1);
        explore::thread connection([&] {
            auto chunk = std::make_unique<int>(1);
            check(of->put(*body, chunk), "a chunk without a reader is accepted");
            of->end(*body, std::error_code());
        });
        of->drop(*body);
    }));
}

}  // namespace
