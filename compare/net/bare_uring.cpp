// SPDX-License-Identifier: MIT

// The baseline for echo servers on io_uring: a bare loop with one ring per thread, without eddy. Needs Linux 6.1.
//
//     $ bench_bare_uring --port 7000 --threads 1
//
// It is optimized as far as the kernel allows:
//   - One io_uring_enter per turn. It submits the answers of the last turn and waits for the next requests.
//   - One multishot accept, and one multishot receive per client, into buffers that the kernel selects from a ring.
//   - Sockets are slots in the ring's file table, not descriptors. Operations count no references, and the process's
//     descriptor table is not used. In bench_bare_uring_fds the sockets are descriptors, as in a library, whose users
//     set socket options, query addresses and release descriptors.
//   - An answer is sent from the buffer in which it was received. A complete send produces no completion.
//
// When a buffer is returned to the kernel: with MSG_DONTWAIT a send never waits for the socket, so it has ended when
// the io_uring_enter that submits it has submitted its entries. There is a completion only if a part was not accepted
// (MSG_WAITALL makes that a failure), and it precedes the completions of all events for which that io_uring_enter
// waited. So when the completions of a turn are handled, the buffers that were sent in the previous turn are free.
//
// Data that a socket did not accept is copied, and sent by an operation that waits. Later answers to the same client
// are queued behind it. A second answer to a client in one turn is queued until the outcome of the first one is known.
// Nothing is received from a client that does not accept its answers.

#include <liburing.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "server_process.hpp"

namespace {

constexpr unsigned submission_entries = 4096;
constexpr unsigned completion_entries = 16384;
#ifdef BARE_URING_DESCRIPTORS
constexpr bool has_descriptors = true;
#else
constexpr bool has_descriptors = false;
#endif
constexpr unsigned file_flag = has_descriptors ? 0 : IOSQE_FIXED_FILE;

// The kernel uses the buffer that was returned first, so all buffers pass through the cache. Therefore the ring starts
// with the number that two turns need, and gets more when a receive ends for lack of buffers (ENOBUFS). Linux 6.18
// delivers about 50 requests per turn, Linux 6.1 all that have arrived.
constexpr unsigned buffers_at_first = 64;
constexpr unsigned buffers_more = 16;
constexpr unsigned most_buffers = 1024;
// A buffer has space for a message of 16 KiB and following data. The additional cache line avoids a distance that is a
// power of two, at which all buffers would use the same cache sets.
constexpr unsigned buffer_size = 32 * 1024 + 64;
constexpr int buffer_group = 0;
constexpr std::size_t huge_page = 2UL * 1024 * 1024;
constexpr unsigned most_clients = 1 << 16;  // a tag has 16 bits for the slot
// The server receives nothing from a client while more than this number of bytes to the client is unsent.
constexpr std::size_t most_unsent = 256UL * 1024;

using slot = std::uint16_t;
using buffer_id = std::uint16_t;

enum class operation : std::uint16_t { accept, receive, send, send_rest, stop_receiving, close };

/// The user data of an operation.
struct tag {
    operation what;
    slot client = 0;
    buffer_id buffer = 0;    // send only: the buffer of the answer
    std::uint16_t size = 0;  // send only: the size of the answer
};
static_assert(buffer_size <= UINT16_MAX);

/// Unsent data: answers that the socket did not accept, and later answers.
struct backlog {
    std::vector<std::byte> sending;  // in use by the kernel; empty if nothing is submitted
    std::vector<std::byte> waiting;
};

struct client {
    bool is_open = false;
    bool is_receiving = false;        // a receive is armed, or its last completion is pending
    bool has_ended = false;           // end of stream, or failed
    std::uint32_t answered_in = 0;    // the turn of the last answer
    std::unique_ptr<backlog> unsent;  // almost always null
};

/// The work to do when the outcome of a turn's sends is known.
struct turn_end {
    std::vector<buffer_id> sent;  // buffers to return
    std::vector<slot> clients;    // clients to settle()
};

class echo_server {
public:
    explicit echo_server(int listener);
    [[noreturn]] void run();

private:
    void make_buffers();
    void handle(const io_uring_cqe& completion);
    void on_accepted(const io_uring_cqe& completion);
    void on_received(slot at, const io_uring_cqe& completion);
    void on_not_sent(const tag& answer, int result);
    void on_rest_sent(slot at, int result);
    void unlock_driver();

    void answer(slot at, buffer_id buffer, std::uint16_t size);
    void keep(slot at, std::span<const std::byte> bytes);
    void settle(slot at);
    void settle_later(slot at) { this_turn_.clients.push_back(at); }
    void give_up(slot at);

    void accept();
    void receive(slot at);
    void stop_receiving(slot at);
    void send(slot at, buffer_id buffer, std::uint16_t size);
    void send_rest(slot at);
    void close(slot at);

    io_uring_sqe& next_entry();
    void start(io_uring_sqe& prepared, const tag& what, unsigned flags = 0);
    [[nodiscard]] std::byte* address_of(buffer_id buffer) const;
    void provide_more(unsigned count);
    void give_back(buffer_id buffer);

    io_uring ring_{};
    int listener_;
    io_uring_buf_ring* buffer_ring_ = nullptr;
    std::byte* buffers_ = nullptr;
    int given_back_ = 0;  // in this turn, not yet published to the kernel
    unsigned lent_ = 0;   // the number of buffers that the ring has got so far
    bool is_short_of_buffers_ = false;
    std::vector<client> clients_;
    std::uint32_t turn_ = 1;
    turn_end this_turn_;
    turn_end last_turn_;
};

void check(int error, const char* what) {
    if (error >= 0) return;
    errno = -error;
    bench::die(what);
}

/// Allocates memory in huge pages, if available, because each request is in another buffer. Writes to all pages, so
/// that page faults and memory are not attributed to the first requests and clients.
std::byte* make_memory(std::size_t size) {
    size = (size + huge_page - 1) / huge_page * huge_page;
    void* memory = std::aligned_alloc(huge_page, size);
    if (memory == nullptr) bench::die("aligned_alloc");
    ::madvise(memory, size, MADV_HUGEPAGE);
    return static_cast<std::byte*>(std::memset(memory, 0, size));
}

// ---- Start ----

echo_server::echo_server(int listener) : listener_(listener) {
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
    params.cq_entries = completion_entries;
    check(::io_uring_queue_init_params(submission_entries, &ring_, &params), "io_uring_setup (it needs Linux 6.1)");
    check(::io_uring_register_ring_fd(&ring_), "io_uring_register_ring_fd");
    clients_.resize(std::min<std::size_t>(most_clients, ::sysconf(_SC_OPEN_MAX)));
    if (!has_descriptors) {
        check(::io_uring_register_files_sparse(&ring_, static_cast<unsigned>(clients_.size())),
              "io_uring_register_files");
    }
    make_buffers();
    accept();
}

void echo_server::make_buffers() {
    // SAFETY: the memory has the size and the alignment that the kernel requires, and is never freed.
    buffer_ring_ = reinterpret_cast<io_uring_buf_ring*>(make_memory(most_buffers * sizeof(io_uring_buf)));
    buffers_ = make_memory(std::size_t{most_buffers} * buffer_size);
    io_uring_buf_reg group{};
    group.ring_addr = reinterpret_cast<std::uintptr_t>(buffer_ring_);
    group.ring_entries = most_buffers;
    group.bgid = buffer_group;
    check(::io_uring_register_buf_ring(&ring_, &group, 0), "io_uring_register_buf_ring");
    ::io_uring_buf_ring_init(buffer_ring_);
    provide_more(buffers_at_first);
    ::io_uring_buf_ring_advance(buffer_ring_, std::exchange(given_back_, 0));
}

// ---- A turn ----

void echo_server::run() {
    for (;;) {
        // Clients that are settled at the end of this turn need no event, so do not wait if there are any.
        const int submitted = ::io_uring_submit_and_wait(&ring_, last_turn_.clients.empty() ? 1 : 0);
        if (submitted != -EINTR) check(submitted, "io_uring_enter");
        ++turn_;
        unsigned head = 0;
        unsigned count = 0;
        io_uring_cqe* completion = nullptr;
        io_uring_for_each_cqe(&ring_, head, completion) {
            handle(*completion);
            ++count;
        }
        ::io_uring_cq_advance(&ring_, count);
        unlock_driver();
    }
}

void echo_server::handle(const io_uring_cqe& completion) {
    const auto of = std::bit_cast<tag>(completion.user_data);
    switch (of.what) {
    case operation::receive: return on_received(of.client, completion);
    case operation::accept: return on_accepted(completion);
    case operation::send: return on_not_sent(of, completion.res);
    case operation::send_rest: return on_rest_sent(of.client, completion.res);
    case operation::stop_receiving:  // fails if the receive has already ended
    case operation::close: return;   // only failures are reported
    }
}

void echo_server::on_accepted(const io_uring_cqe& completion) {
    if (completion.res >= 0) {
        const auto at = static_cast<slot>(completion.res);
        clients_[at] = {};
        clients_[at].is_open = true;
        receive(at);
    } else if (completion.res != -ECONNABORTED) {
        check(completion.res, "accept");  // probably out of slots, which invalidates the run
    }
    if ((completion.flags & IORING_CQE_F_MORE) == 0) accept();
}

void echo_server::on_received(slot at, const io_uring_cqe& completion) {
    const int size = completion.res;
    if (size > 0) {
        const auto buffer = static_cast<buffer_id>(completion.flags >> IORING_CQE_BUFFER_SHIFT);
        answer(at, buffer, static_cast<std::uint16_t>(size));
    }
    if (completion.flags & IORING_CQE_F_MORE) [[likely]]
        return;
    auto& from = clients_[at];
    from.is_receiving = false;
    if (size == -ENOBUFS)
        is_short_of_buffers_ = true;
    else if (size <= 0 && size != -ECANCELED)
        from.has_ended = true;
    if (from.answered_in == turn_)
        settle_later(at);
    else
        settle(at);
}

void echo_server::on_not_sent(const tag& answer, int result) {
    if (result < 0 && result != -EAGAIN) return give_up(answer.client);
    const auto rest = std::span(address_of(answer.buffer), answer.size).subspan(std::max(result, 0));
    auto& to = clients_[answer.client];
    if (!to.unsent) {
        to.unsent = std::make_unique<backlog>();
        settle_later(answer.client);
    }
    // Insert in front: later answers of the same turn may already be queued.
    to.unsent->waiting.insert(to.unsent->waiting.begin(), rest.begin(), rest.end());
}

void echo_server::on_rest_sent(slot at, int result) {
    auto& unsent = clients_[at].unsent;
    if (std::cmp_not_equal(result, unsent->sending.size())) {
        unsent.reset();
        return give_up(at);
    }
    unsent->sending.clear();
    if (unsent->waiting.empty()) unsent.reset();
    settle(at);
}

void echo_server::unlock_driver() {
    for (const auto buffer : last_turn_.sent) give_back(buffer);
    for (const auto at : last_turn_.clients) settle(at);
    if (std::exchange(is_short_of_buffers_, false)) provide_more(buffers_more);
    ::io_uring_buf_ring_advance(buffer_ring_, std::exchange(given_back_, 0));
    last_turn_.sent.clear();
    last_turn_.clients.clear();
    std::swap(this_turn_, last_turn_);
}

// ---- Clients ----

void echo_server::answer(slot at, buffer_id buffer, std::uint16_t size) {
    auto& to = clients_[at];
    if (to.unsent || to.answered_in == turn_) [[unlikely]] {
        keep(at, {address_of(buffer), size});
        return give_back(buffer);
    }
    send(at, buffer, size);
    to.answered_in = turn_;
}

/// Queues an answer behind the unsent answers.
void echo_server::keep(slot at, std::span<const std::byte> bytes) {
    auto& unsent = clients_[at].unsent;
    if (!unsent) {
        unsent = std::make_unique<backlog>();
        settle_later(at);
    }
    unsent->waiting.insert(unsent->waiting.end(), bytes.begin(), bytes.end());
    if (unsent->waiting.size() > most_unsent) stop_receiving(at);
}

/// Submits the next operation of a client, if none is pending: a send, a receive, or a close.
void echo_server::settle(slot at) {
    auto& of = clients_[at];
    if (!of.is_open) return;
    if (of.unsent) {
        if (of.unsent->sending.empty()) send_rest(at);
    } else if (!of.is_receiving) {
        if (of.has_ended)
            close(at);
        else
            receive(at);
    }
}

/// Ends a connection that failed.
void echo_server::give_up(slot at) {
    auto& of = clients_[at];
    of.has_ended = true;
    if (of.unsent && of.unsent->sending.empty()) of.unsent.reset();
    // The slot is closed after its receive has ended, because the receive holds the socket.
    if (of.is_receiving) stop_receiving(at);
    settle(at);
}

// ---- Operations ----

void echo_server::accept() {
    auto& entry = next_entry();
    if (has_descriptors) {
        ::io_uring_prep_multishot_accept(&entry, listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } else {
        ::io_uring_prep_multishot_accept_direct(&entry, listener_, nullptr, nullptr, 0);
    }
    start(entry, {operation::accept});
}

void echo_server::receive(slot at) {
    auto& entry = next_entry();
    ::io_uring_prep_recv_multishot(&entry, at, nullptr, 0, 0);
    entry.buf_group = buffer_group;
    start(entry, {operation::receive, at}, file_flag | IOSQE_BUFFER_SELECT);
    clients_[at].is_receiving = true;
}

void echo_server::stop_receiving(slot at) {
    auto& entry = next_entry();
    ::io_uring_prep_cancel64(&entry, std::bit_cast<std::uint64_t>(tag{operation::receive, at}), 0);
    start(entry, {operation::stop_receiving, at}, IOSQE_CQE_SKIP_SUCCESS);
}

void echo_server::send(slot at, buffer_id buffer, std::uint16_t size) {
    auto& entry = next_entry();
    ::io_uring_prep_send(&entry, at, address_of(buffer), size, MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL);
    start(entry, {operation::send, at, buffer, size}, file_flag | IOSQE_CQE_SKIP_SUCCESS);
    this_turn_.sent.push_back(buffer);
}

void echo_server::send_rest(slot at) {
    auto& unsent = *clients_[at].unsent;
    std::swap(unsent.sending, unsent.waiting);
    auto& entry = next_entry();
    ::io_uring_prep_send(&entry, at, unsent.sending.data(), unsent.sending.size(), MSG_WAITALL | MSG_NOSIGNAL);
    start(entry, {operation::send_rest, at}, file_flag);
}

void echo_server::close(slot at) {
    auto& entry = next_entry();
    if (has_descriptors) {
        ::io_uring_prep_close(&entry, at);
    } else {
        ::io_uring_prep_close_direct(&entry, at);
    }
    start(entry, {operation::close, at}, IOSQE_CQE_SKIP_SUCCESS);
    clients_[at].is_open = false;
}

io_uring_sqe& echo_server::next_entry() {
    auto* entry = ::io_uring_get_sqe(&ring_);
    if (entry == nullptr) {
        check(::io_uring_submit(&ring_), "io_uring_enter");
        entry = ::io_uring_get_sqe(&ring_);
    }
    return *entry;
}

/// Completes an entry, which is submitted at the end of the turn.
void echo_server::start(io_uring_sqe& prepared, const tag& what, unsigned flags) {
    prepared.flags |= static_cast<std::uint8_t>(flags);
    prepared.user_data = std::bit_cast<std::uint64_t>(what);
}

// ---- Buffers ----

std::byte* echo_server::address_of(buffer_id buffer) const { return buffers_ + std::size_t{buffer} * buffer_size; }

void echo_server::provide_more(unsigned count) {
    for (; count > 0 && lent_ < most_buffers; --count) give_back(static_cast<buffer_id>(lent_++));
}

void echo_server::give_back(buffer_id buffer) {
    ::io_uring_buf_ring_add(buffer_ring_, address_of(buffer), buffer_size, buffer,
                            ::io_uring_buf_ring_mask(most_buffers), given_back_++);
}

}  // namespace

int main(int argc, char** argv) { return bench::run_servers<echo_server>(argc, argv); }
