// SPDX-License-Identifier: MIT
#include "parsed_identity.hpp"

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include <openssl/pem.h>
#include <openssl/pemerr.h>
#include <openssl/x509err.h>
#include <openssl/x509v3.h>

#include <eddy/error.hpp>
#include <eddy/tls/detail/engine.hpp>
#include <eddy/tls/error.hpp>

EDDY_LIBRARY(tls)

namespace eddy {
namespace detail {

namespace {

/// The errors of system calls about one of the files.
class file_errors final : public std::error_category {
public:
    explicit file_errors(const char* which) noexcept : which_(which) {}

    const char* name() const noexcept override { return "tls file"; }
    std::string message(int code) const override { return std::generic_category().message(code) + " (" + which_ + ')'; }
    std::error_condition default_error_condition(int code) const noexcept override {
        return std::generic_category().default_error_condition(code);
    }

private:
    const char* which_;
};

const std::error_category& errors_of(named_file which) noexcept {
    static const file_errors certificates("the file of the certificates, the first one of identity::from_files()");
    static const file_errors private_key("the file of the private key, the second one of identity::from_files()");
    static const file_errors trusted("a file of trust_file()");
    switch (which) {
    case named_file::certificates: return certificates;
    case named_file::private_key: return private_key;
    case named_file::trusted: break;
    }
    return trusted;
}

}  // namespace

result<std::string> read_text_file(const std::filesystem::path& path, named_file which) {
    struct closes {
        void operator()(std::FILE* file) const noexcept { static_cast<void>(std::fclose(file)); }
    };
    if (path.native().contains('\0')) return std::unexpected(make_error_code(errc::bad_path));
    const std::unique_ptr<std::FILE, closes> file(std::fopen(path.c_str(), "re"));
    if (!file) return std::unexpected(std::error_code(errno, errors_of(which)));
    std::string text;
    char part[4096];
    while (const std::size_t count = std::fread(part, 1, sizeof(part), file.get())) text.append(part, count);
    if (std::ferror(file.get()) != 0) return std::unexpected(std::error_code(errno, errors_of(which)));
    return text;
}

result<std::vector<certificate_owner>> parse_certificates(std::string_view pem) {
    ERR_clear_error();
    const bio_owner text = reads_text(pem);
    std::vector<certificate_owner> found;
    while (text) {
        certificate_owner next(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr));
        if (!next) break;
        // OpenSSL reads the extensions at the first use of a certificate, and considers it invalid for ever if the
        // memory does not suffice then.
        X509_check_purpose(next.get(), -1, 0);
        found.push_back(std::move(next));
    }
    // OpenSSL reports the end of the text as an error, too.
    const unsigned long last = ERR_peek_last_error();
    const bool is_end = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
    if (found.empty() || !is_end) return std::unexpected(take_openssl_error(std::errc::not_enough_memory));
    ERR_clear_error();
    return found;
}

namespace {

/// Returns another error for a text without a certificate: the message of that one is also about the key.
std::error_code as_identity_error(const std::error_code& error) noexcept {
    if (error != std::error_code(ERR_PACK(ERR_LIB_PEM, 0, PEM_R_NO_START_LINE), tls::openssl_category())) return error;
    return std::error_code(ERR_PACK(ERR_LIB_X509, 0, X509_R_NO_CERTIFICATE_FOUND), tls::openssl_category());
}

}  // namespace

result<void> use_identity(SSL_CTX& context, const tls_identity& own) {
    ERR_clear_error();
    const std::unique_ptr<STACK_OF(X509), frees_with<[](STACK_OF(X509) * all) { sk_X509_free(all); }>> issuers(
        sk_X509_new_null());
    for (const auto& each : own.issuers) sk_X509_push(issuers.get(), each.get());
    if (SSL_CTX_use_cert_and_key(&context, own.certificate.get(), own.key.get(), issuers.get(), 1) != 1) {
        return std::unexpected(take_openssl_error());
    }
    return ok();
}

}  // namespace detail

namespace tls {

result<identity> identity::from_pem(std::string_view certificates, std::string_view private_key) {
    auto parsed = std::make_shared<detail::tls_identity>();
    auto all = detail::parse_certificates(certificates);
    if (!all) return std::unexpected(detail::as_identity_error(all.error()));
    parsed->certificate = std::move(all->front());
    all->erase(all->begin());
    parsed->issuers = std::move(*all);
    const detail::bio_owner text = detail::reads_text(private_key);
    // Without a callback for a password, OpenSSL would ask for it on the terminal.
    bool is_encrypted = false;
    const auto no_password = [](char*, int, int, void* asked) {
        // SAFETY: `asked` is the address of `is_encrypted`, which outlives the call below.
        *static_cast<bool*>(asked) = true;
        return -1;
    };
    if (text) parsed->key.reset(PEM_read_bio_PrivateKey(text.get(), nullptr, no_password, &is_encrypted));
    if (is_encrypted) {
        // OpenSSL 3 reports "interrupted or cancelled".
        ERR_clear_error();
        return std::unexpected(std::error_code(ERR_PACK(ERR_LIB_PEM, 0, PEM_R_BAD_PASSWORD_READ), openssl_category()));
    }
    if (!parsed->key) return std::unexpected(detail::take_openssl_error(std::errc::not_enough_memory));
    if (X509_check_private_key(parsed->certificate.get(), parsed->key.get()) != 1) {
        return std::unexpected(detail::take_openssl_error());
    }
    return detail::tls_access::make(std::move(parsed));
}

result<identity> identity::from_files(const std::filesystem::path& certificates,
                                      const std::filesystem::path& private_key) {
    const auto chain = detail::read_text_file(certificates, detail::named_file::certificates);
    if (!chain) return std::unexpected(chain.error());
    const auto key = detail::read_text_file(private_key, detail::named_file::private_key);
    if (!key) return std::unexpected(key.error());
    return from_pem(*chain, *key);
}

}  // namespace tls
}  // namespace eddy
