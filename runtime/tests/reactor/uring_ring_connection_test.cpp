// SPDX-License-Identifier: MIT
// The state machine of a ring connection: what other threads and wakers do to a stream between two steps of the thread
// that owns the ring. The tests drive the parts of an event loop step by step.
// runs: once, asan, tsan, ring
#include <gtest/gtest.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/runtime/reactor.hpp>

#include "reactor/io_handle.hpp"
#include "reactor/ring/chunk_queue.hpp"
#include "reactor/ring/ring_connection.hpp"
#include "reactor/ring/send_buffer.hpp"
#include "reactor/ring/uring.hpp"
#include "support/net.hpp"
#include "support/polling.hpp"
#include "support/runtime.hpp"
#include "support/runtime/ring_parts.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::detail::io_handle;
using eddy::detail::ring_connection;
using support::add_to;
using support::owned_io;
using support::raw_socket;

/// Returns another driver with a ring on this thread. It sends the remaining data of a stream.
owned_io make_sender() {
    owned_io made(io_handle::make(eddy::driver_kind::io_uring).value());
    EXPECT_TRUE(made->tick(0ms).has_value());
    return made;
}

/// Calls a function during a driver tick, when the tick processes the byte of trigger(): after a send, and before the
/// result of the send is processed.
class call_in_turn {
public:
    call_in_turn(io_handle& owner, std::function<void()> f)
        : owner_(owner), stream_(add_to(owner, pair_)), calls_(std::move(f)) {
        EXPECT_EQ(stream_.take(*owner.ring(), 0).what, ring_connection::received::nothing);
    }
    call_in_turn(const call_in_turn&) = delete;
    call_in_turn& operator=(const call_in_turn&) = delete;
    ~call_in_turn() { owner_.ring()->close(stream_); }

    /// Reports data from now on. Data that arrived before is not reported.
    void arm() { support::call_when_ready(stream_, calls_); }
    void trigger() const { pair_.peer.send("!"); }
    /// Waits until the data of trigger() has arrived.
    void wait_until_received() const { raw_socket(::dup(pair_.stream.native_handle())).wait_for(POLLIN); }

private:
    const support::connection pair_;
    io_handle& owner_;
    ring_connection& stream_;
    support::calling_waker calls_;
};

class UringRingConnection : public support::ring_test {
protected:
    ring_connection& add() { return add_to(*io, pair); }

    /// Submits the write to the ring of the driver `by`.
    [[nodiscard]] eddy::result<std::size_t> write(ring_connection& to, io_handle& by, std::string_view text) const {
        const auto bytes = support::bytes_of(text);
        return to.write(*io->ring(), by.ring()->own_ring(), std::span(&bytes, 1));
    }

    /// Runs `call` on a thread that does not own the ring. Such a thread cannot begin operations of the ring, so it
    /// requests them from the ring's owner.
    template <class Call>
    static void on_other_thread(const Call& call) {
        std::thread(call).join();
    }

    /// Returns whether a receive would begin now. The receive ends immediately.
    static bool begins(ring_connection& stream) {
        if (!stream.begin_receive().is_wanted) return false;
        static_cast<void>(stream.receive_ended(-ECANCELED));
        stream.release();
        return true;
    }

    /// Runs driver ticks until the peer of `full` has received all bytes up to `last`.
    [[nodiscard]] bool arrives(const support::connection& full, std::string_view last) const {
        std::string got;
        return support::comes_true([&] {
            tick();
            support::drain(full, got);
            return got.ends_with(last);
        });
    }

    /// Runs driver ticks until the descriptor is closed.
    [[nodiscard]] bool closes(int number) const {
        return support::comes_true([&] {
            tick();
            return ::fcntl(number, F_GETFD) < 0;
        });
    }

    /// Closes a stream that has unsent data and a full socket, and if `is_received_for`, a receive in flight. Then runs
    /// the driver ticks that end the receive.
    void close_with_unsent_data(ring_connection& stream, bool is_received_for) const {
        if (is_received_for) {
            ASSERT_EQ(stream.take(*io->ring(), 0).what, ring_connection::received::nothing);
            tick();
        }
        support::fill_socket(stream.fd());
        ASSERT_EQ(write(stream, *io, "rest"), 4u);
        tick();
        io->ring()->close(stream);
        for (int i = 0; i < 8; ++i) tick();
    }
};

// ---- The send buffer ----

TEST_F(UringRingConnection, SendBufferGrowsOnceAndThenReusesSentBytes) {
    using eddy::detail::send_buffer;
    ring_connection& stream = add();
    send_buffer* const slot = send_buffer::make(stream, *io->ring(), 10);
    ASSERT_NE(slot, nullptr);
    const auto append = [&](const std::string& text) {
        if (!slot->make_room(text.size())) return false;
        slot->append(support::bytes_of(text));
        return true;
    };
    std::string expected(100, 'a');
    EXPECT_TRUE(append(expected));
    expected += std::string(send_buffer::most - 200, 'b');
    EXPECT_TRUE(append(std::string(send_buffer::most - 200, 'b'))) << "the buffer grows";
    EXPECT_FALSE(append(std::string(101, 'c'))) << "more than the largest size";
    slot->drop_front(60);
    expected.erase(0, 60);
    EXPECT_TRUE(append(std::string(150, 'c'))) << "in the place of the sent bytes";
    expected += std::string(150, 'c');
    EXPECT_EQ(support::text_of(slot->rest()), expected);
    slot->drop_front(slot->rest().size());
    EXPECT_TRUE(slot->is_empty());
    EXPECT_TRUE(append(std::string(send_buffer::most, 'd')));
    slot->free();
    io->ring()->close(stream);
}

// The owner has removed the stream from the list, and is about to begin a receive. Meanwhile the task gives up the
// socket.
TEST_F(UringRingConnection, ReceiveStoppedBeforeSubmissionNeverBegins) {
    ring_connection& stream = add();
    on_other_thread([&] { EXPECT_EQ(stream.take(*io->ring(), 0).what, ring_connection::received::nothing); });
    ASSERT_TRUE(stream.take_wanted().receive);
    ASSERT_TRUE(stream.stop_receiving(*io->ring())) << "from now on the caller receives the bytes";
    EXPECT_FALSE(begins(stream));
    io->ring()->close(stream);
}

// As above, the owner is about to begin a receive. Here the task reads by itself: two concurrent receives would return
// the bytes in the wrong order.
TEST_F(UringRingConnection, TaskDoesNotReadWhileAReceiveBegins) {
    ring_connection& stream = add();
    stream.read_itself();
    ASSERT_EQ(stream.take(*io->ring(), 0).what, ring_connection::received::read_it_yourself);
    on_other_thread([&] { stream.request_receive(*io->ring()); });
    ASSERT_TRUE(stream.take_wanted().receive);
    const auto what = stream.take(*io->ring(), 0).what;
    EXPECT_FALSE(what == ring_connection::received::read_it_yourself && begins(stream));
    io->ring()->close(stream);
}

// A receive has ended since the ring has no buffers. Another receive would end at once, too: the task reads itself.
// covers: R104
TEST_F(UringRingConnection, TaskReadsItselfAfterAReceiveWithoutBuffers) {
    using received = ring_connection::received;
    ring_connection& stream = add();
    for (const int result : {-ENOBUFS, -ECANCELED}) {
        SCOPED_TRACE(result);
        on_other_thread([&] { EXPECT_EQ(stream.take(*io->ring(), 0).what, received::nothing); });
        ASSERT_TRUE(stream.take_wanted().receive);
        ASSERT_TRUE(stream.begin_receive().is_wanted);
        const auto ended = stream.receive_ended(result);
        EXPECT_FALSE(ended.closes || ended.was_cancelled);
        stream.release();
        EXPECT_TRUE(stream.look(eddy::io::ready::all).ready.is_readable()) << "the task is not woken";
        if (result != -ENOBUFS) break;
        const auto taken = stream.take(*io->ring(), 0);
        EXPECT_EQ(taken.what, received::read_it_yourself);
        EXPECT_FALSE(taken.drains_if_short);  // that is for large transfers
        EXPECT_EQ(stream.take(*io->ring(), 0).what, received::read_it_yourself) << "until the ring receives again";
        on_other_thread([&] { stream.request_receive(*io->ring()); });
        ASSERT_TRUE(stream.take_wanted().receive);
        ASSERT_TRUE(begins(stream));
    }
    // After other ends, the ring receives again.
    on_other_thread([&] { EXPECT_EQ(stream.take(*io->ring(), 0).what, received::nothing); });
    EXPECT_TRUE(stream.take_wanted().receive);
    io->ring()->close(stream);
}

// The ring has no buffers, so the epoll instance reports arriving data once. This may happen while the task waits for
// the owner to check again for buffers.
// covers: R104
TEST_F(UringRingConnection, ReadinessBeforeBufferCheckIsNotLost) {
    ring_connection& stream = add();
    stream.read_itself();
    ASSERT_TRUE(io->watch_more(stream, eddy::io::interest::readable).has_value());
    ASSERT_EQ(stream.take(*io->ring(), 0).what, ring_connection::received::read_it_yourself);
    on_other_thread([&] { stream.request_receive(*io->ring()); });
    pair.peer.send("late");
    ASSERT_EQ(io->tick_for_busy_owner().value().value(), 1u);
    EXPECT_EQ(stream.take(*io->ring(), 0).what, ring_connection::received::read_it_yourself);
    EXPECT_FALSE(begins(stream)) << "and there is no other reader";
    io->ring()->close(stream);
}

// A task waits for urgent data. The stream was read without the ring, and the ring receives again.
TEST_F(UringRingConnection, ReceiveKeepsTheWatchForUrgentData) {
    constexpr auto urgent = eddy::io::interest::readable | eddy::io::interest::priority;
    for (const bool for_good : {false, true}) {
        const support::connection other;
        ring_connection& stream = add_to(*io, other);
        ASSERT_TRUE(for_good ? io->watch_for_good(stream, urgent) : io->watch_more(stream, urgent));
        stream.read_itself();
        ASSERT_EQ(stream.take(*io->ring(), 0).what, ring_connection::received::read_it_yourself);
        stream.request_receive(*io->ring());
        EXPECT_EQ((stream.watched & eddy::io::interest::priority.bits()) != 0, for_good);
        io->ring()->close(stream);
    }
}

// The owner finds that nothing can be watched any more, because its driver has been shut down.
TEST_F(UringRingConnection, ShutdownOfDriverIsNotASystemError) {
    ring_connection& stream = add();
    stream.fail(make_error_code(eddy::errc::runtime_shutdown));
    EXPECT_EQ(stream.take(*io->ring(), 0).what, ring_connection::received::nothing);
    EXPECT_TRUE(stream.look(eddy::io::ready::all).is_shutdown);
    io->ring()->close(stream);
}

// The epoll reports bytes during a receive, and leaves them to the ring. The receive ends because there are no buffers,
// so the reader receives the bytes. The epoll has watched the socket all the time, and does not report them again.
TEST_F(UringRingConnection, EventLeftToTheRingIsRepeatedForTheReader) {
    ring_connection& stream = add();
    ASSERT_TRUE(io->watch_more(stream, eddy::io::interest::readable | eddy::io::interest::writable).has_value());
    on_other_thread([&] {
        EXPECT_EQ(stream.take(*io->ring(), 0).what, ring_connection::received::nothing);
        ASSERT_TRUE(stream.take_wanted().receive);
        ASSERT_TRUE(stream.begin_receive().is_wanted);
        pair.peer.send("late");
        raw_socket(::dup(pair.stream.native_handle())).wait_for(POLLIN);
        // Here, ticks of this thread have no ring.
        for (int i = 0; i < 2; ++i) tick();
        EXPECT_FALSE(stream.receive_ended(-ENOBUFS).closes);
        stream.release();
        stream.clear_blocked(stream.look(eddy::io::ready::all));
        stream.request_receive(*io->ring());
        tick();
    });
    EXPECT_TRUE(stream.look(eddy::io::ready::readable).ready.is_readable()) << "the reader waits forever";
    EXPECT_EQ(stream.take(*io->ring(), 0).what, ring_connection::received::read_it_yourself);
    io->ring()->close(stream);
}

// The owner is about to watch the descriptor. Meanwhile the stream is dropped, and its descriptor number is reused.
TEST_F(UringRingConnection, ClosedStreamIsNotRegisteredWithEpoll) {
    ring_connection& stream = add();
    stream.retain();  // as a tick does that serves the stream
    const int number = stream.fd();
    io->ring()->close(stream);
    ASSERT_LT(::fcntl(number, F_GETFD), 0);
    const support::connection other;
    const int reused = ::dup2(other.stream.native_handle(), number);
    EXPECT_FALSE(io->watch_more(stream, eddy::io::interest::readable))
        << "it watches the descriptor of another connection";
    ::close(reused);
    stream.release();
}

// Another thread holds the driver lock at the moment when this worker has to submit its written data.
TEST_F(UringRingConnection, FlushSendsAfterOtherThreadReleasesDriver) {
    ring_connection& stream = add();
    ASSERT_EQ(write(stream, *io, "hello"), 5u);
    support::gate visits;
    std::thread visitor([&] {
        EXPECT_TRUE(io->try_lock_driver());
        visits.open();
        pollfd nothing{-1, 0, 0};
        ::poll(&nothing, 1, 50);
        io->unlock_driver();
    });
    ASSERT_TRUE(visits.wait());
    io->flush_ring();
    pollfd wanted{pair.peer.fd(), POLLIN, 0};
    EXPECT_EQ(support::repeated([&] { return ::poll(&wanted, 1, 1'000); }), 1) << "the data is still in the queue";
    visitor.join();
    io->ring()->close(stream);
}

// The read that takes the last chunk with all of its bytes ends the readability. The next chunk starts it again.
TEST_F(UringRingConnection, StreamIsReadableWhileBytesAreLeft) {
    ring_connection& stream = add();
    const auto receive = [&] {
        pair.peer.send("four");
        raw_socket(::dup(pair.stream.native_handle())).wait_for(POLLIN);
        EXPECT_TRUE(io->tick(1s).has_value());
    };
    const auto take = [&](std::size_t room) { return stream.take(*io->ring(), room).chunk; };
    const auto is_readable = [&] { return stream.look(eddy::io::ready::readable).ready.is_readable(); };
    ASSERT_EQ(take(0), nullptr);
    tick();
    receive();
    auto* chunk = take(3);
    ASSERT_NE(chunk, nullptr);
    EXPECT_TRUE(is_readable()) << "a byte will be put back";
    stream.put_back(*chunk);
    chunk = take(4);
    ASSERT_NE(chunk, nullptr);
    EXPECT_FALSE(is_readable());
    chunk->give_back();
    receive();
    receive();
    EXPECT_TRUE(is_readable());
    for (const bool another_is_left : {true, false}) {
        chunk = take(4);
        ASSERT_NE(chunk, nullptr);
        EXPECT_EQ(is_readable(), another_is_left);
        chunk->give_back();
    }
    io->ring()->close(stream);
}

// The epoll reports the socket as writable while the send buffer is in use, so that a write might have to wait.
TEST_F(UringRingConnection, WritableIsReportedOnceTheSendBufferIsFree) {
    ring_connection& stream = add();
    const auto is_writable = [&] { return stream.look(eddy::io::ready::all).ready.is_writable(); };
    stream.clear_blocked(stream.look(eddy::io::ready::all));
    ASSERT_EQ(write(stream, *io, "text"), 4u);
    stream.report(eddy::io::ready::writable);
    EXPECT_FALSE(is_writable());
    tick();
    EXPECT_TRUE(is_writable()) << "a task that waits for the socket waits forever";
    io->ring()->close(stream);
}

// Another loop's ring has sent data and received a reset, which the system reports once. Before that loop reports the
// reset, the end of the stream is read.
TEST_F(UringRingConnection, ResetReportedToOtherLoopIsNotReadAsEnd) {
    using received = ring_connection::received;
    const support::connection spare_pair;
    const owned_io sender = make_sender();
    ring_connection& stream = add();
    ring_connection::taken first;
    call_in_turn reads(*sender, [&] {
        for (int i = 0; i < 4; ++i) tick();
        first = stream.take(*io->ring(), 0);
    });
    ring_connection& spare = add_to(*sender, spare_pair);
    ASSERT_EQ(spare.take(*sender->ring(), 0).what, received::nothing);
    ASSERT_EQ(stream.take(*io->ring(), 0).what, received::nothing);
    tick();
    ASSERT_TRUE(sender->tick(0ms).has_value());
    reads.arm();
    reads.trigger();
    reads.wait_until_received();
    ASSERT_TRUE(sender->ring()->own_ring()->stop_now(spare)) << "the completion for call_in_turn has arrived";
    pair.peer.reset();
    raw_socket(::dup(pair.stream.native_handle())).wait_for(0);
    ASSERT_EQ(write(stream, *sender, "question"), 8u);
    ASSERT_TRUE(sender->tick(0ms).has_value());
    if (first.what == received::nothing) first = stream.take(*io->ring(), 0);
    EXPECT_EQ(first.what, received::error) << "the reader mistakes a part of the data for all of it";
    EXPECT_EQ(first.error, ECONNRESET);
    io->ring()->close(stream);
    sender->ring()->close(spare);
}

// A loop checks destroyed streams for expired deadlines, at the moment when another thread destroys a stream and has
// not set its deadline yet.
TEST_F(UringRingConnection, DestroyedStreamKeepsDataUntilDeadline) {
    ring_connection& stream = add();
    support::fill_socket(stream.fd());
    ASSERT_EQ(write(stream, *io, "rest"), 4u);
    tick();
    ASSERT_EQ(stream.end(false), ring_connection::end_action::wait_for_send);
    io->retain();  // as ring_reactor::close() does, of which this test runs a part
    ASSERT_FALSE(stream.leave_to_driver(*io->ring()));
    const auto now = std::chrono::steady_clock::now();
    auto next = std::chrono::steady_clock::time_point::max();
    EXPECT_FALSE(stream.give_up(now, next)) << "the written data is lost";
    stream.linger(now + 30s);
    EXPECT_FALSE(stream.give_up(now, next));
    EXPECT_EQ(next, now + 30s);
}

// The deadline of a destroyed stream passes while another loop, which is stalled, holds the remaining data. The stream
// has to be checked again.
TEST_F(UringRingConnection, StreamPastDeadlineIsCheckedAgainAfterSend) {
    const owned_io sender = make_sender();
    ring_connection& stream = add();
    support::fill_socket(stream.fd());
    ASSERT_EQ(write(stream, *sender, "rest"), 4u);
    io->ring()->close(stream);
    const auto now = std::chrono::steady_clock::now();
    stream.linger(now);
    auto next = std::chrono::steady_clock::time_point::max();
    EXPECT_FALSE(stream.give_up(now, next)) << "the other loop holds the data";
    EXPECT_LT(next, now + 1s) << "if the peer reads nothing, the stream stays forever";
    ASSERT_TRUE(sender->tick(0ms).has_value());
    EXPECT_TRUE(stream.give_up(next, next));
    io->ring()->finish_closing(stream);
}

// The stream's loop ends while another loop's ring sends the remaining data, and before that loop learns that the
// socket is full.
TEST_F(UringRingConnection, StreamClosesIfLoopEndsDuringOtherLoopsSend) {
    const owned_io sender = make_sender();
    ring_connection& stream = add();
    const int number = stream.fd();
    support::fill_socket(number);
    ASSERT_EQ(write(stream, *sender, "rest"), 4u);
    io->ring()->close(stream);
    ASSERT_GE(::fcntl(number, F_GETFD), 0) << "it was closed with unsent bytes";
    call_in_turn ends(*sender, [this] { io.reset(); });
    ends.arm();
    ends.trigger();
    EXPECT_TRUE(support::comes_true([&] {
        EXPECT_TRUE(sender->tick(0ms).has_value());
        return !io;
    }));
    EXPECT_LT(::fcntl(number, F_GETFD), 0) << "the descriptor stays open forever";
}

// A stream without linger is destroyed while another loop's ring sends the remaining data, and before that loop learns
// that the socket is full.
TEST_F(UringRingConnection, ZeroLingerStreamClosesDuringOtherLoopsSend) {
    const owned_io sender = make_sender();
    ring_connection& stream = add();
    const int number = stream.fd();
    support::fill_socket(number);
    ASSERT_TRUE(pair.stream.set_zero_linger().has_value());
    ASSERT_EQ(write(stream, *sender, "rest"), 4u);
    bool is_destroyed = false;
    call_in_turn ends(*sender, [&] {
        io->ring()->close(stream);
        is_destroyed = true;
    });
    ends.arm();
    ends.trigger();
    ends.wait_until_received();  // the data must arrive before the next driver tick submits the send
    ASSERT_TRUE(sender->tick(0ms).has_value());
    ASSERT_TRUE(is_destroyed) << "too late: the tested situation did not occur";
    EXPECT_LT(::fcntl(number, F_GETFD), 0) << "the descriptor is kept for data that the peer does not read";
}

// Another loop's ring finds the socket full. Before that loop learns it, the peer receives everything, and the epoll
// reports the socket as writable, once.
TEST_F(UringRingConnection, RestIsSentIfTheSocketWasDrainedDuringTheSend) {
    const owned_io sender = make_sender();
    ring_connection& stream = add();
    ASSERT_TRUE(io->watch_more(stream, eddy::io::interest::writable).has_value());
    support::fill_socket(stream.fd());
    tick();
    ASSERT_EQ(write(stream, *sender, "rest"), 4u);
    bool is_drained = false;
    call_in_turn drains(*sender, [&] {
        std::string content;
        is_drained = support::comes_true([&] {
            support::drain(pair, content);
            int unsent = 0;
            return ::ioctl(stream.fd(), TIOCOUTQ, &unsent) == 0 && unsent == 0;
        });
        for (int i = 0; i < 4; ++i) tick();
    });
    drains.arm();
    drains.trigger();
    drains.wait_until_received();
    ASSERT_TRUE(sender->tick(0ms).has_value());
    ASSERT_TRUE(is_drained) << "the tested situation did not occur";
    EXPECT_TRUE(arrives(pair, "rest")) << "both loops wait for the other one";
    io->ring()->close(stream);
}

// A destroyed stream has remaining data, and its socket is full. The close ends its receive, if there is one.
TEST_F(UringRingConnection, DestroyedStreamIsClosedAfterItsData) {
    for (const bool is_received_for : {true, false}) {
        SCOPED_TRACE(is_received_for);
        const support::connection full;
        ring_connection& stream = add_to(*io, full);
        const int number = stream.fd();
        ASSERT_NO_FATAL_FAILURE(close_with_unsent_data(stream, is_received_for));
        EXPECT_GE(::fcntl(number, F_GETFD), 0) << "it was closed with unsent bytes";
        EXPECT_TRUE(arrives(full, "rest"));
        EXPECT_TRUE(closes(number));
    }
}

// The socket is full when the task ends writing.
TEST_F(UringRingConnection, WritingEndsAfterTheDataThatTheSocketRefused) {
    ring_connection& stream = add();
    support::fill_socket(stream.fd());
    ASSERT_EQ(write(stream, *io, "rest"), 4u);
    tick();
    ASSERT_FALSE(stream.shut_down_when_sent());
    EXPECT_EQ(write(stream, *io, "more").error(), std::errc::broken_pipe);
    EXPECT_TRUE(arrives(pair, "rest"));
    EXPECT_TRUE(support::comes_true([&] {
        std::array<char, 1> none{};
        return ::recv(pair.peer.fd(), none.data(), none.size(), MSG_DONTWAIT) == 0;
    })) << "the peer waits for the end of the stream";
    io->ring()->close(stream);
}

// A destroyed stream has remaining data, its socket is full, and its loop still receives. Its descriptor cannot be
// watched, because another source watches the descriptor.
TEST_F(UringRingConnection, SenderKeepsStreamWithReceiveInFlight) {
    const owned_io sender = make_sender();
    ring_connection& stream = add();
    const int number = stream.fd();
    eddy::detail::scheduled_io& other_source = **io->add_source(number, eddy::io::interest::priority);
    ASSERT_EQ(stream.take(*io->ring(), 0).what, ring_connection::received::nothing);
    tick();
    support::fill_socket(number);
    ASSERT_EQ(write(stream, *sender, "rest"), 4u);
    io->ring()->close(stream);
    ASSERT_TRUE(sender->tick(0ms).has_value());
    EXPECT_GE(::fcntl(number, F_GETFD), 0) << "the receive uses the descriptor";
    ASSERT_TRUE(io->remove_source(other_source).has_value());
    EXPECT_TRUE(closes(number));
}

// As above, but the stream's own loop sends the data, and learns before the stream is destroyed that the descriptor
// cannot be watched.
TEST_F(UringRingConnection, UnwatchableStreamIsClosedWithUnsentData) {
    for (const bool is_received_for : {false, true}) {
        SCOPED_TRACE(is_received_for);
        const support::connection full;
        ring_connection& stream = add_to(*io, full);
        const int number = stream.fd();
        eddy::detail::scheduled_io& other_source = **io->add_source(number, eddy::io::interest::priority);
        ASSERT_NO_FATAL_FAILURE(close_with_unsent_data(stream, is_received_for));
        EXPECT_LT(::fcntl(number, F_GETFD), 0) << "it waits for an event that is never reported";
        // The epoll instance identifies other_source by the socket, which is still open, and by this number.
        ASSERT_EQ(::dup2(full.stream.native_handle(), number), number);
        ASSERT_TRUE(io->remove_source(other_source).has_value());
        ::close(number);
    }
}

// The driver finds the socket full after write() has accepted the data. The driver cannot watch the socket, because
// another source watches it.
TEST_F(UringRingConnection, WriteReportsThatSocketCannotBeWatched) {
    ring_connection& stream = add();
    eddy::detail::scheduled_io& other_source = **io->add_source(stream.fd(), eddy::io::interest::priority);
    support::fill_socket(stream.fd());
    ASSERT_EQ(write(stream, *io, "text"), 4u);
    tick();
    for (int i = 0; i < 2; ++i) {
        const auto again = write(stream, *io, "text");
        ASSERT_FALSE(again.has_value());
        EXPECT_EQ(again.error(), std::errc::file_exists);
        const auto flushed = stream.flush(*io->ring());
        ASSERT_FALSE(flushed.has_value());
        EXPECT_EQ(flushed.error(), std::errc::file_exists);
    }
    const auto finished = stream.finish_sending(*io->ring());
    ASSERT_FALSE(finished.has_value());
    EXPECT_EQ(finished.error(), std::errc::file_exists);
    // No data is lost: the write continues after the cause is removed.
    ASSERT_TRUE(io->remove_source(other_source).has_value());
    EXPECT_EQ(write(stream, *io, "text").error(), std::errc::operation_would_block);
    EXPECT_TRUE(arrives(pair, "text"));
    EXPECT_EQ(write(stream, *io, "text"), 4u);
    io->ring()->close(stream);
}

// The driver has begun to stop the receive when the task destroys the socket.
TEST_F(UringRingConnection, CloseDoesNotWaitForAReceiveThatIsBeingStopped) {
    ring_connection& stream = add();
    const int number = stream.fd();
    ASSERT_EQ(stream.take(*io->ring(), 0).what, ring_connection::received::nothing);
    tick();
    ASSERT_TRUE(io->ring()->own_ring()->stop(stream));
    io->ring()->close(stream);
    EXPECT_LT(::fcntl(number, F_GETFD), 0);
}

// The owner has no free queue entry to stop a receive, and posts the stream again. Meanwhile another thread has posted
// it, and then a second stream. A stream has one link: both must be served.
TEST_F(UringRingConnection, StopWithFullQueueServesBothPostedStreams) {
    const support::connection second_pair;
    ring_connection& stream = add();
    ring_connection& second = add_to(*io, second_pair);
    const std::array<ring_connection*, 2> both{&stream, &second};
    for (auto* const each : both) {
        ASSERT_EQ(each->take(*io->ring(), 0).what, ring_connection::received::nothing);
    }
    tick();
    on_other_thread([&] {
        for (auto* const each : both) EXPECT_FALSE(each->stop_receiving(*io->ring()));
    });
    EXPECT_TRUE(stream.wants_stop_again());
    io->ring()->request_service(stream);
    for (auto* const each : both) {
        EXPECT_TRUE(support::comes_true([&] {
            tick();
            return each->stop_receiving(*io->ring());
        }));
        io->ring()->close(*each);
    }
}

// A driver tick processes requested streams before it waits for events. This may wake a task that the same thread has
// to run, and then the tick must not wait. Here the tick runs on a thread without a ring and cannot watch the
// descriptor. The tick reports this error to the reader, which wakes the reader's task.
TEST_F(UringRingConnection, DriverTickThatWokeATaskDoesNotSleep) {
    ring_connection& stream = add();
    eddy::detail::scheduled_io& other_source = **io->add_source(stream.fd(), eddy::io::interest::priority);
    on_other_thread([&] {
        for (int i = 0; i < 2; ++i) tick();
        bool is_told = false;
        support::calling_waker calls([&] { is_told = true; });
        const eddy::waker waker = calls.waker();
        eddy::context cx(waker);
        const auto seen = stream.look(eddy::io::ready::all);
        ASSERT_EQ(stream.take(*io->ring(), 0).what, ring_connection::received::nothing);
        stream.clear_blocked(seen);
        ASSERT_FALSE(stream.wait(eddy::detail::direction::read, cx, nullptr).is_ready());
        const auto before = std::chrono::steady_clock::now();
        ASSERT_TRUE(io->tick(10s).has_value());
        EXPECT_TRUE(is_told);
        EXPECT_LT(std::chrono::steady_clock::now() - before, 5s) << "the tick waited although it had woken a task";
        const auto taken = stream.take(*io->ring(), 0);
        EXPECT_EQ(taken.what, ring_connection::received::error);
        EXPECT_EQ(taken.error, EEXIST);
    });
    ASSERT_TRUE(io->remove_source(other_source).has_value());
    io->ring()->close(stream);
}

// The end of a loop whose ring is lost (lose_ring()) checks a send buffer that another loop has just been given.
// ThreadSanitizer can report a missing lock, because only a relaxed store connects the two threads.
TEST_F(UringRingConnection, SendBufferOwnerIsSetUnderTheLock) {
    const owned_io other = make_sender();
    ring_connection& stream = add();
    std::atomic<bool> is_written{false};
    std::thread ends([&] {
        while (!is_written.load(std::memory_order_relaxed)) std::this_thread::yield();
        stream.lose_ring(*other->ring());
    });
    EXPECT_EQ(write(stream, *io, "text"), 4u);
    is_written.store(true, std::memory_order_relaxed);
    ends.join();
    tick();
    EXPECT_EQ(pair.peer.receive(4), "text");
    io->ring()->close(stream);
}

}  // namespace
