// SPDX-License-Identifier: MIT
#include <eddy/tls/detail/engine.hpp>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/free_memory.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/error.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/tls/error.hpp>

#include "context.hpp"
#include "executor/task/wait_list.hpp"
#include "openssl.hpp"

// OpenSSL reads and writes encrypted bytes through our own BIO, which never waits: a read takes received bytes, and a
// write appends to a buffer. The functions below move the bytes between these buffers and the connection.
//
//     poll_read()   SSL_read <- BIO <- input   <- below.poll_read()
//     poll_write()  SSL_write -> BIO -> output -> below.poll_write()
//
// A read may have to write, and vice versa: versions of OpenSSL answer a key update while they read. So each call sends
// as much output as the connection accepts. A call that waits for input has sent all output, or also waits until it can
// send the rest. The exceptions are outputs for which no peer waits. A read that has its result leaves answers to key
// updates to the next call. And the tickets of a server with TLS 1.3 wait for the first output after the handshake:
// usually they are sent together with the first answer, by one system call.
//
// A server must not send its tickets to a client that is sending. A client that only sends closes its socket without
// reading them, or before they arrive. Its system answers such bytes with a reset, and discards what it had not sent
// yet: the server would lose the end of the data. OpenSSL makes the tickets after it has received the last message of
// the client's handshake. So, other than in Go, they cannot be sent together with the server's part of the handshake.
// But a client may wait for tickets before it sends. So the server also sends them if it waits for input, and the
// client has sent nothing for ticket_delay since the handshake. A client that only sends, and pauses that long, has
// received them when it ends: see read_tickets().
//
// The connection may fail while it sends. The input that it has received before can still be read. Often that ends with
// an alert: the reason why the peer has closed the connection.

namespace eddy::detail {
namespace {

using waiting_task = io_wait_list::task;
using wait_direction = io_wait_list::direction;

/// A write encrypts nothing while this many bytes or more are unsent.
constexpr std::size_t most_written = 64 * 1024;

/// A read decrypts nothing while this many bytes or more are unsent. This limit must be larger than most_written.
/// Otherwise two peers that both write would wait for each other to read. Only answers to key updates can reach this
/// limit, and a correct peer reads those.
constexpr std::size_t most_answered = 2 * most_written;

/// The time after which a client that sends nothing may be waiting for tickets. A client that has data to send sends it
/// right after its handshake, so this time need not cover a round trip, only the delay of a busy client.
constexpr auto ticket_delay = std::chrono::milliseconds(100);

/// The size of a buffer for the largest record: 16 KiB, and the overhead of encryption.
constexpr std::size_t chunk_size = 17 * 1024;

/// A buffer for one receive, which the streams of a thread share. A TLS stream over another TLS stream borrows a second
/// one.
class borrowed_chunk : immovable {
public:
    borrowed_chunk() : bytes_(std::move(kept)) {
        if (!bytes_) bytes_ = std::make_unique_for_overwrite<std::byte[]>(chunk_size);
    }
    ~borrowed_chunk() { kept = std::move(bytes_); }

    [[nodiscard]] std::span<std::byte> span() const noexcept { return {bytes_.get(), chunk_size}; }

private:
    static thread_local std::unique_ptr<std::byte[]> kept;

    std::unique_ptr<std::byte[]> bytes_;
};
thread_local std::unique_ptr<std::byte[]> borrowed_chunk::kept;

/// The memory of the output of a stream that has sent all of it. The next stream of this thread that writes takes it.
thread_local std::vector<std::byte> spare_output;
constexpr std::size_t most_spare = 32 * 1024;  // more memory is freed

}  // namespace

struct tls_engine::state : immovable {
    explicit state(ssl_owner connection) : ssl(std::move(connection)), waiters(new io_wait_list) {}
    ~state() {
        set_host(*ssl, nullptr);
        // Otherwise OpenSSL marks the session as not resumable, because no close_notify was sent. TLS has not required
        // that since version 1.1 (RFC 5246, section 7.2.1). After a fatal alert the session is already marked.
        SSL_set_shutdown(ssl.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        waiters->clear();
    }

    struct client_side {
        std::shared_ptr<tls_client_context> context;
        std::string host;
    };

    // `ssl` refers to what these members own, so it is destroyed before them. One of them is null.
    std::unique_ptr<client_side> client;
    std::shared_ptr<const tls_server_identities> server;

    ssl_owner ssl;
    const ref_ptr<io_wait_list> waiters;
    std::error_code failure;  // returned by each later call
    bool is_closed = false;   // nothing more is written
    bool is_closing = false;  // close_notify is in the output, and poll_shutdown() has not sent it yet
    bool has_ended = false;   // the connection below has ended
    bool is_kept = false;     // the input is in `rest`

    // ---- Encrypted bytes ----
    std::span<const std::byte> input;   // received and not decrypted: in `rest`, or in a chunk during a call
    std::unique_ptr<std::byte[]> rest;  // keeps the input between two calls
    std::vector<std::byte> output;      // encrypted and not sent
    std::size_t sent = 0;               // of `output`
    std::size_t tickets = 0;            // size of the output if it consists of a server's tickets only, otherwise 0
    bool is_awaited = false;            // the client has sent nothing since the handshake: it may wait for the tickets
    pool_box<time::sleep_future> ticket_timer;
    std::error_code send_failure;  // of the connection: no more output is sent

    [[nodiscard]] std::size_t unsent() const noexcept { return output.size() - sent; }

    /// Returns whether a read leaves the output to a later call: there is none (then both sizes are 0), or only
    /// tickets.
    [[nodiscard]] bool may_keep_output() const noexcept { return unsent() == tickets; }

    /// Returns whether a read can do nothing before it has received something. Then OpenSSL need not be called to find
    /// that out.
    [[nodiscard]] bool needs_input() const noexcept {
        return input.empty() && !has_ended && SSL_is_init_finished(ssl.get()) == 1 && SSL_has_pending(ssl.get()) == 0 &&
               (SSL_get_shutdown(ssl.get()) & SSL_RECEIVED_SHUTDOWN) == 0;
    }

    result<void> attach();
    template <class Call>
    poll_result<result<std::size_t>> run(tls_transport& below, context& cx, waiting_task waiter, bool is_read,
                                         const Call& call);
    poll_result<result<void>> send(tls_transport& below, context& cx, waiting_task waiter);
    poll_result<result<void>> send_or_explain(tls_transport& below, context& cx, waiting_task waiter);
    poll_result<result<void>> explain(std::error_code why, tls_transport& below, context& cx, waiting_task waiter);
    bool receive_failure(tls_transport& below, context& cx, waiting_task waiter);
    poll_result<result<void>> receive(tls_transport& below, context& cx, waiting_task waiter,
                                      std::span<std::byte> into);
    void keep_input() noexcept;
    void release_output() noexcept;
    void keep_tickets();
    void send_late_tickets(tls_transport& below, context& cx, waiting_task waiter);
    void read_tickets(tls_transport& below, context& cx, waiting_task waiter);
    result<void> begin_shutdown(tls_transport& below, context& cx, waiting_task waiter);
    std::error_code failure_of(int kind) noexcept;
    void keep_renewed_session();

    /// Calls keep_input() at the end of a call.
    struct input_keeper : immovable {
        explicit input_keeper(state& of) noexcept : self(of) {}
        ~input_keeper() { self.keep_input(); }

        state& self;
    };
};

namespace {

/// Returns whether `name` consists of labels that are not empty. OpenSSL would accept any host below ".example.org" for
/// that name, and would read a name only up to a NUL.
bool has_all_labels(std::string_view name) noexcept {
    return !name.empty() && !name.starts_with('.') && !name.ends_with('.') && !name.contains("..") &&
           !name.contains('\0');
}

// ---- The BIO ----

// SAFETY: attach() stored the state. The state owns the SSL, which owns the BIO.
tls_engine::state& state_of(BIO* bio) noexcept { return *static_cast<tls_engine::state*>(BIO_get_data(bio)); }

int read_input(BIO* bio, char* into, std::size_t size, std::size_t* count) {
    auto& state = state_of(bio);
    BIO_clear_retry_flags(bio);
    *count = std::min(size, state.input.size());
    if (*count == 0) {
        if (!state.has_ended) BIO_set_retry_read(bio);
        return 0;
    }
    std::memcpy(into, state.input.data(), *count);
    state.input = state.input.subspan(*count);
    return 1;
}

int write_output(BIO* bio, const char* from, std::size_t size, std::size_t* count) {
    auto& state = state_of(bio);
    BIO_clear_retry_flags(bio);
    try {
        if (state.output.empty()) state.output.swap(spare_output);
        const auto* const first = reinterpret_cast<const std::byte*>(from);  // SAFETY: std::byte may alias
        state.output.insert(state.output.end(), first, first + size);
    } catch (const std::bad_alloc&) {
        *count = 0;
        return 0;  // OpenSSL reports SSL_ERROR_SYSCALL
    }
    *count = size;
    return 1;
}

long control(BIO* bio, int command, long, void*) {
    switch (command) {
    case BIO_CTRL_FLUSH: return 1;
    case BIO_CTRL_EOF: return state_of(bio).has_ended && state_of(bio).input.empty() ? 1 : 0;
    default: return 0;
    }
}

const BIO_METHOD* bio_method() noexcept {
    static const BIO_METHOD* const method = [] {
        BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "eddy");
        if (made == nullptr) return made;
        BIO_meth_set_read_ex(made, read_input);
        BIO_meth_set_write_ex(made, write_output);
        BIO_meth_set_ctrl(made, control);
        return made;
    }();
    return method;
}

}  // namespace

/// Creates the BIO and passes it to the connection.
result<void> tls_engine::state::attach() {
    const BIO_METHOD* const method = bio_method();
    BIO* const bio = method != nullptr ? BIO_new(method) : nullptr;
    if (bio == nullptr) return std::unexpected(take_openssl_error(std::errc::not_enough_memory));
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl.get(), bio, bio);
    return ok();
}

/// Discards the output. Its memory becomes the spare one, so that an idle stream has none.
void tls_engine::state::release_output() noexcept {
    output.clear();
    sent = 0;
    if (output.capacity() <= most_spare) output.swap(spare_output);
    free_memory(output);
}

/// Leaves the output of a server's handshake to the next output. The server may wait for long before it sends any, so
/// the tickets get no more memory than they need.
void tls_engine::state::keep_tickets() {
    output.shrink_to_fit();
    tickets = unsent();
    is_awaited = input.empty();
}

/// Sends a server's tickets if its client has sent nothing for ticket_delay. Call it in a read that waits for input.
void tls_engine::state::send_late_tickets(tls_transport& below, context& cx, waiting_task waiter) {
    if (tickets == 0 || !is_awaited) return;
    if (this_thread.executor.time == nullptr) return;  // this thread has no timers
    if (!ticket_timer) ticket_timer.reset(pool_new<time::sleep_future>(time::deadline_after(ticket_delay)));
    io_wait_context<wait_direction::read> inner(*waiters, cx, waiter);
    if (ticket_timer->poll(inner.get())) static_cast<void>(send(below, cx, waiter));
}

/// Takes the tickets that a client has received and not read: a client that only sends has not. If they were still in
/// the socket when it is closed, the system would reset the connection.
void tls_engine::state::read_tickets(tls_transport& below, context& cx, waiting_task waiter) {
    if (!client || SSL_SESSION_is_resumable(SSL_get0_session(ssl.get())) == 1) return;
    context own(cx.waker());  // the writes before may have used up the coop budget
    static_cast<void>(receive_failure(below, own, waiter));
}

/// Appends close_notify to the output, and ends the writes. A client also finds out whether the connection has failed.
result<void> tls_engine::state::begin_shutdown(tls_transport& below, context& cx, waiting_task waiter) {
    read_tickets(below, cx, waiter);
    is_closed = true;
    if (!failure) {
        clear_openssl_errors();
        const int outcome = SSL_shutdown(ssl.get());  // does not wait for the peer's close_notify
        if (outcome < 0) failure = failure_of(SSL_get_error(ssl.get(), outcome));
    }
    if (failure) {
        // As in run(): the output contains what was written before.
        static_cast<void>(send(below, cx, waiter));
        return std::unexpected(failure);
    }
    is_closing = true;
    return ok();
}

/// Sends the output. Returns ready when no output is left.
poll_result<result<void>> tls_engine::state::send(tls_transport& below, context& cx, waiting_task waiter) {
    tickets = 0;
    ticket_timer.reset();
    while (unsent() != 0 && !send_failure) {
        io_wait_context<wait_direction::write> inner(*waiters, cx, waiter);
        const auto count = below.poll_write(inner.get(), std::span(output).subspan(sent));
        if (!count) return not_ready;
        if (!*count)
            send_failure = count->error();
        else if (**count == 0)
            send_failure = make_error_code(errc::write_zero);
        else
            sent += std::min(**count, unsent());
    }
    if (output.capacity() != 0) release_output();
    if (send_failure) return result<void>(std::unexpect, send_failure);
    return ok();
}

/// Same as send(), but if the peer has sent an alert, returns the alert in place of an error of the connection.
poll_result<result<void>> tls_engine::state::send_or_explain(tls_transport& below, context& cx, waiting_task waiter) {
    auto outcome = send(below, cx, waiter);
    if (!outcome || *outcome) return outcome;
    return explain(send_failure, below, cx, waiter);
}

/// Returns the alert that the peer has sent, or `why`, an error of sending, if there is none.
poll_result<result<void>> tls_engine::state::explain(std::error_code why, tls_transport& below, context& cx,
                                                     waiting_task waiter) {
    const bool has_received_all = receive_failure(below, cx, waiter);
    if (failure) return result<void>(std::unexpect, failure);
    // If the peer has closed the connection, the input ends soon. But the driver may not know that yet.
    const bool is_closed_by_peer = why == std::errc::broken_pipe || why == std::errc::connection_reset;
    if (!has_received_all && is_closed_by_peer) return not_ready;
    return result<void>(std::unexpect, why);
}

/// Receives and processes input up to the next data, an error or the end. Returns false if there is none of these yet.
bool tls_engine::state::receive_failure(tls_transport& below, context& cx, waiting_task waiter) {
    const input_keeper keeper(*this);
    borrowed_chunk chunk;
    while (!failure && !has_ended) {
        if (!cx.consume_budget()) return false;  // the peer may send tickets without a pause
        clear_openssl_errors();
        std::byte next{};
        std::size_t count = 0;
        const int outcome = SSL_peek_ex(ssl.get(), &next, 1, &count);
        const int kind = SSL_get_error(ssl.get(), outcome);
        if (kind == SSL_ERROR_NONE || kind == SSL_ERROR_ZERO_RETURN) return true;
        if (kind != SSL_ERROR_WANT_READ) {
            failure = failure_of(kind);
        } else if (!receive(below, cx, waiter, chunk.span())) {
            cx.refund_budget();
            return false;
        }
    }
    return true;
}

/// Receives some input.
/// Preconditions: there is no input.
poll_result<result<void>> tls_engine::state::receive(tls_transport& below, context& cx, waiting_task waiter,
                                                     std::span<std::byte> into) {
    io_wait_context<wait_direction::read> inner(*waiters, cx, waiter);
    const auto count = below.poll_read(inner.get(), into);
    if (!count) return not_ready;
    is_awaited = false;
    ticket_timer.reset();
    if (!*count) return result<void>(std::unexpect, failure = count->error());
    if (**count > into.size()) return result<void>(std::unexpect, failure = make_error_code(errc::count_too_large));
    has_ended = **count == 0;
    input = into.first(**count);
    is_kept = false;
    return ok();
}

/// Moves the input from a chunk to `rest`, at the end of a call.
void tls_engine::state::keep_input() noexcept {
    if (input.empty()) {
        rest.reset();
        input = {};
    } else if (!is_kept) {
        // SAFETY: nothing is read from it before it is written.
        rest.reset(new (std::nothrow) std::byte[input.size()]);
        if (!rest) {
            input = {};
            failure = std::make_error_code(std::errc::not_enough_memory);
            return;
        }
        std::memcpy(rest.get(), input.data(), input.size());  // at -O2, std::ranges::copy() copies byte by byte
        input = {rest.get(), input.size()};
        is_kept = true;
    }
}

/// Returns the error of a call of OpenSSL that failed with SSL_get_error() == `kind`.
std::error_code tls_engine::state::failure_of(int kind) noexcept {
    // First of all the result of the verification. The queue may begin with an error that it has caused, for example
    // one of the signature of a certificate.
    const long why = SSL_get_verify_mode(ssl.get()) != SSL_VERIFY_NONE ? SSL_get_verify_result(ssl.get()) : X509_V_OK;
    if (why != X509_V_OK) {
        clear_openssl_errors();
        return {static_cast<int>(why), tls::certificate_category()};
    }
    const unsigned long first = ERR_peek_error();
    const int reason = ERR_GET_LIB(first) == ERR_LIB_SSL ? ERR_GET_REASON(first) : 0;
    if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING || (kind == SSL_ERROR_SYSCALL && first == 0 && has_ended)) {
        clear_openssl_errors();
        return make_error_code(errc::tls_truncated);
    }
    return take_openssl_error(kind == SSL_ERROR_SYSCALL ? std::errc::not_enough_memory : std::errc::io_error);
}

/// Calls OpenSSL until it has a result. `call(count)` makes one call, which returns 1 on success. `is_read` is set if
/// that call is SSL_read_ex().
template <class Call>
poll_result<result<std::size_t>> tls_engine::state::run(tls_transport& below, context& cx, waiting_task waiter,
                                                        bool is_read, const Call& call) {
    using answer = result<std::size_t>;
    std::optional<borrowed_chunk> chunk;
    const input_keeper keeper(*this);
    for (;;) {
        if (failure) return answer(std::unexpect, failure);
        if (!cx.consume_budget()) return not_ready;
        const bool is_writer = waiter == waiting_task::writer;
        if (unsent() >= (is_writer ? most_written : most_answered) || (is_writer && send_failure)) {
            if (const auto done = send_or_explain(below, cx, waiter); !done || !*done) {
                cx.refund_budget();
                if (done) return answer(std::unexpect, done->error());
                return not_ready;
            }
        }
        if (is_read && needs_input()) {
            // An error is returned by the next call that writes.
            if (!may_keep_output()) static_cast<void>(send(below, cx, waiter));
        } else {
            clear_openssl_errors();
            std::size_t count = 0;
            const int outcome = call(count);
            const int kind = outcome == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl.get(), outcome);
            const bool has_failed =
                kind != SSL_ERROR_NONE && kind != SSL_ERROR_WANT_READ && kind != SSL_ERROR_ZERO_RETURN;
            const std::error_code failed = has_failed ? failure_of(kind) : std::error_code();
            // A later call sends the output of a read; poll_handshake() sends the output of a handshake.
            if (kind == SSL_ERROR_NONE && !is_writer) return answer(count);
            // Sends the output also after an error, because it may be an alert with the reason. If OpenSSL has a
            // result, the next call that sends returns an error of the connection. A read continues, because data or
            // an alert may have been received.
            poll_result<result<void>> all_sent = ok();
            if (!is_read || !may_keep_output()) all_sent = send(below, cx, waiter);
            if (failed) return answer(std::unexpect, failure = failed);
            if (kind == SSL_ERROR_NONE) return answer(count);
            if (kind == SSL_ERROR_ZERO_RETURN) return answer(std::size_t{0});
            if (is_writer && all_sent && !*all_sent) return answer(std::unexpect, all_sent->error());
        }
        if (!chunk) chunk.emplace();
        const auto received = receive(below, cx, waiter, chunk->span());
        if (!received) {
            cx.refund_budget();
            if (is_read) send_late_tickets(below, cx, waiter);
            return not_ready;
        }
        if (!*received) return answer(std::unexpect, received->error());
    }
}

/// Keeps the session of a client, if the server has resumed one with TLS 1.2 and replaced its ticket. OpenSSL calls
/// keep_client_session() for all other sessions, and marks the replaced one as not resumable.
void tls_engine::state::keep_renewed_session() {
    if (SSL_version(ssl.get()) >= TLS1_3_VERSION || SSL_session_reused(ssl.get()) == 0) return;
    if (SSL_SESSION_is_resumable(SSL_get0_session(ssl.get())) == 0) return;
    client->context->keep_session(client->host, ssl_session_owner(SSL_get1_session(ssl.get())));
}

// ---- tls_engine ----

tls_engine::tls_engine(std::unique_ptr<state> made) noexcept : state_(std::move(made)) {}
tls_engine::tls_engine(tls_engine&& other) noexcept = default;
tls_engine& tls_engine::operator=(tls_engine&& other) noexcept = default;
tls_engine::~tls_engine() = default;

result<tls_engine> tls_engine::connect(const tls::client_config& config, const std::string& host) {
    clear_openssl_errors();
    const auto& client = tls_access::shared(config);
    ssl_owner ssl(SSL_new(&client->context()));
    if (!ssl) return std::unexpected(take_openssl_error(std::errc::not_enough_memory));
    auto made = std::make_unique<state>(std::move(ssl));
    made->client = std::make_unique<state::client_side>(client, host);
    SSL& connection = *made->ssl;
    if (auto attached = made->attach(); !attached) return std::unexpected(attached.error());

    if (net::ip_addr::parse(host)) {
        if (client->verifies() && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(&connection), host.c_str()) != 1) {
            return std::unexpected(take_openssl_error());
        }
    } else {
        // The final period of an absolute name ("example.org.") is for the look-up. Certificates do not have it, and
        // RFC 6066, section 3, forbids it in the message.
        const std::string name = host.ends_with('.') ? host.substr(0, host.size() - 1) : host;
        // RFC 9110, section 4.3.4: the common name of the subject is not a host name, even if there is no other name.
        SSL_set_hostflags(&connection, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
        if (!has_all_labels(name) || (client->verifies() && SSL_set1_host(&connection, name.c_str()) != 1) ||
            SSL_set_tlsext_host_name(&connection, name.c_str()) != 1) {
            clear_openssl_errors();
            return std::unexpected(std::make_error_code(std::errc::invalid_argument));
        }
    }
    if (const auto& alpn = tls_access::alpn(config)) {
        // SAFETY: bytes may be read as char. OpenSSL copies them.
        const auto* const protocols = reinterpret_cast<const unsigned char*>(alpn->data());
        if (SSL_set_alpn_protos(&connection, protocols, static_cast<unsigned>(alpn->size())) != 0)
            return std::unexpected(take_openssl_error(std::errc::not_enough_memory));
    }
    set_host(connection, &made->client->host);
    if (const auto session = client->take_session(host)) SSL_set_session(&connection, session.get());
    SSL_set_connect_state(&connection);
    return tls_engine(std::move(made));
}

result<tls_engine> tls_engine::accept(const tls::server_config& config) {
    clear_openssl_errors();
    auto identities = tls_access::get(config).identities();
    ssl_owner ssl(SSL_new(identities->usual.get()));
    if (!ssl) return std::unexpected(take_openssl_error(std::errc::not_enough_memory));
    auto made = std::make_unique<state>(std::move(ssl));
    made->server = std::move(identities);
    if (auto attached = made->attach(); !attached) return std::unexpected(attached.error());
    SSL_set_accept_state(made->ssl.get());
    return tls_engine(std::move(made));
}

poll_result<result<void>> tls_engine::poll_handshake(tls_transport& below, context& cx) {
    if (SSL_is_init_finished(state_->ssl.get()) == 0) {
        const auto done = state_->run(below, cx, waiting_task::reader, false,
                                      [&](std::size_t&) { return SSL_do_handshake(state_->ssl.get()); });
        if (!done) return not_ready;
        if (!*done) return result<void>(std::unexpect, done->error());
        if (state_->client) state_->keep_renewed_session();
    }
    if (state_->server && SSL_version(state_->ssl.get()) == TLS1_3_VERSION) {
        state_->keep_tickets();
        return ok();
    }
    return state_->send_or_explain(below, cx, waiting_task::reader);
}

poll_result<result<std::size_t>> tls_engine::poll_read(tls_transport& below, context& cx, std::span<std::byte> into) {
    if (into.empty()) return ok(std::size_t{0});
    return state_->run(below, cx, waiting_task::reader, true, [&](std::size_t& count) {
        return SSL_read_ex(state_->ssl.get(), into.data(), into.size(), &count);
    });
}

poll_result<result<std::size_t>> tls_engine::poll_write(tls_transport& below, context& cx,
                                                        std::span<const std::byte> from) {
    if (from.empty()) return ok(std::size_t{0});
    if (state_->is_closed) return result<std::size_t>(std::unexpect, std::make_error_code(std::errc::broken_pipe));
    return state_->run(below, cx, waiting_task::writer, false, [&](std::size_t& count) {
        return SSL_write_ex(state_->ssl.get(), from.data(), from.size(), &count);
    });
}

poll_result<result<void>> tls_engine::poll_flush(tls_transport& below, context& cx) {
    if (state_->failure) return result<void>(std::unexpect, state_->failure);
    auto sent = state_->send_or_explain(below, cx, waiting_task::writer);
    if (!sent || !*sent) return sent;
    io_wait_context<wait_direction::write> inner(*state_->waiters, cx, waiting_task::writer);
    auto flushed = below.poll_flush(inner.get());
    if (!flushed || *flushed) return flushed;
    return state_->explain(state_->send_failure = flushed->error(), below, cx, waiting_task::writer);
}

poll_result<result<void>> tls_engine::poll_shutdown(tls_transport& below, context& cx) {
    if (!state_->is_closed && !state_->failure && !state_->send_failure) {
        if (auto begun = state_->begin_shutdown(below, cx, waiting_task::writer); !begun) return begun;
    }
    if (state_->is_closing) {
        auto sent = state_->send(below, cx, waiting_task::writer);
        if (!sent) return not_ready;
        state_->is_closing = false;
        if (!*sent) return sent;
    }
    io_wait_context<wait_direction::write> inner(*state_->waiters, cx, waiting_task::writer);
    return below.poll_shutdown(inner.get());
}

std::string_view tls_engine::alpn() const noexcept {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(state_->ssl.get(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};  // SAFETY: char may alias; the SSL owns the text
}

std::string_view tls_engine::server_name() const noexcept {
    const char* const name = SSL_get_servername(state_->ssl.get(), TLSEXT_NAMETYPE_host_name);
    return name != nullptr ? name : std::string_view();
}

tls::version tls_engine::version() const noexcept {
    return SSL_version(state_->ssl.get()) >= TLS1_3_VERSION ? tls::version::tls_1_3 : tls::version::tls_1_2;
}

bool tls_engine::was_resumed() const noexcept { return SSL_session_reused(state_->ssl.get()) == 1; }

std::string tls_engine::peer_certificate() const {
    const certificate_owner certificate(SSL_get1_peer_certificate(state_->ssl.get()));
    const bio_owner text(BIO_new(BIO_s_mem()));
    if (!certificate || !text || PEM_write_bio_X509(text.get(), certificate.get()) != 1) return {};
    char* first = nullptr;
    const long size = BIO_get_mem_data(text.get(), &first);
    return {first, static_cast<std::size_t>(size)};
}

}  // namespace eddy::detail
