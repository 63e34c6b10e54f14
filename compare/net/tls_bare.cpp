// SPDX-License-Identifier: MIT

// The baseline for TLS servers: a bare epoll loop with OpenSSL that echoes what it receives.
//
//     $ bench_tls_bare --port 7000 --threads 1
//
// The loop is optimized as far as possible:
//   - OpenSSL reads ahead, so a record costs one recv. Without that, its header would cost another one.
//   - Sockets are level-triggered for reading, so no recv is needed to find out that a socket is empty.
//   - All connections use one buffer for plain text.
// Buffers of idle connections are released (SSL_MODE_RELEASE_BUFFERS), as in nginx, HAProxy and eddy. Sessions are
// resumed by tickets only.

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <memory>
#include <vector>

#include "server_process.hpp"
#include "tls_certificate.hpp"

namespace {

constexpr std::size_t record_size = 16UL * 1024;
constexpr int accepts_per_turn = 64;

class tls_echo_server {
public:
    explicit tls_echo_server(int listener)
        : context_(make_context()),
          epoll_(::epoll_create1(EPOLL_CLOEXEC)),
          listener_(listener),
          connections_(static_cast<std::size_t>(::sysconf(_SC_OPEN_MAX))) {
        if (epoll_ < 0) bench::die("epoll_create1");
        control(EPOLL_CTL_ADD, listener_, EPOLLIN);
    }

    [[noreturn]] void run() {
        std::array<epoll_event, 512> events;
        for (;;) {
            const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
            if (count < 0 && errno != EINTR) bench::die("epoll_wait");
            for (int i = 0; i < count; ++i) {
                const int fd = events[i].data.fd;
                if (fd == listener_) {
                    accept_some();
                } else if (!serve(fd)) {
                    close(fd);
                }
            }
        }
    }

private:
    struct connection {
        SSL* ssl = nullptr;
        std::vector<std::byte> unsent;  // plain text that the socket did not accept; almost always empty
    };

    static SSL_CTX* make_context() {
        SSL_CTX* const made = SSL_CTX_new(TLS_server_method());
        if (made == nullptr) bench::die("SSL_CTX_new");
        SSL_CTX_set_min_proto_version(made, TLS1_2_VERSION);
        SSL_CTX_set_options(made, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
        SSL_CTX_set_mode(made, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_read_ahead(made, 1);
        use(made, bench::make_certificate());
        return made;
    }

    static void use(SSL_CTX* context, const bench::tls_certificate& own) {
        const auto pem = [](const std::string& text) {
            return std::unique_ptr<BIO, decltype(&BIO_free)>(
                BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free);
        };
        X509* const certificate = PEM_read_bio_X509(pem(own.certificate).get(), nullptr, nullptr, nullptr);
        EVP_PKEY* const key = PEM_read_bio_PrivateKey(pem(own.key).get(), nullptr, nullptr, nullptr);
        if (SSL_CTX_use_certificate(context, certificate) != 1 || SSL_CTX_use_PrivateKey(context, key) != 1)
            bench::die("the certificate cannot be used");
        X509_free(certificate);
        EVP_PKEY_free(key);
    }

    void accept_some() {
        for (int i = 0; i < accepts_per_turn; ++i) {
            const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0) {
                if (errno == EAGAIN || errno == ECONNABORTED) return;
                bench::die("accept4");
            }
            SSL* const ssl = SSL_new(context_);
            if (ssl == nullptr || SSL_set_fd(ssl, fd) != 1) bench::die("SSL_new");
            SSL_set_accept_state(ssl);
            connections_[fd].ssl = ssl;
            control(EPOLL_CTL_ADD, fd, EPOLLIN);
        }
    }

    /// Echoes what was received. Returns false if the connection has ended.
    bool serve(int fd) {
        connection& peer = connections_[fd];
        if (!peer.unsent.empty() && !flush(fd, peer)) return false;
        while (peer.unsent.empty()) {
            clear_errors();
            const int size = SSL_read(peer.ssl, buffer_.data(), static_cast<int>(buffer_.size()));
            if (size <= 0) return can_wait(peer, size);
            clear_errors();
            const int sent = SSL_write(peer.ssl, buffer_.data(), size);
            if (sent <= 0) {
                if (!can_wait(peer, sent)) return false;
                peer.unsent.assign(buffer_.data(), buffer_.data() + size);
                control(EPOLL_CTL_MOD, fd, EPOLLOUT);
                return true;
            }
            if (SSL_has_pending(peer.ssl) == 0) return true;
        }
        return true;
    }

    bool flush(int fd, connection& peer) {
        clear_errors();
        const int sent = SSL_write(peer.ssl, peer.unsent.data(), static_cast<int>(peer.unsent.size()));
        if (sent <= 0) return can_wait(peer, sent);
        peer.unsent.clear();
        control(EPOLL_CTL_MOD, fd, EPOLLIN);
        return true;
    }

    /// ERR_clear_error() takes some 700 instructions, even if there are no errors.
    static void clear_errors() {
        if (ERR_peek_error() != 0) ERR_clear_error();
    }

    static bool can_wait(const connection& peer, int outcome) {
        const int why = SSL_get_error(peer.ssl, outcome);
        return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
    }

    void control(int operation, int fd, std::uint32_t events) {
        epoll_event event{};
        event.events = events;
        event.data.fd = fd;
        if (::epoll_ctl(epoll_, operation, fd, &event) < 0) bench::die("epoll_ctl");
    }

    void close(int fd) {
        SSL_free(connections_[fd].ssl);
        connections_[fd] = {};
        ::close(fd);
    }

    SSL_CTX* context_;
    int epoll_;
    int listener_;
    std::vector<connection> connections_;  // by descriptor
    alignas(64) std::array<std::byte, record_size> buffer_;
};

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
    return bench::run_servers<tls_echo_server>(argc, argv);
}
