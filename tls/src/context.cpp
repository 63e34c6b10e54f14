// SPDX-License-Identifier: MIT
#include "context.hpp"

#include <algorithm>
#include <cctype>
#include <system_error>

#include <eddy/tls/detail/engine.hpp>

#include "parsed_identity.hpp"

namespace eddy {
namespace detail {
namespace {

// ---- The slots for our pointers in OpenSSL's objects ----

int context_slot() noexcept {
    static const int slot = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return slot;
}
int host_slot() noexcept {
    static const int slot = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return slot;
}

long version_number(tls::version oldest) noexcept {
    return oldest == tls::version::tls_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
}

/// Makes a context with the settings that clients and servers share.
result<ssl_context_owner> make_plain_context(const SSL_METHOD* method, tls::version oldest) {
    ERR_clear_error();
    ssl_context_owner made(SSL_CTX_new(method));
    if (!made) return std::unexpected(take_openssl_error(std::errc::not_enough_memory));
    SSL_CTX_set_min_proto_version(made.get(), version_number(oldest));
    SSL_CTX_set_options(made.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    // RELEASE_BUFFERS: an idle connection has no buffers. Otherwise they take 35 KB.
    SSL_CTX_set_mode(made.get(),
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    return made;
}

result<void> add_trusted(SSL_CTX& context, std::span<const certificate_owner> all) {
    X509_STORE* const store = SSL_CTX_get_cert_store(&context);
    for (const auto& each : all) {
        if (X509_STORE_add_cert(store, each.get()) != 1) return std::unexpected(take_openssl_error());
    }
    return ok();
}

result<void> add_trusted(SSL_CTX& context, std::string_view pem) {
    const auto all = parse_certificates(pem);
    if (!all) return std::unexpected(all.error());
    return add_trusted(context, *all);
}

/// Returns random keys for session tickets: those that OpenSSL has made for a new context.
result<std::vector<unsigned char>> make_ticket_keys(tls::version oldest) {
    const auto made = make_plain_context(TLS_server_method(), oldest);
    if (!made) return std::unexpected(made.error());
    SSL_CTX* const context = made->get();
    std::vector<unsigned char> keys(static_cast<std::size_t>(SSL_CTX_get_tlsext_ticket_keys(context, nullptr, 0)));
    if (SSL_CTX_get_tlsext_ticket_keys(context, keys.data(), keys.size()) != 1) {
        return std::unexpected(take_openssl_error());
    }
    return keys;
}

char lower(char c) noexcept { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

bool same_name(std::string_view a, std::string_view b) noexcept {
    return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

/// Returns whether `host` matches `name`, which may begin with `*.` for exactly one label.
bool matches(std::string_view host, std::string_view name) noexcept {
    if (!name.starts_with("*.")) return same_name(host, name);
    const auto dot = host.find('.');
    return dot != std::string_view::npos && dot != 0 && same_name(host.substr(dot), name.substr(1));
}

// ---- Callbacks ----

// SAFETY: the slot of an SSL_CTX contains a pointer to its tls_client_context or tls_server_identities. The latter is
// also the `argument` of the callbacks. A connection keeps either alive. The slot of an SSL contains the pointer that
// set_host() stored, to a string of that connection.

int keep_client_session(SSL* connection, SSL_SESSION* session) {
    auto* const client =
        static_cast<tls_client_context*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), context_slot()));
    const auto* const host = static_cast<const std::string*>(SSL_get_ex_data(connection, host_slot()));
    if (client == nullptr || host == nullptr || SSL_SESSION_is_resumable(session) == 0) return 0;
    client->keep_session(*host, ssl_session_owner(session));
    return 1;  // tells OpenSSL that this function keeps its reference to the session
}

void log_client_key(const SSL* connection, const char* line) {
    const auto* const client =
        static_cast<tls_client_context*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), context_slot()));
    client->log()->write(line);
}

void log_server_key(const SSL* connection, const char* line) {
    const auto* const all =
        static_cast<tls_server_identities*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), context_slot()));
    all->log->write(line);
}

int choose_identity(SSL* connection, int*, void* argument) {
    const auto& all = *static_cast<const tls_server_identities*>(argument);
    const char* const host = SSL_get_servername(connection, TLSEXT_NAMETYPE_host_name);
    if (host == nullptr) return SSL_TLSEXT_ERR_NOACK;
    SSL_set_SSL_CTX(connection, &all.context_for(host));
    return SSL_TLSEXT_ERR_OK;
}

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                    unsigned offered_size, void* argument) {
    const auto& ours = static_cast<const tls_server_identities*>(argument)->alpn;
    // SAFETY: SSL_select_next_proto() stores in `found` a pointer into one of its two const lists, and does not write
    // to it. Only the type of that parameter lacks the const. OpenSSL takes text as unsigned char, which may alias.
    auto* found = const_cast<unsigned char*>(offered);
    const auto* const preferred = reinterpret_cast<const unsigned char*>(ours.data());
    if (SSL_select_next_proto(&found, size, preferred, static_cast<unsigned>(ours.size()), offered, offered_size) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

}  // namespace

void set_host(SSL& connection, const std::string* host) noexcept {
    // SAFETY: only keep_client_session() reads it, as const.
    SSL_set_ex_data(&connection, host_slot(), const_cast<std::string*>(host));
}

result<std::string> encode_alpn(std::span<const std::string> protocols) {
    std::string encoded;
    for (const auto& each : protocols) {
        if (each.empty() || each.size() > 255)
            return std::unexpected(std::make_error_code(std::errc::invalid_argument));
        encoded += static_cast<char>(static_cast<unsigned char>(each.size()));
        encoded += each;
    }
    return encoded;
}

// ---- key_log ----

result<std::unique_ptr<key_log>> key_log::open(const std::filesystem::path& path) {
    if (path.empty()) return nullptr;
    // Only the owner of the file can read it: these secrets decrypt all traffic.
    auto file = sys::append_file::open(path.c_str());
    if (!file) return std::unexpected(file.error());
    return std::unique_ptr<key_log>(new key_log(std::move(*file)));
}

void key_log::write(std::string_view line) const noexcept try {
    std::string whole(line);
    whole += '\n';
    file_.append(whole);
} catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): a line of a log for debugging is missing
}

// ---- tls_client_context ----

tls_client_context::tls_client_context(ssl_context_owner context, std::unique_ptr<key_log> log, bool verifies,
                                       std::chrono::nanoseconds handshake_timeout) noexcept
    : context_(std::move(context)), log_(std::move(log)), verifies_(verifies), handshake_timeout_(handshake_timeout) {
    SSL_CTX_set_ex_data(context_.get(), context_slot(), this);
    SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context_.get(), keep_client_session);
    if (log_) SSL_CTX_set_keylog_callback(context_.get(), log_client_key);
}

void tls_client_context::keep_session(const std::string& host, ssl_session_owner session) noexcept try {
    const std::lock_guard guard(lock_);
    if (sessions_.size() >= most_hosts && !sessions_.contains(host)) sessions_.erase(sessions_.begin());
    auto& of_host = sessions_[host];
    std::erase_if(of_host, [&](const ssl_session_owner& each) {
        return each.get() == session.get() || SSL_SESSION_is_resumable(each.get()) == 0;
    });
    if (of_host.size() >= sessions_per_host) of_host.erase(of_host.begin());
    of_host.push_back(std::move(session));
} catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): the next connection makes a full handshake
}

ssl_session_owner tls_client_context::take_session(const std::string& host) {
    const std::lock_guard guard(lock_);
    const auto found = sessions_.find(host);
    if (found == sessions_.end()) return nullptr;
    // A session may have been marked since it was kept: its connection has ended with a fatal alert.
    std::erase_if(found->second, [](const auto& each) { return SSL_SESSION_is_resumable(each.get()) == 0; });
    if (found->second.empty()) {
        sessions_.erase(found);
        return nullptr;
    }
    auto& newest = found->second.back();
    if (SSL_SESSION_get_protocol_version(newest.get()) < TLS1_3_VERSION) {
        SSL_SESSION_up_ref(newest.get());
        return ssl_session_owner(newest.get());
    }
    ssl_session_owner taken = std::move(newest);
    found->second.pop_back();
    if (found->second.empty()) sessions_.erase(found);
    return taken;
}

// ---- tls_server_context ----

SSL_CTX& tls_server_identities::context_for(std::string_view host) const noexcept {
    for (const auto& [name, context] : by_host) {
        if (matches(host, name)) return *context;
    }
    return *usual;
}

tls_server_context::tls_server_context(const tls::server_builder& settings)
    : settings_(settings), handshakes_(std::max<std::size_t>(settings.max_handshakes_, 1)) {}

result<std::shared_ptr<tls_server_context>> tls_server_context::make(const tls::server_builder& settings) {
    std::shared_ptr<tls_server_context> made(new tls_server_context(settings));
    auto log = key_log::open(settings.key_log_);
    if (!log) return std::unexpected(log.error());
    made->log_ = std::move(*log);
    auto keys = make_ticket_keys(settings.min_version_);
    if (!keys) return std::unexpected(keys.error());
    if (const std::string& others = settings.ticket_keys_; !others.empty()) {
        if (others.size() != keys->size()) return std::unexpected(std::make_error_code(std::errc::invalid_argument));
        std::ranges::copy(others, keys->begin());
    }
    made->ticket_keys_ = std::move(*keys);
    if (!settings.client_issuers_.empty()) {
        auto issuers = parse_certificates(settings.client_issuers_);
        if (!issuers) return std::unexpected(issuers.error());
        made->client_issuers_ = std::move(*issuers);
    }
    auto identities = made->make_identities();
    if (!identities) return std::unexpected(identities.error());
    made->identities_ = std::move(*identities);
    return made;
}

result<void> tls_server_context::replace(const tls::identity& own) {
    const std::lock_guard guard(lock_);
    const tls::identity former = std::exchange(settings_.identity_, own);
    auto made = make_identities();
    if (!made) {
        settings_.identity_ = former;
        return std::unexpected(made.error());
    }
    identities_ = std::move(*made);
    return ok();
}

std::shared_ptr<const tls_server_identities> tls_server_context::identities() const {
    const std::lock_guard guard(lock_);
    return identities_;
}

result<std::shared_ptr<const tls_server_identities>> tls_server_context::make_identities() const {
    auto all = std::make_shared<tls_server_identities>();
    auto alpn = encode_alpn(settings_.alpn_);
    if (!alpn) return std::unexpected(alpn.error());
    all->alpn = std::move(*alpn);
    all->log = log_;
    auto usual = make_context(settings_.identity_, *all);
    if (!usual) return std::unexpected(usual.error());
    all->usual = std::move(*usual);
    for (const auto& [host, own] : settings_.others_) {
        auto other = make_context(own, *all);
        if (!other) return std::unexpected(other.error());
        all->by_host.emplace_back(host, std::move(*other));
    }
    return all;
}

result<ssl_context_owner> tls_server_context::make_context(const tls::identity& own,
                                                           const tls_server_identities& all) const {
    auto made = make_plain_context(TLS_server_method(), settings_.min_version_);
    if (!made) return made;
    SSL_CTX& context = **made;
    // For TLS 1.2: only ciphers with forward secrecy and authenticated encryption. TLS 1.3 has no others. All clients
    // of the last ten years have one of them.
    if (SSL_CTX_set_cipher_list(&context, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) {
        return std::unexpected(take_openssl_error());
    }
    if (const auto used = use_identity(context, tls_access::get(own)); !used) return std::unexpected(used.error());
    // SAFETY: the callbacks read the set as const. A connection keeps it alive.
    auto* const set = const_cast<tls_server_identities*>(&all);
    SSL_CTX_set_ex_data(&context, context_slot(), set);
    SSL_CTX_set_tlsext_servername_callback(&context, choose_identity);
    SSL_CTX_set_tlsext_servername_arg(&context, set);
    if (!all.alpn.empty()) SSL_CTX_set_alpn_select_cb(&context, choose_protocol, set);
    if (all.log) SSL_CTX_set_keylog_callback(&context, log_server_key);
    // Sessions are resumed by tickets only: the server keeps no sessions. OpenSSL requires an id to resume sessions if
    // client certificates are verified.
    SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);
    static constexpr unsigned char id[] = "eddy";
    SSL_CTX_set_session_id_context(&context, id, sizeof(id) - 1);
    // SAFETY: OpenSSL copies the keys; its macro lacks a const.
    auto* const keys = const_cast<unsigned char*>(ticket_keys_.data());
    SSL_CTX_set_tlsext_ticket_keys(&context, keys, ticket_keys_.size());
    if (!client_issuers_.empty()) {
        if (const auto added = add_trusted(context, client_issuers_); !added) return std::unexpected(added.error());
        for (const auto& each : client_issuers_) SSL_CTX_add_client_CA(&context, each.get());
        SSL_CTX_set_verify(&context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
    return made;
}

// ---- tls_access ----

std::chrono::nanoseconds tls_access::handshake_timeout(const tls::client_config& of) noexcept {
    return of.context_->handshake_timeout();
}
std::chrono::nanoseconds tls_access::handshake_timeout(const tls::server_config& of) noexcept {
    return of.context_->handshake_timeout();
}
sync::semaphore& tls_access::handshakes(const tls::server_config& of) noexcept { return of.context_->handshakes(); }

}  // namespace detail

namespace tls {

// ---- client_builder ----

result<client_config> client_config::with_alpn(const std::vector<std::string>& protocols) const {
    auto encoded = detail::encode_alpn(protocols);
    if (!encoded) return std::unexpected(encoded.error());
    client_config copy(*this);
    copy.alpn_ = std::make_shared<const std::string>(*std::move(encoded));
    return copy;
}

client_builder& client_builder::trust_pem(std::string_view certificates) {
    trusted_pem_ += certificates;
    trusted_pem_ += '\n';
    return *this;
}
client_builder& client_builder::trust_file(std::filesystem::path certificates) {
    trusted_files_.push_back(std::move(certificates));
    return *this;
}
client_builder& client_builder::identity(tls::identity own) {
    identity_ = std::move(own);
    return *this;
}
client_builder& client_builder::alpn(std::vector<std::string> protocols) {
    alpn_ = std::move(protocols);
    return *this;
}
client_builder& client_builder::min_version(tls::version oldest) noexcept {
    min_version_ = oldest;
    return *this;
}
client_builder& client_builder::handshake_timeout(std::chrono::nanoseconds limit) noexcept {
    handshake_timeout_ = limit;
    return *this;
}
client_builder& client_builder::dangerous_key_log(std::filesystem::path file) {
    key_log_ = std::move(file);
    return *this;
}
client_builder& client_builder::dangerous_accept_any_certificate() noexcept {
    verifies_ = false;
    return *this;
}

result<client_config> client_builder::build() const {
    auto made = detail::make_plain_context(TLS_client_method(), min_version_);
    if (!made) return std::unexpected(made.error());
    SSL_CTX& context = **made;
    if (verifies_) {
        SSL_CTX_set_verify(&context, SSL_VERIFY_PEER, nullptr);
        if (trusted_pem_.empty() && trusted_files_.empty()) {
            if (SSL_CTX_set_default_verify_paths(&context) != 1) return std::unexpected(detail::take_openssl_error());
        }
    }
    if (!trusted_pem_.empty()) {
        if (const auto added = detail::add_trusted(context, trusted_pem_); !added)
            return std::unexpected(added.error());
    }
    for (const auto& path : trusted_files_) {
        const auto text = detail::read_text_file(path, detail::named_file::trusted);
        if (!text) return std::unexpected(text.error());
        if (const auto added = detail::add_trusted(context, *text); !added) return std::unexpected(added.error());
    }
    if (identity_) {
        const auto used = detail::use_identity(context, detail::tls_access::get(*identity_));
        if (!used) return std::unexpected(used.error());
    }
    const auto alpn = detail::encode_alpn(alpn_);
    if (!alpn) return std::unexpected(alpn.error());
    // SAFETY: OpenSSL takes text as unsigned char, which may alias, and copies it.
    const auto* const protocols = reinterpret_cast<const unsigned char*>(alpn->data());
    if (!alpn->empty() && SSL_CTX_set_alpn_protos(&context, protocols, static_cast<unsigned>(alpn->size())) != 0) {
        return std::unexpected(detail::take_openssl_error());
    }
    auto log = detail::key_log::open(key_log_);
    if (!log) return std::unexpected(log.error());
    return client_config(
        std::make_shared<detail::tls_client_context>(std::move(*made), std::move(*log), verifies_, handshake_timeout_));
}

result<client_config> client_config::make() { return client_builder().build(); }

// ---- server_builder ----

server_builder& server_builder::identity_for(std::string host, tls::identity own) {
    others_.emplace_back(std::move(host), std::move(own));
    return *this;
}
server_builder& server_builder::alpn(std::vector<std::string> protocols) {
    alpn_ = std::move(protocols);
    return *this;
}
server_builder& server_builder::require_client_certificate(std::string_view issuers) {
    client_issuers_ += issuers;
    client_issuers_ += '\n';
    return *this;
}
server_builder& server_builder::min_version(tls::version oldest) noexcept {
    min_version_ = oldest;
    return *this;
}
server_builder& server_builder::handshake_timeout(std::chrono::nanoseconds limit) noexcept {
    handshake_timeout_ = limit;
    return *this;
}
server_builder& server_builder::max_handshakes(std::size_t most) noexcept {
    max_handshakes_ = most;
    return *this;
}
server_builder& server_builder::ticket_keys(std::string keys) {
    ticket_keys_ = std::move(keys);
    return *this;
}
server_builder& server_builder::dangerous_key_log(std::filesystem::path file) {
    key_log_ = std::move(file);
    return *this;
}

result<server_config> server_builder::build() const {
    auto made = detail::tls_server_context::make(*this);
    if (!made) return std::unexpected(made.error());
    return server_config(std::move(*made));
}

result<server_config> server_config::make(identity own) { return server_builder(std::move(own)).build(); }

result<void> server_config::replace(const identity& own) const { return context_->replace(own); }

std::string server_config::ticket_keys() const {
    const auto keys = context_->ticket_keys();
    return {keys.begin(), keys.end()};
}

}  // namespace tls
}  // namespace eddy
