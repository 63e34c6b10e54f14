// SPDX-License-Identifier: MIT
#include <eddy/tls/error.hpp>

#include <limits>
#include <string>

#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>

#include "tls/openssl.hpp"

namespace eddy {
namespace {

class openssl_errors final : public std::error_category {
public:
    const char* name() const noexcept override { return "openssl"; }
    std::string message(int code) const override {
        const auto number = static_cast<unsigned long>(code);
        const char* const reason = ERR_reason_error_string(number);
        std::string text = reason != nullptr ? reason : "unknown error " + std::to_string(code);
        if (ERR_GET_LIB(number) == ERR_LIB_SSL && ERR_GET_REASON(number) == SSL_R_WRONG_VERSION_NUMBER) {
            text += " (does the peer speak TLS on this port?)";
        }
        return text;
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
