// SPDX-License-Identifier: MIT
#include <eddy/tls/error.hpp>

#include <limits>
#include <string>

#include <openssl/pemerr.h>
#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509err.h>

#include "openssl.hpp"

namespace eddy {
namespace {

class openssl_errors final : public std::error_category {
public:
    const char* name() const noexcept override { return "openssl"; }
    std::string message(int code) const override {
        const auto number = static_cast<unsigned long>(code);
        const char* const reason = ERR_reason_error_string(number);
        std::string text = reason != nullptr ? reason : "unknown error " + std::to_string(code);
        return text + remedy_for(ERR_GET_LIB(number), ERR_GET_REASON(number));
    }

private:
    /// Returns what a program can do about an error, in parentheses, for the most frequent mistakes.
    static const char* remedy_for(int library, int reason) noexcept {
        if (library == ERR_LIB_SSL && reason == SSL_R_WRONG_VERSION_NUMBER)
            return " (does the peer speak TLS on this port?)";
        if (library == ERR_LIB_PEM && reason == PEM_R_NO_START_LINE)
            return " (the text or file contains no certificate in PEM format, which starts with -----BEGIN "
                   "CERTIFICATE-----)";
        if (library == ERR_LIB_X509 && reason == X509_R_NO_CERTIFICATE_FOUND)
            return " (the text or file contains no certificate in PEM format, which starts with -----BEGIN "
                   "CERTIFICATE-----: pass the certificate first, and the private key second)";
        if (library == ERR_LIB_PEM && reason == PEM_R_BAD_PASSWORD_READ)
            return " (the private key is encrypted: decrypt it first, openssl pkey -in encrypted.pem -out key.pem)";
        if (library == ERR_LIB_OSSL_DECODER && reason == ERR_R_UNSUPPORTED)
            return " (the text or file contains no private key in PEM format, which starts with -----BEGIN PRIVATE "
                   "KEY-----, or the key is damaged)";
        if (library == ERR_LIB_X509 && reason == X509_R_KEY_VALUES_MISMATCH)
            return " (the private key does not belong to the certificate: pass the two files of one pair)";
        if (library == ERR_LIB_X509 && reason == X509_R_KEY_TYPE_MISMATCH)
            return " (the private key does not belong to the certificate: it is of another type)";
        return "";
    }
};

class certificate_errors final : public std::error_category {
public:
    const char* name() const noexcept override { return "certificate"; }
    std::string message(int code) const override {
        return std::string("the certificate was refused: ") + X509_verify_cert_error_string(code);
    }
};

}  // namespace

const std::error_category& tls::openssl_category() noexcept {
    static const openssl_errors instance;
    return instance;
}

const std::error_category& tls::certificate_category() noexcept {
    static const certificate_errors instance;
    return instance;
}

namespace detail {

std::error_code take_openssl_error(std::errc otherwise) noexcept {
    const unsigned long number = ERR_get_error();
    ERR_clear_error();
    if (number == 0) return std::make_error_code(otherwise);
    if (ERR_GET_REASON(number) == ERR_R_MALLOC_FAILURE) return std::make_error_code(std::errc::not_enough_memory);
    if (ERR_SYSTEM_ERROR(number)) return {ERR_GET_REASON(number), std::generic_category()};
    // Without the bit for system errors, a number has 31 bits.
    return {static_cast<int>(number), tls::openssl_category()};
}

bio_owner reads_text(std::string_view text) noexcept {
    if (text.size() > std::size_t{std::numeric_limits<int>::max()}) return nullptr;
    return bio_owner(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

}  // namespace detail
}  // namespace eddy
