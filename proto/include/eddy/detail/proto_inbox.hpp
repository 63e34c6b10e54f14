// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/detail/atomic.hpp>
#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/proto/message.hpp>
#include <eddy/result.hpp>

// The bodies that a connection receives: the task of the connection writes their chunks, and other tasks read them.

namespace eddy::detail {

/// What the reader of a body has done since the last news of this body.
struct body_news {
    std::uint64_t id;
    std::uint32_t read;  ///< the number of chunks that it has read
    bool is_dropped;     ///< whether the reader is gone
};

/// The state of a received body. All members except `id` are guarded by the lock of the inbox.
template <class Chunk>
struct inbox_body {
    explicit inbox_body(std::uint64_t number) noexcept : id(number) {}

    const std::uint64_t id;
    std::array<std::optional<Chunk>, proto::body_window>
        chunks;  // a ring; the reader destroys them after it is dropped
    std::size_t first = 0;
    std::size_t count = 0;
    std::uint32_t read = 0;   // since the last news
    bool has_ended = false;   // nothing is written any more
    bool is_dropped = false;  // nothing is read any more
    bool is_noted = false;    // there is an entry in the news
    std::error_code error;    // after the chunks, if it has ended with an error
    waker reader;
};

/// The mailbox between the task of a connection and the readers of the bodies that the connection receives.
///
/// - The connection writes chunks, and the end. It gets the news of each body whose reader has read half of the window,
///   or is gone. It is woken when there are news.
/// - A body has at most one entry in the news, and none after its end. Its entry is removed, and its counts are taken,
///   in one critical section. If the reader reads on, it makes another entry.
/// - There is memory for all entries before they are made, so that a reader can be dropped without an allocation.
///
/// Wakers and chunks are destroyed, cloned and woken without the lock.
/// Thread safety: any thread; one task writes, and one task reads each body.
template <class Chunk>
class body_inbox {
public:
    using body = std::shared_ptr<inbox_body<Chunk>>;

    // ---- For the connection ----

    body open(std::uint64_t id) {
        auto made = std::make_shared<inbox_body<Chunk>>(id);
        const std::lock_guard guard(lock_);
        news_.reserve(open_ + 1);
        ++open_;
        return made;
    }
    /// Writes a chunk. Returns false if there is no capacity for it. If the reader is gone, the chunk is destroyed.
    [[nodiscard]] bool put(inbox_body<Chunk>& into, Chunk& chunk) {
        waker woken;
        {
            const std::lock_guard guard(lock_);
            if (into.is_dropped) return true;
            if (into.count == proto::body_window) return false;
            into.chunks[(into.first + into.count) % proto::body_window].emplace(std::move(chunk));
            ++into.count;
            woken.swap(into.reader);
        }
        std::move(woken).wake();
        return true;
    }
    /// Ends a body. The reader gets `error` after the chunks, or the end if there is no error.
    void end(inbox_body<Chunk>& one, const std::error_code& error) noexcept {
        waker woken;
        {
            const std::lock_guard guard(lock_);
            one.has_ended = true;
            one.error = error;
            --open_;
            if (one.is_noted) std::erase(news_, &one);
            woken.swap(one.reader);
        }
        std::move(woken).wake();
    }
    /// Returns whether put() would fail.
    [[nodiscard]] bool is_full(const inbox_body<Chunk>& one) {
        const std::lock_guard guard(lock_);
        return !one.is_dropped && one.count == proto::body_window;
    }
    [[nodiscard]] bool is_dropped(const inbox_body<Chunk>& one) {
        const std::lock_guard guard(lock_);
        return one.is_dropped;
    }
    /// Returns and removes the news of one body. If there are none, the task of `cx` is woken when there are.
    std::optional<body_news> next_news(context& cx) {
        auto news = take_news();
        if (news) return news;
        waker mine = cx.waker();
        {
            const std::lock_guard guard(lock_);
            if (news_.empty()) {
                connection_.swap(mine);
                return std::nullopt;
            }
        }
        return take_news();
    }

    // ---- For the readers ----

    poll_result<std::optional<result<Chunk>>> poll_next(inbox_body<Chunk>& from, context& cx) {
        auto item = take_chunk(from);
        if (item) return item;
        waker mine = cx.waker();
        {
            const std::lock_guard guard(lock_);
            if (from.count == 0 && !from.has_ended) {
                from.reader.swap(mine);
                return not_ready;
            }
        }
        return take_chunk(from);
    }
    void drop(inbox_body<Chunk>& one) noexcept {
        waker woken;
        waker reader;
        {
            const std::lock_guard guard(lock_);
            one.is_dropped = true;
            reader.swap(one.reader);
            note(one, woken);
        }
        std::move(woken).wake();
        for (auto& chunk : one.chunks) chunk.reset();  // put() writes no more of them
    }

private:
    poll_result<std::optional<result<Chunk>>> take_chunk(inbox_body<Chunk>& from) {
        using item = std::optional<result<Chunk>>;
        waker woken;
        std::optional<Chunk> chunk;
        {
            const std::lock_guard guard(lock_);
            if (from.count == 0) {
                if (!from.has_ended) return not_ready;
                const std::error_code error = std::exchange(from.error, std::error_code());
                if (error) return item(std::unexpected(error));
                return item();
            }
            chunk.swap(from.chunks[from.first]);
            from.first = (from.first + 1) % proto::body_window;
            --from.count;
            if (++from.read >= proto::body_window / 2) note(from, woken);
        }
        std::move(woken).wake();
        return item(*std::move(chunk));
    }

    /// Makes an entry in the news, unless there is one, or the body has ended. Called with the lock.
    void note(inbox_body<Chunk>& one, waker& woken) noexcept {
        if (one.is_noted || one.has_ended) return;
        one.is_noted = true;
        news_.push_back(&one);  // open() has reserved the memory
        woken.swap(connection_);
    }
    std::optional<body_news> take_news() {
        const std::lock_guard guard(lock_);
        if (news_.empty()) return std::nullopt;
        inbox_body<Chunk>& noted = *news_.back();
        news_.pop_back();
        noted.is_noted = false;
        return body_news{noted.id, std::exchange(noted.read, 0), noted.is_dropped};
    }

    mutex lock_;
    // Guarded by lock_:
    // Only bodies that have not ended, so that they exist. There is a capacity for all of these.
    std::vector<inbox_body<Chunk>*> news_;
    std::size_t open_ = 0;  // bodies that have not ended
    waker connection_;
};

/// The reader of a received body: a stream of its chunks.
/// Cancel safety: safe.
/// Thread safety: one thread at a time.
template <class Chunk>
class body_reader {
public:
    using item_type = result<Chunk>;

    body_reader(std::shared_ptr<body_inbox<Chunk>> inbox, std::shared_ptr<inbox_body<Chunk>> from) noexcept
        : inbox_(std::move(inbox)), body_(std::move(from)) {}
    body_reader(body_reader&&) noexcept = default;
    body_reader& operator=(body_reader&&) = delete;
    ~body_reader() {
        if (body_) inbox_->drop(*body_);
    }

    poll_result<std::optional<item_type>> poll_next(context& cx) { return inbox_->poll_next(*body_, cx); }

private:
    std::shared_ptr<body_inbox<Chunk>> inbox_;
    std::shared_ptr<inbox_body<Chunk>> body_;
};

/// The end of a received body at which the connection writes. If it is destroyed before end(), the body fails with
/// errc::connection_closed.
/// Thread safety: one thread at a time.
template <class Chunk>
class body_writer {
public:
    /// Opens a body.
    body_writer(const std::shared_ptr<body_inbox<Chunk>>& inbox, std::uint64_t id)
        : inbox_(inbox), body_(inbox->open(id)) {}
    body_writer(body_writer&&) noexcept = default;
    body_writer& operator=(body_writer&&) = delete;
    ~body_writer() {
        if (body_) inbox_->end(*body_, make_error_code(errc::connection_closed));
    }

    /// Returns the body for the reader. Call it once.
    [[nodiscard]] proto::body<Chunk> reader() const { return body_reader<Chunk>(inbox_, body_); }

    /// See body_inbox.
    [[nodiscard]] bool put(Chunk& chunk) { return inbox_->put(*body_, chunk); }
    [[nodiscard]] bool is_full() const { return inbox_->is_full(*body_); }
    [[nodiscard]] bool is_dropped() const { return inbox_->is_dropped(*body_); }
    /// Ends the body. Nothing is called afterwards.
    void end(const std::error_code& error = std::error_code()) noexcept {
        inbox_->end(*body_, error);
        body_.reset();
    }

private:
    std::shared_ptr<body_inbox<Chunk>> inbox_;
    std::shared_ptr<inbox_body<Chunk>> body_;
};

}  // namespace eddy::detail
