// SPDX-License-Identifier: MIT

// The limit for an echo server on one io_uring: a bare loop, with nothing of eddy in it. Needs Linux 6.1.
//
//     $ bench_bare_uring --port 7000 --threads 1
//
// What makes it as fast as the kernel allows:
//   - one io_uring_enter a turn: it submits the answers of the last turn, and waits for the requests of the next;
//   - one multishot accept, one multishot receive for each client, into buffers that the kernel picks from a ring;
//   - sockets are slots in the ring's own table and never descriptors: no reference is counted for an operation, and
//     nothing is entered into the process's table (bench_bare_uring_fds does without that: its sockets are descriptors,
//     as those of a library are, whose users set options on them, ask for their addresses, or take them away);
//   - an answer is sent from where it was received, and there is no completion if all of it was taken.
//
// When may a buffer be lent to the kernel again, if nothing says that the answer has been sent? With MSG_DONTWAIT a
// send never waits for the socket: it is over when the io_uring_enter that submits it has submitted. A completion comes
// only if a part was not taken (MSG_WAITALL makes that a failure), and it lies in the queue before those of all that
// happened while that io_uring_enter waited. So, once the completions of a turn are handled, the buffers of the turn
// before are free.
//
// What a socket did not take is copied, and sent by an operation that waits. Until that is known, whatever else the
// same client has sent queues up behind it; one that takes no answers is not read from any more.

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

// The kernel takes the buffer that was given back longest ago, so all that it has get into the cache in turn: as few as
// two turns need, and more when a receive has ended for want of one (ENOBUFS). Linux 6.18 hands out some 50 requests a
// turn, 6.1 all there are.
constexpr unsigned buffers_at_first = 64;
constexpr unsigned buffers_more = 16;
constexpr unsigned most_buffers = 1024;
// 16 KiB messages, and what may come after them. The odd cache line: at a distance of a power of two all buffers would
// compete for the same few lines of the cache.
constexpr unsigned buffer_size = 32 * 1024 + 64;
constexpr int buffer_group = 0;
constexpr std::size_t huge_page = 2UL * 1024 * 1024;
constexpr unsigned most_clients = 1 << 16;  // a slot fits into the 16 bits that a tag has for it
// Of a client that owes us more than this nothing is received meanwhile.
constexpr std::size_t most_unsent = 256UL * 1024;

using slot = std::uint16_t;
using buffer_id = std::uint16_t;

enum class operation : std::uint16_t { accept, receive, send, send_rest, stop_receiving, close };

/// What a completion says of the operation it belongs to.
struct tag {
    operation what;
    slot client = 0;
    buffer_id buffer = 0;    // of a send: where the answer is,
    std::uint16_t size = 0;  // and how long
};
static_assert(buffer_size <= UINT16_MAX);

/// Answers that the socket did not take, or that came behind such.
struct backlog {
    std::vector<std::byte> sending;  // lent to the kernel; empty: to be submitted yet
    std::vector<std::byte> waiting;
};

struct client {
    bool is_open = false;
    bool is_receiving = false;        // a receive is armed, or its last completion still to come
    bool has_ended = false;           // there is nothing more to receive
    std::uint32_t answered_in = 0;    // the turn
    std::unique_ptr<backlog> unsent;  // almost always none
};

/// What has to be done when the answers of a turn are known to be sent, or not to be.
struct turn_end {
    std::vector<buffer_id> sent;  // lent to the kernel for sending
    std::vector<slot> clients;    // to be settled
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
    int given_back_ = 0;  // in this turn, and not yet seen by the kernel
    unsigned lent_ = 0;   // how many the kernel has had at all
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

/// In huge pages, where the system has them: each request lies in another buffer. Written at once: page faults would
/// look like a cost of the first requests, and their pages like memory of the first clients.
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
        // Who is to be settled after this turn waits for nothing but its end.
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
    case operation::stop_receiving:  // there was nothing to stop: it has just ended by itself
    case operation::close: return;   // success is not reported
    }
}

void echo_server::on_accepted(const io_uring_cqe& completion) {
    if (completion.res >= 0) {
        const auto at = static_cast<slot>(completion.res);
        clients_[at] = {};
        clients_[at].is_open = true;
        receive(at);
    } else if (completion.res != -ECONNABORTED) {
        check(completion.res, "accept");  // out of slots, most likely: no figure of such a run is worth having
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
    // Before what came behind this answer in the same turn.
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

/// For an answer that must not overtake another.
void echo_server::keep(slot at, std::span<const std::byte> bytes) {
    auto& unsent = clients_[at].unsent;
    if (!unsent) {
        unsent = std::make_unique<backlog>();
        settle_later(at);
    }
    unsent->waiting.insert(unsent->waiting.end(), bytes.begin(), bytes.end());
    if (unsent->waiting.size() > most_unsent) stop_receiving(at);
}

/// Submits what the client waits for, if nothing of it is on its way.
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

/// For a client that takes no answer any more.
void echo_server::give_up(slot at) {
    auto& of = clients_[at];
    of.has_ended = true;
    if (of.unsent && of.unsent->sending.empty()) of.unsent.reset();
    // The slot is closed when its receive has ended: until then it holds the socket.
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

/// It is submitted at the end of the turn.
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
